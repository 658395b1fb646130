"""The local data sets, and the one split of people that every step uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation.intervals import bucket
from training.align import Chips, collect, largest, nearest_to_centre
from training.detect import Mtcnn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DEVELOPMENT_PERCENT = 30
SPLIT = (
    "by person: development if int(sha256(folder name)[:8 hex digits], 16) % 100 < "
    f"{DEVELOPMENT_PERCENT}, else training"
)


def is_development(person: str) -> bool:
    """Whether nobody may train on this person."""
    return bucket(person) % 100 < DEVELOPMENT_PERCENT


def development_rows(people: NDArray[np.str_]) -> NDArray[np.bool_]:
    """`is_development` for each row."""
    return np.array([is_development(str(p)) for p in people])


def lfw(data: Path, networks: Path, cache: Path) -> Chips:
    """LFW: one folder a person, the subject in the middle of the photo."""
    files = sorted(data.glob("*/*.jpg"))
    people = [f.parent.name for f in files]
    path = cache / "chips-lfw.npz"
    if not path.exists():
        detector = Mtcnn(networks, smallest_px=40)
        collect(files, people, data, detector, nearest_to_centre).save(path)
    return Chips.load(path)


def photos(data: Path, networks: Path, cache: Path) -> Chips:
    """Uncropped photos: one folder a person, the largest face."""
    files = sorted(data.glob("*/*.jpg"))
    people = [f.parent.name for f in files]
    path = cache / "chips-photos.npz"
    if not path.exists():
        collect(files, people, data, Mtcnn(networks, smallest_px=40), largest).save(path)
    return Chips.load(path)


def webcam(data: Path, networks: Path, cache: Path) -> Chips:
    """Webcam frames, `<live|print>/personNN/sessionMM/NNNN.jpg`; the largest face is the probe.

    `people` reads "live/person01/session01".
    """
    files = sorted(data.glob("*/*/*/*.jpg"))
    people = [str(f.parent.relative_to(data)) for f in files]
    path = cache / "chips-webcam.npz"
    if not path.exists():
        collect(files, people, data, Mtcnn(networks, smallest_px=80), largest).save(path)
    return Chips.load(path)
