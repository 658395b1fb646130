"""Alignment to a network's template and the head's pose, both from five landmarks."""

from __future__ import annotations

from cmath import phase
from math import asin, degrees, hypot
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.types import Point, Pose
from edged.vision.pyramid import halved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.types import Floats, Image

# A plain head in units of half the distance between the eyes: the nose tip stands out by
# _NOSE_OUT, and lies this share of the way from the eyes' line to the mouth's.
_NOSE_OUT = 0.9
_NOSE_DOWN = 0.55


def similarity_transform(points: Sequence[Point], template: Sequence[Point]) -> Floats:
    """The rotation, scale and shift that best map `points` onto `template` (least squares).

    Returns:
        float32 (2, 3), for `cv2.warpAffine`.
    """
    # Five points as complex numbers: a turn with a scale is one factor, and no arrays are made.
    source = [complex(x, y) for x, y in points]
    target = [complex(x, y) for x, y in template]
    middle, goal = sum(source) / len(source), sum(target) / len(target)
    centred = [point - middle for point in source]
    spread = sum(abs(point) ** 2 for point in centred)
    pairs = zip(centred, target, strict=True)
    turn = sum(a.conjugate() * (b - goal) for a, b in pairs) / spread if spread else 0j
    shift = goal - turn * middle
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float32
    )


def align(
    image: Image, points: Sequence[Point], template: Sequence[Point], size: tuple[int, int]
) -> Image:
    """The face as a chip of `size` (width, height) px, its landmarks on the template's.

    What lies beyond the frame is black. Only the face's surroundings are touched, and a face
    that is much too large is halved first, so that fine texture does not turn into noise.
    """
    matrix = similarity_transform(points, template)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale <= 0:
        return np.zeros((size[1], size[0], 3), np.uint8)
    # A chip's corner is nowhere farther from the landmarks than its diagonal.
    reach = hypot(*size) / scale
    left, top = (max(0, int(min(p[i] for p in points) - reach)) for i in (0, 1))
    right, bottom = (int(max(p[i] for p in points) + reach) + 1 for i in (0, 1))
    region = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    if region.size == 0:
        return np.zeros((size[1], size[0], 3), np.uint8)
    factor = 1.0
    while scale < 0.5 * factor and min(region.shape[:2]) >= 4:
        region, factor = halved(region), factor / 2
    # Pixel centres lie at whole numbers: halving moves them by a quarter of the new pixel.
    moved = [((x - left + 0.5) * factor - 0.5, (y - top + 0.5) * factor - 0.5) for x, y in points]
    matrix = similarity_transform(moved, template)
    chip: Image = cv2.warpAffine(region, matrix, size, flags=cv2.INTER_LINEAR)
    return chip


def head_pose(points: Sequence[Point]) -> Pose:
    """The head's rotation by the plain head model above; good to some ten degrees.

    A turned head moves the nose tip sideways against the middle of eyes and mouth, a raised
    one moves it up; the tilt is the slope of the eyes' line.
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = (complex(x, y) for x, y in points)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    between, down = right_eye - left_eye, mouth - eyes
    breadth, length = abs(between), abs(down)
    if length < 1e-3 and breadth < 1e-3:
        return Pose(90.0, 0.0, 0.0)
    # The head's size, from whichever of its two extents the rotation shortens less.
    unit = max(breadth / 2, length / 2.2)
    # The nose against the middle of the eyes, along the face's own axes: right and down.
    offset = (nose - eyes) * (down.conjugate() / length if length else -1j)
    downward = offset.real / unit - _NOSE_DOWN * length / unit
    sideways = -offset.imag / unit
    return Pose(
        degrees(asin(max(-1.0, min(1.0, sideways / _NOSE_OUT)))),
        degrees(asin(max(-1.0, min(1.0, -downward / _NOSE_OUT)))),
        degrees(phase(between)),
    )
