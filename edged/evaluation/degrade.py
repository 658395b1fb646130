"""What a door does to a face: random for training, fixed kinds for measuring.

All functions take and return one RGB chip, uint8 (112, 112, 3).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

Degradation = Callable[[Image, np.random.Generator], Image]


def _image(values: object) -> Image:
    rounded: Image = np.clip(np.asarray(values, np.float32) + 0.5, 0, 255).astype(np.uint8)
    return rounded


def gaussian_blur(chip: Image, sigma_px: float) -> Image:
    """Out of focus."""
    return _image(cv2.GaussianBlur(chip, (0, 0), sigma_px) - 0.5)


def motion_blur(chip: Image, length_px: int, angle_deg: float) -> Image:
    """A head or a camera that moved along one line."""
    kernel = np.zeros((length_px, length_px), np.float32)
    kernel[length_px // 2] = 1
    centre = ((length_px - 1) / 2, (length_px - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre, angle_deg, 1)
    kernel = cv2.warpAffine(kernel, turn, (length_px, length_px)) + np.float32(1e-9)
    return _image(cv2.filter2D(chip.astype(np.float32), -1, kernel / kernel.sum()))


def low_resolution(chip: Image, side_px: int) -> Image:
    """As if the face had been `side_px` wide: too far away."""
    small = cv2.resize(chip, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, chip.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def noise(chip: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Sensor noise, normal, in grey levels."""
    return _image(chip + rng.normal(0, sigma, chip.shape))


def brightness(chip: Image, gain: float, gamma: float) -> Image:
    """Under- or overexposed; what passes white is lost."""
    return _image(255 * np.minimum(gain * (chip / 255.0) ** gamma, 1))


def half_dark(chip: Image, rng: np.random.Generator, gain: float = 0.1) -> Image:
    """Light from one side only: one half falls to `gain`, softly."""
    ramp = np.clip((np.arange(112) - 56) / 16 + 0.5, 0, 1)
    ramp = gain + (1 - gain) * ramp
    side = rng.integers(4)
    mask = ramp if side % 2 else ramp[::-1]
    return _image(chip * (mask[None, :, None] if side < 2 else mask[:, None, None]))


def occlude(chip: Image, rng: np.random.Generator, share: float) -> Image:
    """Cover one edge's `share` of the face with a flat or noisy patch."""
    out = chip.copy()
    depth = round(112 * share)
    value = rng.integers(0, 256, 3)
    patch = rng.normal(value, rng.uniform(0, 30), (112, 112, 3))
    side = rng.integers(4)
    near = slice(0, depth) if side % 2 else slice(112 - depth, 112)
    area = (near, slice(None)) if side < 2 else (slice(None), near)
    out[area] = _image(patch)[area]
    return out


def jpeg(chip: Image, quality: int) -> Image:
    """Compressed hard, as cheap network cameras do."""
    _, data = cv2.imencode(".jpg", chip, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def move(chip: Image, shift_px: tuple[float, float], turn_deg: float, zoom: float) -> Image:
    """Misaligned: shifted, turned, too large or too small."""
    matrix = cv2.getRotationMatrix2D((56, 56), turn_deg, zoom)
    matrix[:, 2] += np.array(shift_px)
    return np.asarray(cv2.warpAffine(chip, matrix, (112, 112)), np.uint8)


def _random_kind(chip: Image, rng: np.random.Generator) -> Image:
    kind = rng.integers(10)
    if kind == 0:
        return gaussian_blur(chip, rng.uniform(0.8, 4))
    if kind == 1:
        return motion_blur(chip, int(rng.integers(5, 22)), rng.uniform(0, 180))
    if kind == 2:
        return low_resolution(chip, int(rng.integers(12, 48)))
    if kind == 3:
        return noise(chip, rng.uniform(5, 60), rng)
    if kind == 4:
        return brightness(chip, rng.uniform(0.04, 0.5), rng.uniform(1, 1.6))
    if kind == 5:
        return brightness(chip, rng.uniform(1.3, 4), rng.uniform(0.5, 1))
    if kind == 6:
        return half_dark(chip, rng, rng.uniform(0.02, 0.4))
    if kind == 7:
        return occlude(chip, rng, rng.uniform(0.15, 0.6))
    if kind == 8:
        return jpeg(chip, int(rng.integers(3, 30)))
    shift = (rng.uniform(-14, 14), rng.uniform(-14, 14))
    return move(chip, shift, rng.uniform(-45, 45), rng.uniform(0.75, 1.3))


def random_degradation(chip: Image, rng: np.random.Generator) -> Image:
    """One kind, or now and then two on top of each other."""
    chip = _random_kind(chip, rng)
    return _random_kind(chip, rng) if rng.random() < 0.3 else chip


# Measured separately on people never trained on.
FIXED: dict[str, Degradation] = {
    "blur, sigma 2.5 px": lambda chip, _: gaussian_blur(chip, 2.5),
    "half dark": half_dark,
    "40 % occluded": lambda chip, rng: occlude(chip, rng, 0.4),
    "dark, gain 0.1": lambda chip, _: brightness(chip, 0.1, 1),
    "overexposed, gain 3": lambda chip, _: brightness(chip, 3, 0.8),
    "20 px wide": lambda chip, _: low_resolution(chip, 20),
    "noise, sigma 40": lambda chip, rng: noise(chip, 40, rng),
}


def non_face(rng: np.random.Generator, photo: Image) -> Image:
    """What a false detection looks like: a patch from a photo's corner, turned upside down."""
    side = int(rng.integers(50, 71))
    left = int(rng.choice([0, photo.shape[1] - side]))
    top = int(rng.choice([0, photo.shape[0] - side]))
    patch = photo[top : top + side, left : left + side][::-1]
    return np.asarray(cv2.resize(patch, (112, 112), interpolation=cv2.INTER_LINEAR), np.uint8)
