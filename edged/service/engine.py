"""The networks, opened and wired: what the daemon and the commands on still images share."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import dist, isfinite
from typing import TYPE_CHECKING, Self, TypeVar
from weakref import finalize

import cv2

from edged.bundle import selftest
from edged.bundle.choose import open_first
from edged.bundle.network import open_network
from edged.bundle.store import hold
from edged.decision.policy import similarity_at
from edged.errors import NoUsableFace
from edged.runtime.choose import open_runner
from edged.types import Box, Defect, Face, Second
from edged.vision.defects import blur, find_defects
from edged.vision.embed import Embedded, Embedder
from edged.vision.mtcnn import Detection, Detector
from edged.vision.pipeline import Vision, as_face

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edged.bundle.load import Bundle
    from edged.bundle.manifest import Recogniser
    from edged.config import schema
    from edged.decision.policy import Policy
    from edged.runtime.base import Runner, RunnerInfo
    from edged.types import Image, Point

T = TypeVar("T")
W = TypeVar("W", bound="Runner")

CASCADE_OUTPUTS = {
    "pnet": ("conv2d_4", "softmax"),
    "rnet": ("dense_2", "softmax_1"),
    "onet": ("dense_5", "dense_6", "softmax_2"),
}
"""What MTCNN's networks call box regression, (landmarks,) face probability."""

_SAME_PERSON_FMR = 1e-4  # two views in one place are of one person when they pass this
_LARGEST_SIDE_PX = 1024
_SHARE_OF_SIDE = 14  # in a still image faces below a 14th of the longer side are bystanders


@dataclass(frozen=True, slots=True)
class Extraction:
    """The most prominent face of a still image; box and landmarks in px of that image, and the
    chip that was embedded."""

    face: Face
    embedded: Embedded
    defects: tuple[Defect, ...]
    faces: int
    chip: Image


