"""Defects made into real frames, by a strength that is known: to measure with.

All functions take a frame (BGR uint8), the face's box in it and a strength, and return a frame
of the same size. Lengths that blur are stated in px of an aligned face of 112 px.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, radians, sin
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from edged.types import Box, Floats, Image

_CHIP_IN_BOXES = 1.34  # an aligned face shows this much more than a detection's box


def dark(image: Image, box: Box, gain: float) -> Image:
    """Underexposed: all light times `gain`, with the sensor's last bit of noise."""
    del box
    return _image(image * np.float32(gain) + _noise(image.shape))


def bright(image: Image, box: Box, gain: float) -> Image:
    """Overexposed: all light times `gain`; what passes white is lost."""
    del box
    return _image(image * np.float32(gain))


def backlit(image: Image, box: Box, gain: float) -> Image:
    """A bright window behind: who stands there is seen by `gain` of their light, some glare over
    them, and the rest is nearly white."""
    person = np.zeros(image.shape[:2], np.float32)
    (x, y), width, height = box.centre, box.width, box.height
    centre = (round(x), round(y))
    cv2.ellipse(person, centre, (round(0.75 * width), round(0.8 * height)), 0, 0, 360, 1.0, -1)
    foot, shoulder = image.shape[0], round(y + 0.75 * height)
    body = [(x - 0.4 * width, shoulder), (x + 0.4 * width, shoulder)]
    body += [(x + 1.6 * width, foot), (x - 1.6 * width, foot)]
    cv2.fillPoly(person, [np.array(body, np.int32)], 1.0)
    person = cv2.GaussianBlur(person, (0, 0), 0.06 * width)[..., None]
    behind = 225 + image * np.float32(0.12)
    return _image(person * (image * np.float32(gain) + 6) + (1 - person) * behind)


def out_of_focus(image: Image, box: Box, sigma_px: float) -> Image:
    """A normal blur."""
    sigma = sigma_px * _CHIP_IN_BOXES * box.width / 112
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def moving(image: Image, box: Box, length_px: float, angle_deg: float = 20) -> Image:
    """A head, or a camera, that moved along a line while the shutter was open."""
    length = length_px * _CHIP_IN_BOXES * box.width / 112
    side = int(length) | 1
    kernel: Floats = np.zeros((side, side), np.float32)
    dx, dy = length / 2 * cos(radians(angle_deg)), length / 2 * sin(radians(angle_deg))
    middle = side // 2
    ends = [(round(middle + s * dx), round(middle + s * dy)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def far(image: Image, box: Box, face_px: float) -> Image:
    """So far away that the face is `face_px` wide; the room goes on at the edges."""
    height, width = image.shape[:2]
    scale = min(1.0, face_px / box.width)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    bottom, right = height - small.shape[0] - top, width - small.shape[1] - left
    spread = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(spread, np.uint8)


def cut_off(image: Image, box: Box, share: float) -> Image:
    """Standing so far to the side that `share` of the face's width is out of the frame."""
    height, width = image.shape[:2]
    away = np.array([[1, 0, width - box.right + share * box.width], [0, 1, 0]], np.float32)
    moved = cv2.warpAffine(image, away, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


@lru_cache(maxsize=4)
def _noise(shape: tuple[int, ...]) -> Floats:
    """Drawn once: the same on every frame, which no measure minds."""
    return np.random.default_rng(0).normal(0, 1.5, shape).astype(np.float32)


def _image(values: object) -> Image:
    rounded: Image = np.clip(np.asarray(values, np.float32) + 0.5, 0, 255).astype(np.uint8)
    return rounded
