"""Reference crops for a network's self-test: one face of the public domain, well and badly seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.vision.geometry import align

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.types import Image, Point

# NASA's photograph of the astronaut Eileen Collins, which the demo shows too.
_PORTRAIT = Path(__file__).parents[1] / "demo" / "astronaut.jpg"
_LANDMARKS = ((204.0, 101.2), (246.5, 103.4), (225.0, 129.1), (202.6, 140.1), (245.2, 141.4))


def reference_chips(template: Sequence[Point], size: tuple[int, int]) -> list[Image]:
    """The face aligned to a network's template: as it is, mirrored, blurred, dark, from afar.

    Args:
        template: ``alignment.landmarks`` of the manifest.
        size: width and height of the network's input, px.

    Returns:
        BGR uint8 (height, width, 3), the same ones at every call.
    """
    portrait = cv2.imread(str(_PORTRAIT))
    if portrait is None:
        raise FileNotFoundError(_PORTRAIT)  # it is part of the package
    chip = align(portrait, _LANDMARKS, template, size)
    noise = np.random.default_rng(1).normal(0, 4, chip.shape)
    small = cv2.resize(chip, (size[0] // 3, size[1] // 3), interpolation=cv2.INTER_AREA)
    return [
        chip,
        np.ascontiguousarray(chip[:, ::-1]),
        cv2.GaussianBlur(chip, (0, 0), size[0] / 80),
        np.clip(chip * 0.3 + noise, 0, 255).astype(np.uint8),
        cv2.resize(small, size, interpolation=cv2.INTER_LINEAR),
    ]
