"""A chip in, an embedding and the network's own doubt about it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.errors import RuntimeFault
from edged.vision.geometry import align

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.bundle.manifest import Input, Recogniser
    from edged.runtime.base import Runner
    from edged.types import Floats, Image, Point


@dataclass(frozen=True, slots=True)
class Embedded:
    """A unit-length embedding float32 (d,), its log variance, and the quality 0–1 it means."""

    embedding: Floats
    log_variance: float
    quality: float


def network_input(chip: Image, form: Input) -> Floats:
    """An aligned face (BGR uint8) as a recogniser reads it: float32 (1, 3, height, width)."""
    blob: Floats = cv2.dnn.blobFromImage(
        chip,
        scalefactor=form.scale,
        mean=(form.mean, form.mean, form.mean),
        swapRB=form.colour == "rgb",
    )
    return blob


class Embedder:
    """The recogniser of a bundle, on an open runner; not thread-safe."""

    def __init__(self, manifest: Recogniser, runner: Runner) -> None:
        self._manifest = manifest
        self._runner = runner
        self._size = (manifest.input.width_px, manifest.input.height_px)

    def chip(self, image: Image, landmarks: Sequence[Point]) -> Image:
        """The aligned face, BGR uint8 (height, width, 3) of the network's input."""
        return align(image, landmarks, self._manifest.alignment.landmarks, self._size)

    def sees_as(self, other: Embedder) -> bool:
        """Whether both networks are given the same chip of a face."""
        mine, theirs = self._manifest.alignment, other._manifest.alignment
        return self._size == other._size and mine == theirs

    def embed(self, chip: Image) -> Embedded:
        """Embed an aligned face (BGR uint8).

        A view whose embedding or score is not finite gets quality 0 and a zero embedding: it
        can neither match nor count as evidence.

        Raises:
            RuntimeFault: the inference runtime failed.
        """
        raw, log_variance = self._runner.run(network_input(chip, self._manifest.input))
        if raw.size != self._manifest.outputs.embedding.size:
            raise RuntimeFault(
                f"the network gave an embedding of {raw.size} values where the manifest of "
                f"{self._manifest.name} says {self._manifest.outputs.embedding.size}"
            )
        vector = raw.reshape(-1)
        length = float(np.linalg.norm(vector))
        doubt = float(log_variance.reshape(-1)[0])
        if not (np.isfinite(length) and length > 0 and np.isfinite(doubt)):
            return Embedded(np.zeros(vector.shape, np.float32), float("nan"), 0.0)
        return Embedded(vector / np.float32(length), doubt, self._manifest.quality.quality(doubt))
