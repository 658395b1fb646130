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
_NOSE = (225.0, 129.0)
_FACE_WIDTH_PX = 100.0
_HEAD_PX, _NOSE_PX = 30.0, 36.0  # how far they stand out
_LOOK_S = 6.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One view of the lobby.

    Attributes:
        face_px: the width of the face in the frame; 0 for an empty lobby.
        light: factor on the brightness; 1 is a well-lit lobby.
        noise: standard deviation of the sensor's noise, grey levels; more in the dark, where
            a camera turns its gain up.
        blur_px: standard deviation of the blur.
        look_deg: how far the head turns, to the one side and to the other, again and again.
    """

    face_px: float = 0.0
    light: float = 1.0
    blur_px: float = 0.0
    noise: float = 2.0
    look_deg: float = 0.0


EMPTY = Scene()
NEAR = Scene(face_px=150.0)
FAR = replace(NEAR, face_px=58.0)
DARK = replace(NEAR, light=0.14, noise=13.0)
BLURRED = replace(NEAR, blur_px=7.0)
LOOKING = replace(NEAR, look_deg=28.0)


class Lobby:
    """Draws scenes as BGR uint8 frames of 640 x 480 px, with sway and sensor noise."""

    def __init__(self, seed: int = 0) -> None:
        portrait = cv2.imread(str(_PORTRAIT))
        if portrait is None:
            raise FileNotFoundError(f"{_PORTRAIT}: the demo's portrait is missing")
        self._portrait = portrait
        self._mask = _soft_mask(portrait.shape[0], portrait.shape[1])
        self._wall = _wall()
        self._turns: dict[int, Image] = {}  # the portrait by how far its head is turned, degrees
        self._random = np.random.default_rng(seed)

    def draw(self, scene: Scene, t_s: float) -> Image:
        """The scene at a time."""
        frame = self._wall.copy()
        if scene.face_px > 0:
            portrait = self._turned(round(scene.look_deg * _look(t_s)))
            self._put_person(frame, portrait, scene.face_px, t_s)
        if scene.blur_px > 0:
            frame = cv2.GaussianBlur(frame, (0, 0), scene.blur_px)
        noise = self._random.normal(0.0, scene.noise, frame.shape).astype(np.float32)
        image: Image = np.clip(frame * scene.light + noise, 0, 255).astype(np.uint8)
        return image

    def _put_person(self, frame: Floats, portrait: Image, face_px: float, t_s: float) -> None:
        scale = face_px / _FACE_WIDTH_PX
        x = WIDTH_PX / 2 + 6 * math.sin(1.7 * t_s) - scale * _FACE_CENTRE[0]
        y = HEIGHT_PX * 0.46 + 3 * math.sin(2.3 * t_s) - scale * _FACE_CENTRE[1]
        matrix = np.array([[scale, 0, x], [0, scale, y]], np.float32)
        size = (WIDTH_PX, HEIGHT_PX)
        person = cv2.warpAffine(portrait, matrix, size, flags=cv2.INTER_AREA)
        weight = cv2.warpAffine(self._mask, matrix, size, flags=cv2.INTER_LINEAR)[:, :, None]
        frame += weight * (person.astype(np.float32) - frame)

    def _turned(self, yaw_deg: int) -> Image:
        if yaw_deg not in self._turns:
            self._turns[yaw_deg] = self._turn(yaw_deg) if yaw_deg else self._portrait
        return self._turns[yaw_deg]

    def _turn(self, yaw_deg: float) -> Image:
        """The portrait with its head turned; positive: to the image's right.

        The head is an ellipsoid with a nose: what stands out of the picture moves sideways.
        """
        height, width = self._portrait.shape[:2]
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        across, down = (x - _FACE_CENTRE[0]) / 70, (y - _FACE_CENTRE[1]) / 90
        head = np.clip(1 - across**2 - down**2, 0, None)
        nose = np.exp(-(((x - _NOSE[0]) / 16) ** 2) - ((y - _NOSE[1]) / 18) ** 2)
        moved = math.sin(math.radians(yaw_deg)) * (_HEAD_PX * head + _NOSE_PX * nose)
        turned: Image = cv2.remap(self._portrait, x - moved, y, cv2.INTER_LINEAR)
        return turned


def _look(t_s: float) -> float:
    """Where a head that looks about is turned, -1 to 1: it rests a while on each side and in
    the middle."""
    swing = math.sin(2 * math.pi * t_s / _LOOK_S)
    return math.copysign(min(1.0, max(0.0, 2.6 * abs(swing) - 1.2)), swing)


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
