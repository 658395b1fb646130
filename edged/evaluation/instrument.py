"""From an image file to what the networks say of it: the daemon's own code, with taps on it."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import cv2
import numpy as np

from edged import __version__
from edged.camera.images import decode_image, read_bytes
from edged.errors import ImageError, NoUsableFace, RuntimeFault
from edged.evaluation.cache import Reading, failed
from edged.evaluation.degrade import KINDS
from edged.runtime.choose import open_runner
from edged.types import Defect
from edged.vision.embed import Embedder

if TYPE_CHECKING:
    from pathlib import Path

    from edged.config.schema import Model
    from edged.evaluation.cache import Cache
    from edged.runtime.base import Runner, RunnerInfo
    from edged.service.engine import Engine
    from edged.types import Floats, Image

Face = Literal["largest", "central", "aligned"]


class _Tap:
    """A runner that remembers how long the last embedding was before it was normalised."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.length = float("nan")
        self.runs = 0

    def open(self) -> None:
        self._runner.open()

    def run(self, image: Floats) -> tuple[Floats, ...]:
        outputs = self._runner.run(image)
        self.length = float(np.linalg.norm(outputs[0]))
        self.runs += 1
        return outputs

    def close(self) -> None:
        self._runner.close()

    def describe(self) -> RunnerInfo:
        return self._runner.describe()


@dataclass(frozen=True, slots=True)
class _Network:
    """An embedder, the tap on it, and what its readings are kept under."""

    embedder: Embedder
    tap: _Tap
    identity: str

    def embed(self, chip: Image) -> tuple[Floats, float] | None:
        """The embedding, not normalised, and the log variance; None where either is no number."""
        found = self.embedder.embed(chip)
        if not np.isfinite(found.log_variance):
            return None
        return found.embedding * np.float32(self.tap.length), found.log_variance


