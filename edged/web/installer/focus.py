"""What is read off the newest picture itself, for whoever turns the lens: sharpness and light.

Sharpness is what a Laplacian of Gaussian (sigma 1 px) finds, as a share of the mean level so that
the exposure does not count, less what the sensor's noise alone would give, so that a dark, noisy
picture is not taken for a sharp one. The noise is estimated after Immerkaer (1996, "Fast noise
variance estimation"), whose mask does not see edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from edged.types import Box, Floats, Image

_LARGEST_PX = 320  # of the region: what lies around its middle is enough
_SMALLEST_PX = 16
_SIGMA_PX = 1.0
_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_DARKEST = 8.0  # grey levels; below, a share of the level means nothing


@dataclass(frozen=True, slots=True)
class Picture:
    """One look at a picture.

    Attributes:
        sharpness: from 0; compare it only with itself, for the same scene.
        noise: standard deviation of the sensor's noise, grey levels.
        level: mean grey level of the whole picture, 0-255.
        burnt, black: shares of it that are as bright or as dark as can be, 0-1.
        mark: changes when any part of the picture does, noise included.
    """

    sharpness: float
    noise: float
    level: float
    burnt: float
    black: float
    mark: int


def examine(image: Image, face: Box | None = None) -> Picture:
    """Look at a picture.

    Args:
        image: BGR uint8 (h, w, 3).
        face: where to measure the sharpness; the middle of the picture without one.
    """
    sample = cv2.cvtColor(
        cv2.resize(image, (64, 48), interpolation=cv2.INTER_NEAREST), cv2.COLOR_BGR2GRAY
    )
    sharp, noise = sharpness(_region(image, face))
    return Picture(
        sharpness=sharp,
        noise=noise,
        level=float(sample.mean()),
        burnt=float((sample >= 250).mean()),
        black=float((sample <= 8).mean()),
        mark=hash(sample.tobytes()),
    )


def sharpness(image: Image) -> tuple[float, float]:
    """Sharpness, from 0, and the noise's standard deviation; (0, 0) where there is too little.

    Args:
        image: BGR uint8 (h, w, 3).
    """
    if min(image.shape[:2]) < _SMALLEST_PX:
        return 0.0, 0.0
    grey: Floats = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = float(np.abs(cv2.filter2D(grey, cv2.CV_32F, _MASK)).mean())
    noise = math.sqrt(math.pi / 2) / 6 * mean
    found = float(_edges(grey).var()) - _NOISE_GAIN * noise * noise
    return math.sqrt(max(0.0, found)) / max(_DARKEST, float(grey.mean())), noise


def _edges(grey: Floats) -> Floats:
    edges: Floats = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), _SIGMA_PX), cv2.CV_32F)
    return edges


def _gain() -> float:
    """The variance that white noise of variance 1 has after `_edges`."""
    point = np.zeros((31, 31), np.float32)
    point[15, 15] = 1.0
    return float((_edges(point) ** 2).sum())


_NOISE_GAIN = _gain()


def _region(image: Image, face: Box | None) -> Image:
    """What the picture holds of the face, or its middle half; no more than is quickly looked at."""
    height, width = image.shape[:2]
    corners = (width / 4, height / 4, width * 3 / 4, height * 3 / 4)
    if face is not None:
        corners = (face.left, face.top, face.right, face.bottom)
    if not all(map(math.isfinite, corners)):
        return image[:0]
    left, right = _span(corners[0], corners[2], width)
    top, bottom = _span(corners[1], corners[3], height)
    return image[top:bottom, left:right]


def _span(start: float, end: float, size: int) -> tuple[int, int]:
    start, end = max(0.0, min(start, size)), max(0.0, min(end, size))
    spare = max(0.0, end - start - _LARGEST_PX) / 2
    return int(start + spare), int(end - spare)
