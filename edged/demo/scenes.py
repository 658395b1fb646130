"""A synthetic lobby camera: one public-domain portrait, walked through good and bad views.

The portrait is NASA's photograph of the astronaut Eileen Collins (public domain), as the
scikit-image package carries it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from edged.types import Floats, Image

WIDTH_PX, HEIGHT_PX = 640, 480
_PORTRAIT = Path(__file__).parent / "astronaut.jpg"
_FACE_CENTRE = (224.0, 115.0)  # px in the portrait
_FACE_WIDTH_PX = 100.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One view of the lobby.

    Attributes:
        face_px: the width of the face in the frame; 0 for an empty lobby.
        light: factor on the brightness; 1 is a well-lit lobby.
        noise: standard deviation of the sensor's noise, grey levels; more in the dark, where
            a camera turns its gain up.
        blur_px: standard deviation of the blur.
    """

    face_px: float = 0.0
    light: float = 1.0
    blur_px: float = 0.0
    noise: float = 2.0


EMPTY = Scene()
NEAR = Scene(face_px=150.0)
FAR = replace(NEAR, face_px=58.0)
DARK = replace(NEAR, light=0.14, noise=13.0)
BLURRED = replace(NEAR, blur_px=7.0)


class Lobby:
    """Draws scenes as BGR uint8 frames of 640 x 480 px, with sway and sensor noise."""

    def __init__(self, seed: int = 0) -> None:
        portrait = cv2.imread(str(_PORTRAIT))
        if portrait is None:
            raise FileNotFoundError(f"{_PORTRAIT}: the demo's portrait is missing")
        self._portrait = portrait
        self._mask = _soft_mask(portrait.shape[0], portrait.shape[1])
        self._wall = _wall()
        self._random = np.random.default_rng(seed)

    def draw(self, scene: Scene, t_s: float) -> Image:
        """The scene at a time."""
        frame = self._wall.copy()
        if scene.face_px > 0:
            self._put_person(frame, scene.face_px, t_s)
        if scene.blur_px > 0:
            frame = cv2.GaussianBlur(frame, (0, 0), scene.blur_px)
        noise = self._random.normal(0.0, scene.noise, frame.shape).astype(np.float32)
        image: Image = np.clip(frame * scene.light + noise, 0, 255).astype(np.uint8)
        return image

    def _put_person(self, frame: Floats, face_px: float, t_s: float) -> None:
        scale = face_px / _FACE_WIDTH_PX
        x = WIDTH_PX / 2 + 6 * math.sin(1.7 * t_s) - scale * _FACE_CENTRE[0]
        y = HEIGHT_PX * 0.46 + 3 * math.sin(2.3 * t_s) - scale * _FACE_CENTRE[1]
        matrix = np.array([[scale, 0, x], [0, scale, y]], np.float32)
        size = (WIDTH_PX, HEIGHT_PX)
        person = cv2.warpAffine(self._portrait, matrix, size, flags=cv2.INTER_AREA)
        weight = cv2.warpAffine(self._mask, matrix, size, flags=cv2.INTER_LINEAR)[:, :, None]
        frame += weight * (person.astype(np.float32) - frame)


def _soft_mask(height: int, width: int) -> Floats:
    """Head and shoulders fade into the lobby."""
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (224, 130), (120, 120), 0, 0, 360, 1.0, -1)
    cv2.ellipse(mask, (224, 430), (200, 230), 0, 0, 360, 1.0, -1)
    soft: Floats = cv2.GaussianBlur(mask, (0, 0), 12)
    return soft


def _wall() -> Floats:
    """A plain wall, lit from above."""
    column = np.linspace(185, 120, HEIGHT_PX, dtype=np.float32)[:, None, None]
    return np.broadcast_to(column, (HEIGHT_PX, WIDTH_PX, 3)).copy()
