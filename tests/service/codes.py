"""Visitors' codes as a camera sees them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np
import segno

if TYPE_CHECKING:
    from edged.types import Image


def drawn(text: str, scale: int = 4, *, error: str = "l") -> Image:
    """A code with its quiet zone, BGR."""
    file = io.BytesIO()
    segno.make(text, error=error, micro=False).save(file, kind="png", scale=scale)
    found: Image = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    return found


def held_into(scene: Image, text: str, *, blur: float = 0.8) -> Image:
    """A picture of a scene with a phone in it that shows a code, a little turned and unsharp."""
    code = drawn(text, 5)
    height, width = scene.shape[:2]
    size = int(min(height, width) * 0.9)
    code = cv2.resize(code, (size, size), interpolation=cv2.INTER_AREA)
    top, left = (height - size) // 2, (width - size) // 2
    picture = scene.copy()
    picture[top : top + size, left : left + size] = code
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 7, 1.0)
    picture = cv2.warpAffine(picture, turn, (width, height), borderValue=(90, 90, 90))
    return cv2.GaussianBlur(picture, (0, 0), blur)
