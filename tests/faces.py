"""People who do not exist, made out of the one portrait that may be shipped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.demo import scenes

if TYPE_CHECKING:
    from edged.types import Image


PORTRAIT = Path(scenes.__file__).parent / "astronaut.jpg"


@cache
def faces() -> dict[str, bytes]:
    """JPEG bytes: views of one person, and of two who do not exist."""
    portrait = cv2.imread(str(PORTRAIT))
    bob, cy = somebody_else(portrait), somebody_else(portrait, pinched=True)
    drawn = {
        "ann": portrait,
        "ann2": cv2.flip(portrait, 1),
        "ann3": cv2.convertScaleAbs(portrait, alpha=0.7),
        "bob": bob,
        "bob2": cv2.flip(bob, 1),
        "cy": cy,
        "blurred": cv2.GaussianBlur(portrait, (0, 0), 4),
        "wall": np.full((300, 300, 3), 128, np.uint8),
    }
    return {name: cv2.imencode(".jpg", image)[1].tobytes() for name, image in drawn.items()}


def somebody_else(portrait: Image, *, pinched: bool = False) -> Image:
    """The portrait with another nose, or another mouth: nobody whom the network would know."""
    if pinched:
        return _bent(portrait, (225, 135), 60, -0.4)
    return _bent(portrait, (225, 129), 45, 0.7)


def _bent(image: Image, centre: tuple[float, float], radius: float, power: float) -> Image:
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    dx, dy = x - centre[0], y - centre[1]
    distance = np.maximum(np.hypot(dx, dy) / radius, 1e-3)
    factor = np.where(distance < 1, distance**power, 1).astype(np.float32)
    bent: Image = cv2.remap(
        image, centre[0] + dx * factor, centre[1] + dy * factor, cv2.INTER_LINEAR
    )
    return bent
