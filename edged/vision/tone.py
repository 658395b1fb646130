"""Frames that are nearly black or nearly white, so that a detector sees what is in them.

Only to find faces: what was lost to the light stays lost, and the recogniser gets the frame as
it was taken, so that its score tells how bad that is. A face found so can be told what to do.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from edged.types import Image

_BLACK, _LIFTED = 12.0, 0.4  # mean grey level below which, and the exponent that lifts the shadows
_WHITE, _LOWERED = 200.0, 3.0


def toned(image: Image) -> Image:
    """The frame itself, or, where it is nearly black or white, with its detail spread out.

    Args:
        image: BGR uint8; not changed.
    """
    level = sum(cv2.mean(cv2.resize(image, (32, 24), interpolation=cv2.INTER_NEAREST))[:3]) / 3
    if level < _BLACK:
        return np.asarray(cv2.LUT(image, _curve(_LIFTED)), np.uint8)
    if level > _WHITE:
        return np.asarray(cv2.LUT(image, _curve(_LOWERED)), np.uint8)
    return image


@cache
def _curve(exponent: float) -> Image:
    curve: Image = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return curve