class Engine:
    """Bundles, runners, detector and embedder for one set of settings.

    What was opened once is what is opened again, whatever was installed meanwhile: index and
    policy were made for it. So its folders are held until the engine itself goes.

    Raises on `open`: BundleError, RuntimeFault.

    Args:
        model, limits: the settings.
        detects: False opens the recogniser alone, for chips that another engine cuts out.

    Attributes:
        passed_over: why a bundle that goes before the one in use is not used; empty as a rule.
        selftest: how near the runtime comes to what the bundle expects; None where the bundle
            has no self-test.
    """

    def __init__(self, model: schema.Model, limits: schema.Vision, *, detects: bool = True) -> None:
        self._model = model
        self._limits = limits
        self._detects = detects
        self._stack = ExitStack()
        self.bundle: Bundle
        self.manifest: Recogniser
        self.embedder: Embedder
        self.runner_info: RunnerInfo
        self.networks: dict[str, Path] = {}
        self.passed_over: list[str] = []
        self.selftest: selftest.Outcome | None = None
        self._opened: dict[str, str] = {}
        self._holds: dict[str, Callable[[], object]] = {}
        self._runners: dict[str, Runner] = {}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        while self._holds:
            self._holds.popitem()[1]()

    def open(self) -> None:
        """Verify the bundles, compile the networks and run each once, so that they are warm."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the networks; safe after a failed `open`, and twice."""
        self._stack.close()

    @property
    def identity(self) -> str:
        """The bundle whose templates this engine makes: name@version#digest."""
        return self.bundle.identity

    def detector(self, smallest_face_px: int | None = None) -> Detector:
        """A face detector on the open networks."""
        pnet, rnet, onet = (self._runners[role] for role in CASCADE_OUTPUTS)
        return Detector(pnet, rnet, onet, smallest_face_px or self._limits.smallest_face_px)

    def vision(
        self,
        policy: Policy | None = None,
        again: Callable[[Image, Sequence[Point], Image], Second | None] | None = None,
    ) -> Vision:
        """A fresh pipeline for one camera.

        Args:
            policy: says which views count; every one of them is asked whether it still shows
                the same person.
            again: see `Vision`.
        """
        lowest = self.manifest.quality.minimum.attendance
        return Vision(
            self.detector(),
            self.embedder,
            self._limits,
            same=similarity_at(_SAME_PERSON_FMR, self.manifest.similarity.risk),
            trusted=lowest if policy is None else min(policy.view_floor, lowest),
            again=again,
        )

    def see_again(
        self, image: Image, landmarks: Sequence[Point], chip: Image, of: Embedder
    ) -> Second:
        """What this engine's recogniser makes of a view that another one was given as `chip`.

        Raises:
            RuntimeFault: the inference runtime failed.
        """
        if not self.embedder.sees_as(of):
            chip = self.embedder.chip(image, landmarks)
        found = self.embedder.embed(chip)
        return Second(found.embedding, found.log_variance, found.quality)

    def warm_up(self, image: Image) -> None:
        """Run every network once, as a first frame would."""
        self.detector().follow(image, [Box(0, 0, 100, 100)])
        self.detector().detect(image)
        height, width = self.manifest.input.height_px, self.manifest.input.width_px
        self.embedder.embed(cv2.resize(image, (width, height)))

    def extract(self, image: Image, *, central: bool = False) -> Extraction:
        """Embed the most prominent face of a still image.

        Args:
            image: BGR uint8.
            central: take the face nearest to the image's centre instead of the largest, for
                collections that are made that way.

        Raises:
            NoUsableFace: no face is found, or none that the network can embed.
            RuntimeFault: an inference runtime failed.
        """
        image, shrink = _shrunk(image)
        found = self._find(image)
        middle = Box(0, 0, image.shape[1], image.shape[0]).centre
        best = (
            min(found, key=lambda f: dist(f.box.centre, middle))
            if central
            else max(found, key=lambda f: f.box.area)
        )
        extraction = self._extraction(image, shrink, best, found)
        if not isfinite(extraction.embedded.log_variance):
            raise NoUsableFace("the network gives no numbers for the face; use another photo")
        return extraction

    def extract_each(self, image: Image, most: int) -> list[Extraction]:
        """Embed the largest faces of a still image, at most so many, the largest first.

        What the network gives no numbers for has quality 0; for the rest see `extract`.
        """
        image, shrink = _shrunk(image)
        found = self._find(image)
        largest = sorted(found, key=lambda f: -f.box.area)[:most]
        return [self._extraction(image, shrink, one, found) for one in largest]

    def _find(self, image: Image) -> list[Detection]:
        smallest = max(24, max(image.shape[:2]) // _SHARE_OF_SIDE)
        found = self.detector(smallest).detect(image)
        if not found:
            raise NoUsableFace(
                "no face found in the image; use a photo in which one face is upright, "
                "frontal and well lit"
            )
        return found

    def _extraction(
        self, image: Image, shrink: float, one: Detection, found: list[Detection]
    ) -> Extraction:
        face = as_face(one)
        defects = find_defects(image, face, self._limits)
        others = [f.box.area for f in found if f is not one]
        if others and max(others) > 0.5 * one.box.area:
            defects.append(Defect.SEVERAL_FACES)
        chip = self.embedder.chip(image, face.landmarks)
        embedded = self.embedder.embed(chip)
        if blur(chip) > self._limits.blur_level:
            defects.append(Defect.BLURRED)
        place = _scaled(face, 1 / shrink)
        return Extraction(place, embedded, tuple(defects), len(found), chip)

    def _open(self) -> None:
        networks: dict[str, Path] = {}
        cascade: dict[str, Runner] = {}
        if self._detects:
            detector, cascade = self._first(self._model.detector, self._open_cascade)
            self._stack.callback(_close, cascade)
            networks = detector.networks
        self.bundle, recogniser = self._first(self._model.bundle, self._open_recogniser)
        self._stack.callback(recogniser.close)
        self.manifest = self.bundle.recogniser
        self.networks = {**networks, **self.bundle.networks}
        self._runners = {**cascade, "network": recogniser}
        self.embedder = Embedder(self.manifest, recogniser)
        self.runner_info = recogniser.describe()

    def _first(self, name: str, use: Callable[[Bundle], T]) -> tuple[Bundle, T]:
        """The bundle that was opened before, or the best of this name that works."""
        known = self._opened.get(name, name)
        (bundle, used), passed_over = open_first(
            known, self._model, lambda b: (b, self._held(name, b, use))
        )
        self._opened[name] = str(bundle.folder)
        self.passed_over += passed_over
        return bundle, used

    def _held(self, name: str, bundle: Bundle, use: Callable[[Bundle], T]) -> T:
        """Use a bundle whose folder nobody prunes from now on."""
        number = hold(bundle.folder)
        try:
            used = use(bundle)
        except BaseException:
            os.close(number)
            raise
        before = self._holds.get(name, lambda: None)
        self._holds[name] = finalize(self, os.close, number)
        before()
        return used

    def _open_cascade(self, bundle: Bundle) -> dict[str, Runner]:
        files = bundle.detector.networks.model_dump()
        runners: dict[str, Runner] = {}
        try:
            for role, outputs in CASCADE_OUTPUTS.items():
                path = bundle.folder / files[role]
                runners[role] = open_runner(path, outputs, self._cascade_model)
        except BaseException:
            _close(runners)
            raise
        return runners

    def _open_recogniser(self, bundle: Bundle) -> Runner:
        runner = open_network(bundle, self._model)
        try:
            self.selftest = selftest.run(bundle, Embedder(bundle.recogniser, runner).embed)
        except BaseException:
            runner.close()
            raise
        return runner

    @property
    def _cascade_model(self) -> schema.Model:
        """The detector's small networks: a second thread costs them more than it gives."""
        return self._model.model_copy(update={"threads": self._model.threads or 1})

    def placed(self) -> dict[str, tuple[Path, int]]:
        """By role: the network's file, and the threads it is given (0: the runtime decides)."""
        return {
            role: (path, (self._cascade_model if role in CASCADE_OUTPUTS else self._model).threads)
            for role, path in self.networks.items()
        }

    def wrap_runners(self, wrap: Callable[[str, Runner], W]) -> dict[str, W]:
        """Put something between the pipeline and each network, to measure it."""
        wrapped = {role: wrap(role, runner) for role, runner in self._runners.items()}
        self._runners = dict(wrapped)
        self.embedder = Embedder(self.manifest, wrapped["network"])
        return wrapped


def _close(runners: dict[str, Runner]) -> None:
    for runner in runners.values():
        runner.close()


def _shrunk(image: Image) -> tuple[Image, float]:
    """No side longer than the limit, and the factor by which it was scaled."""
    height, width = image.shape[:2]
    shrink = min(1.0, _LARGEST_SIDE_PX / max(height, width))
    if shrink == 1.0:
        return image, shrink
    size = max(1, round(shrink * width)), max(1, round(shrink * height))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), shrink


def _scaled(face: Face, factor: float) -> Face:
    box = Box(
        *(side * factor for side in (face.box.left, face.box.top, face.box.right, face.box.bottom))
    )
    a, b, c, d, e = ((x * factor, y * factor) for x, y in face.landmarks)
    return replace(face, box=box, landmarks=(a, b, c, d, e))
