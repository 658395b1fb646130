"""The people that a network is calibrated on: one folder a person, photos or aligned crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.camera.images import read_image
from edged.config.schema import Model, Vision
from edged.errors import BundleError, ImageError, NoUsableFace
from edged.evaluation.files import find_people, shown
from edged.evaluation.progress import progress
from edged.service.engine import Engine
from edged.types import Defect
from edged.vision.geometry import align

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.evaluation.files import People
    from edged.types import Image, Point


LEAST_PEOPLE = 10  # with two usable images or more each
LEAST_IMAGES = 50
_NAMED = 5
_TEMPLATE_PX = 112
# The five points of the usual ArcFace chip: eyes, nose, mouth corners, left to right in the image.
_TEMPLATE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)


def template(side_px: int) -> list[Point]:
    """Where the landmarks lie in a chip of this size."""
    return [(x * side_px / _TEMPLATE_PX, y * side_px / _TEMPLATE_PX) for x, y in _TEMPLATE]


@dataclass(frozen=True, slots=True)
class Faces:
    """Aligned faces, row by row: chips BGR uint8 (n, side, side, 3), people's numbers (n,).

    ``left_out`` counts images that could not be used.
    """

    chips: Image
    people: NDArray[np.str_]
    left_out: int

    def __len__(self) -> int:
        return len(self.chips)

    @property
    def count(self) -> int:
        """How many people."""
        return len(np.unique(self.people))

    def sample(self, most: int) -> NDArray[np.intp]:
        """Rows of at most this many faces, as many people as possible among them."""
        rank = np.zeros(len(self), np.intp)
        for person in np.unique(self.people):
            rows = np.nonzero(self.people == person)[0]
            rank[rows] = np.arange(len(rows))
        return np.sort(np.argsort(rank, kind="stable")[:most])


def read_faces(folder: Path, side_px: int, *, aligned: bool, most: int = 5000) -> Faces:
    """Read, detect and align; or, with `aligned`, read chips as they are.

    At most `most` images are read, as many of each person as of every other.

    Raises:
        EvaluationError: no folder of people.
        BundleError: too few of them, or too few images that show one face; the text counts them
            and names the first files.
    """
    found = find_people(folder)
    images = _evenly(found, most)
    _enough(folder, [str(person) for person, _ in images], [])
    chips: list[Image] = []
    people: list[str] = []
    refused: list[str] = []
    with _reader(side_px, aligned) as read:
        for person, path in progress(images, "reading faces"):
            try:
                chips.append(read(path))
                people.append(str(person))
            except (ImageError, NoUsableFace) as fault:
                why = str(fault).removeprefix(f"{path}: ").partition(";")[0]
                refused.append(f"{shown(path)}: {why}")
    _enough(folder, people, refused)
    return Faces(np.stack(chips), np.array(people), len(refused))


def _evenly(found: People, most: int) -> list[tuple[int, Path]]:
    if len(found.images) <= most:
        return found.images
    each = max(2, most // len(found.names))
    taken: dict[int, int] = {}
    kept = []
    for person, path in found.images:
        taken[person] = taken.get(person, 0) + 1
        if taken[person] <= each:
            kept.append((person, path))
    return kept


def _enough(folder: Path, people: list[str], refused: list[str]) -> None:
    _, counts = np.unique(people, return_counts=True)
    pairs = int((counts >= 2).sum())
    if pairs >= LEAST_PEOPLE and len(people) >= LEAST_IMAGES:
        return
    text = (
        f"{shown(folder)}: too little to calibrate on: {len(people)} usable images of "
        f"{len(counts)} people, {pairs} of them with two or more; needed are {LEAST_IMAGES} "
        f"images, and {LEAST_PEOPLE} people with two or more each"
    )
    more = len(refused) - _NAMED
    lines = [
        text,
        *refused[:_NAMED],
        *([f"and {more} more without a usable face"] if more > 0 else []),
    ]
    raise BundleError("\n".join(lines))


def _reader(side_px: int, aligned: bool) -> AbstractContextManager[Callable[[Path], Image]]:
    return _Aligned(side_px) if aligned else _Photos(side_px)


class _Aligned:
    """Chips that somebody aligned already."""

    def __init__(self, side_px: int) -> None:
        self._side = side_px

    def __enter__(self) -> Callable[[Path], Image]:
        return self._read

    def __exit__(self, *_: object) -> None:
        return

    def _read(self, path: Path) -> Image:
        image = read_image(path)
        height, width = image.shape[:2]
        if height != width:
            raise ImageError(f"{path}: {width}×{height} px is no aligned crop, which is square")
        if height == self._side:
            return image
        how = cv2.INTER_AREA if height > self._side else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(image, (self._side, self._side), interpolation=how), np.uint8)


class _Photos:
    """Photos, in which the shipped detector finds the face."""

    def __init__(self, side_px: int) -> None:
        self._template = template(side_px)
        self._size = (side_px, side_px)
        self._engine = Engine(Model(), Vision())

    def __enter__(self) -> Callable[[Path], Image]:
        self._engine.open()
        return self._read

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def _read(self, path: Path) -> Image:
        image = read_image(path)
        found = self._engine.extract(image)
        if Defect.SEVERAL_FACES in found.defects:
            raise NoUsableFace("several faces; whose it is cannot be told")
        return align(image, found.face.landmarks, self._template, self._size)
