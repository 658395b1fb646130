"""Bursts of frames made from one photo: what a terminal's camera sees of somebody for a moment.

Every frame of a burst shows the same photo, so what is wrong with the photo (its age, pose and
light) is wrong with all of them; what a camera and a moving head add is drawn for each frame anew:

- the aligner's error: shift, rotation and scale, normal;
- motion blur along one line, of half-normal length, in any direction;
- exposure flicker, log-normal; sensor noise, normal; JPEG;
- in some frames something before a part of the face.

`level` scales all of it, 0 to 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.evaluation.degrade import occluded

if TYPE_CHECKING:
    from edged.types import Image

LEVELS = {"mild": 0.3, "middle": 0.6, "severe": 1.0}

SHIFT_PX = 1.5
TURN_DEG = 4.0
ZOOM = 0.04
MOTION_PX = 9.0
FLICKER = 0.35
NOISE = (3.0, 30.0)
JPEG = (95, 20)
OCCLUDED_SHARE = 0.3
"""At level 1, for a chip of 112 px: standard deviations of the aligner's error and of log
exposure, of motion's length; noise's standard deviation and JPEG quality at level 0 and 1; share
of frames with something before the face."""


def burst(chip: Image, level: float, frames: int, rng: np.random.Generator) -> list[Image]:
    """Frames of one photo.

    Args:
        chip: an aligned face, uint8 (height, width, 3).
        level: 0 (hardly touched) to 1.
    """
    return [frame(chip, level, rng) for _ in range(frames)]


def frame(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """One frame of a burst."""
    seen = _misaligned(chip, level, rng)
    if rng.random() < OCCLUDED_SHARE * level:
        seen = occluded(seen, rng.uniform(0, level), rng)
    light = _moved(seen, level, rng).astype(np.float32) * math.exp(rng.normal(0, FLICKER * level))
    noise = NOISE[0] + (NOISE[1] - NOISE[0]) * level * rng.uniform(0.5, 1)
    light += rng.normal(0, noise, light.shape)
    quality = round(JPEG[0] + (JPEG[1] - JPEG[0]) * level * rng.uniform(0.5, 1))
    pixels = np.clip(light + 0.5, 0, 255).astype(np.uint8)
    _ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _misaligned(chip: Image, level: float, rng: np.random.Generator) -> Image:
    height, width = chip.shape[:2]
    turn, zoom = rng.normal(0, TURN_DEG * level), math.exp(rng.normal(0, ZOOM * level))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, zoom)
    matrix[:, 2] += rng.normal(0, SHIFT_PX * level * width / 112, 2)
    return np.asarray(cv2.warpAffine(chip, matrix, (width, height)), np.uint8)


def _moved(chip: Image, level: float, rng: np.random.Generator) -> Image:
    length = abs(rng.normal(0, MOTION_PX * level)) * chip.shape[1] / 112
    if length < 1:
        return chip
    size = 2 * math.ceil(length / 2) + 1
    middle, angle = size // 2, rng.uniform(0, math.pi)
    end = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    places = middle + np.linspace(-1, 1, 8 * size)[:, None] * end
    kernel = np.zeros((size, size), np.float32)
    np.add.at(kernel, tuple(places.round().astype(int).T), 1)
    return np.asarray(cv2.filter2D(chip, -1, kernel / kernel.sum()), np.uint8)