class Instrument:
    """Measures views with an open engine, and with a second network beside it.

    Args:
        engine: open.
        face: which face of a photo is the person's, or "aligned": the image is the chip.
        cache: open, or None.
        reference: another network with the same inputs and outputs, or None.
        settings: what the reference is opened with.

    Raises on `open` RuntimeFault: the reference cannot be used.
    """

    def __init__(
        self,
        engine: Engine,
        face: Face,
        cache: Cache | None,
        reference: Path | None,
        settings: Model,
    ) -> None:
        self.engine = engine
        self.face: Face = face
        self._cache = cache
        self.reference_file = reference
        self._settings = settings
        self._stack = ExitStack()
        self._own: _Network
        self.reference: _Network | None = None
        self.reference_info: RunnerInfo | None = None
        self.asked = 0
        self.remembered = 0

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Put the taps on, and open the reference."""
        taps: list[_Tap] = []

        def tap(role: str, runner: Runner) -> Runner:
            if role != "network":
                return runner
            taps.append(_Tap(runner))
            return taps[0]

        self.engine.wrap_runners(tap)
        place = _place(self.engine.runner_info)
        finder = "" if self.face == "aligned" else _digest_of(self.engine, ("pnet", "rnet", "onet"))
        own = f"{self.engine.identity}|{place}|{finder}"
        self._own = _Network(self.engine.embedder, taps[0], own)
        if self.reference_file is not None:
            self.reference = self._open_reference(self.reference_file, finder)

    def _open_reference(self, file: Path, finder: str) -> _Network:
        outputs = self.engine.manifest.outputs
        names = [outputs.embedding.name, outputs.log_variance.name]
        runner = open_runner(file, names, self._settings)
        self._stack.callback(runner.close)
        info = self.reference_info = runner.describe()
        form = self.engine.manifest.input
        expected = (1, 3, form.height_px, form.width_px)
        got = info.input.shape
        if len(got) != 4 or any(a not in (None, b) for a, b in zip(got, expected, strict=True)):
            raise RuntimeFault(f"{file}: takes {got}, the bundle's network takes {expected}")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        tap = _Tap(runner)
        embedder = Embedder(self.engine.manifest, tap)
        return _Network(embedder, tap, f"reference#{digest}|{_place(info)}|{finder}")

    def close(self) -> None:
        """Let go of the reference; the engine is the caller's."""
        self._stack.close()

    def read(self, path: Path) -> tuple[Reading, Reading | None, str]:
        """What the network, and the reference, say of an image file; and the file's digest.

        A file that gives nothing is a `Reading` with a failure, never an error.
        """
        try:
            data = read_bytes(path)
        except ImageError:
            return failed("unreadable"), None, ""
        digest = hashlib.sha256(data).hexdigest()
        networks = [self._own] + ([self.reference] if self.reference else [])
        keys = [self._key(digest, network, self.face) for network in networks]
        found = [self._remembered(key) for key in keys]
        if found[0] is None or (None in found and not found[0].failure):
            found = list(self._measure(data))
            for key, reading in zip(keys, found, strict=False):
                if reading is not None:
                    self._remember(key, reading)
        first = found[0]
        assert first is not None  # noqa: S101
        return first, (found[1] if len(found) > 1 else None), digest

    def chip(self, path: Path) -> Image:
        """The aligned face of a file that `read` could read, BGR.

        Raises:
            ImageError, NoUsableFace: the file was altered since.
        """
        return self._find(decode_image(read_bytes(path), path.name))[0]

    def degraded(self, chip: Image, digest: str, kind: str, level: float, seed: int) -> Reading:
        """What the network says of a chip of the file with this digest, damaged."""
        how = f"{self.face}|{kind}|{level}|{seed}"
        key = self._key(digest, self._own, how)
        known = self._remembered(key)
        if known is not None:
            return known
        rng = np.random.default_rng([seed, int(digest[:12], 16), list(KINDS).index(kind)])
        form = self.engine.manifest.input
        # The kinds are made for a face in its colours, whatever the order of the channels.
        damaged = KINDS[kind](cv2.cvtColor(chip, cv2.COLOR_BGR2RGB), level, rng)
        damaged = cv2.cvtColor(damaged, cv2.COLOR_RGB2BGR)
        if damaged.shape[:2] != (form.height_px, form.width_px):
            raise RuntimeFault(f"the degradation {kind!r} changed the size of the chip")
        numbers = self._own.embed(damaged)
        if numbers is None:
            reading = failed("no_numbers")
        else:
            reading = Reading("", *numbers, sharpness=sharpness(damaged))
        self._remember(key, reading)
        return reading

    def _measure(self, data: bytes) -> tuple[Reading, Reading | None]:
        try:
            image = decode_image(data)
        except ImageError:
            return failed("unreadable"), None
        before = self._own.tap.runs
        try:
            chip, detector, faces, several, numbers = self._find(image)
        except NoUsableFace:
            # The network was asked, so a face was there.
            return failed("no_numbers" if self._own.tap.runs > before else "no_face"), None
        if numbers is None:
            return failed("no_numbers"), None
        focus = sharpness(chip)
        reading = Reading("", *numbers, focus, detector, faces, several)
        if self.reference is None:
            return reading, None
        other = self.reference.embed(chip)
        if other is None:
            return reading, failed("no_numbers")
        return reading, Reading("", *other, focus, detector, faces, several)

    def _find(self, image: Image) -> tuple[Image, float, int, bool, tuple[Floats, float] | None]:
        """Chip, detector's score, faces, whether several are prominent, and the numbers."""
        if self.face == "aligned":
            form = self.engine.manifest.input
            chip = _resized(image, (form.width_px, form.height_px))
            return chip, float("nan"), 1, False, self._own.embed(chip)
        found = self.engine.extract(image, central=self.face == "central")
        embedding = found.embedded.embedding * np.float32(self._own.tap.length)
        several = Defect.SEVERAL_FACES in found.defects
        numbers = (embedding, found.embedded.log_variance)
        return found.chip, found.face.score, found.faces, several, numbers

    def _key(self, digest: str, network: _Network, how: str) -> str:
        text = f"{__version__}|{digest}|{network.identity}|{how}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _remembered(self, key: str) -> Reading | None:
        self.asked += 1
        known = None if self._cache is None else self._cache.get(key)
        if known is not None and not known.failure:
            size = self.engine.manifest.outputs.embedding.size
            if known.embedding.size != size:  # cut short on the disk: ask again
                return None
        self.remembered += known is not None
        return known

    def _remember(self, key: str, reading: Reading) -> None:
        if self._cache is not None:
            self._cache.put(key, reading)


def sharpness(chip: Image) -> float:
    """The variance of a chip's Laplacian: the usual measure of focus."""
    return float(cv2.Laplacian(cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())


def _resized(image: Image, size: tuple[int, int]) -> Image:
    if (image.shape[1], image.shape[0]) == size:
        return image
    larger = image.shape[1] >= size[0] and image.shape[0] >= size[1]
    way = cv2.INTER_AREA if larger else cv2.INTER_LINEAR
    resized: Image = cv2.resize(image, size, interpolation=way)
    return resized


def _place(info: RunnerInfo) -> str:
    return f"{info.runtime} {info.version} {info.device}"


def _digest_of(engine: Engine, roles: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for role in roles:
        digest.update(engine.networks[role].read_bytes())
    return digest.hexdigest()
