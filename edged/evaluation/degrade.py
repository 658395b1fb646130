"""What a door does to a face, each kind at any level: to train with, and to measure with.

All functions take and return one aligned chip, uint8 (height, width, 3), its channels in any order.
A kind's `level` runs from 0, hardly visible, over 0.5, the middle of its range, to 1, worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats, Image

Degradation = Callable[["Image", float, np.random.Generator], "Image"]

LEVELS = {"mild": 0.2, "middle": 0.5, "severe": 0.85}


def _image(values: object) -> Image:
    rounded: Image = np.clip(np.asarray(values, np.float32) + 0.5, 0, 255).astype(np.uint8)
    return rounded


def _between(mild: float, severe: float, level: float) -> float:
    return mild + (severe - mild) * level


def _geometric(mild: float, severe: float, level: float) -> float:
    return mild * math.pow(severe / mild, level)


# --- the lens and the shutter


def blur(chip: Image, level: float, _: np.random.Generator) -> Image:
    """Out of focus: a normal blur of 0.8 to 4.2 px, at 112 px."""
    sigma = _between(0.8, 4.2, level) * chip.shape[1] / 112
    return np.asarray(cv2.GaussianBlur(chip, (0, 0), sigma), np.uint8)


def motion_blur(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """A head or a camera that moved along one line, by 5 to 24 px at 112 px."""
    length = max(3, round(_between(5, 24, level) * chip.shape[1] / 112))
    return _filtered(chip, _line(length, rng.uniform(0, 180)))


def rolling_shutter(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """A head that moved sideways while the rows were read: sheared, bent and smeared."""
    height, width = chip.shape[:2]
    way = _between(0.04, 0.22, level) * width * rng.choice([-1, 1])
    rows = np.linspace(-0.5, 0.5, height, dtype=np.float32)
    bend = rng.uniform(0, 0.4) * np.sin(rows * math.pi * rng.uniform(1, 3))
    x = np.arange(width, dtype=np.float32)[None] + np.float32(way) * (rows + bend)[:, None]
    y = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, 1)
    bent = cv2.remap(chip, x.astype(np.float32), y, cv2.INTER_LINEAR)
    return _filtered(np.asarray(bent, np.uint8), _line(max(3, round(abs(way) / 3)), 0))


def low_resolution(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Too far away: as if the face had been 44 to 11 px wide, enlarged as cameras do it."""
    side = max(4, round(_geometric(44, 11, level) * chip.shape[1] / 112))
    small = cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA)
    way = rng.choice([cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST])
    return np.asarray(cv2.resize(small, chip.shape[1::-1], interpolation=int(way)), np.uint8)


def jpeg(chip: Image, level: float, _: np.random.Generator) -> Image:
    """Compressed hard, as cheap network cameras do: JPEG quality 30 to 3."""
    quality = round(_geometric(30, 3, level))
    _ok, data = cv2.imencode(".jpg", chip, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def dirty_lens(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Grease and dust: soft patches without focus or contrast."""
    height, width = chip.shape[:2]
    veil = np.zeros((height, width), np.float32)
    for _spot in range(int(rng.integers(2, 6))):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        cv2.circle(veil, centre, int(width * _between(0.08, 0.35, level)), 1.0, -1)
    veil = cv2.GaussianBlur(veil, (0, 0), width * 0.05)[..., None]
    smeared = cv2.GaussianBlur(chip, (0, 0), width * _between(0.02, 0.07, level)).astype(np.float32)
    grey = rng.uniform(120, 230)
    smeared += (grey - smeared) * _between(0.2, 0.6, level)
    return _image(chip * (1 - veil) + smeared * veil)


# --- the sensor and the light


def noise(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Sensor noise, normal, 8 to 70 grey levels."""
    return _image(chip + rng.normal(0, _geometric(8, 70, level), chip.shape))


def night(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Too little light, the camera's gain turned up: shot and read noise, colour gone, smoothed."""
    electrons = _geometric(120, 3, level)
    light = (chip / 255.0) ** 2.2 * electrons
    seen = rng.poisson(light) + rng.normal(0, _between(0.5, 1.5, level), chip.shape)
    seen = 255 * (np.clip(seen / electrons, 0, 1)) ** (1 / 2.2)
    colour = 1 - _between(0.2, 0.95, level)
    seen = seen * colour + seen.mean(2, keepdims=True) * (1 - colour)
    soft = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), rng.uniform(0.4, 1.0))
    return _image(soft * rng.uniform(0.5, 1.1))


def infrared(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Lit by its own infrared lamp: grey, pale lips, a hot middle, dark edges."""
    red = 2 if rng.random() < 0.5 else 0  # the channel order is not known, skin is bright in red
    grey = chip[..., red] * 0.8 + chip.mean(2) * 0.2
    grey = 255 * (grey / 255) ** _between(0.9, 0.5, level)
    height, width = chip.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lamp = np.exp(-(x**2 + y**2) * _between(0.2, 1.2, level)) * _between(1.0, 1.5, level)
    grey = grey * lamp + rng.normal(0, _between(2, 14, level), grey.shape)
    return _image(np.repeat(grey[..., None], 3, 2))


def dark(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Underexposed: a gain of 0.4 to 0.04, with the noise that is left."""
    gain = _geometric(0.4, 0.04, level)
    return _image(255 * gain * (chip / 255.0) ** rng.uniform(1, 1.3) + rng.normal(0, 1, chip.shape))


def overexposed(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Too much light: a gain of 1.3 to 4.5; what passes white is lost."""
    gain = _geometric(1.3, 4.5, level)
    return _image(255 * np.minimum(gain * (chip / 255.0) ** rng.uniform(0.7, 1), 1))


def half_dark(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Light from one side only: the other half falls to 0.35 to 0.03, softly."""
    size = chip.shape[1]
    gain = _geometric(0.35, 0.03, level)
    ramp = np.clip((np.arange(size) - size / 2) / (size / 7) + 0.5, 0, 1)
    ramp = gain + (1 - gain) * ramp
    side = rng.integers(4)
    mask = ramp if side % 2 else ramp[::-1]
    mask = np.resize(mask, (chip.shape[0], size)) if side < 2 else np.resize(mask, (size, size)).T
    return _image(chip * mask[: chip.shape[0], :, None])


def backlight(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """A bright window behind: the face dark and flat, light bleeding in from around it."""
    height, width = chip.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    x, y = x - rng.uniform(-0.3, 0.3), y - rng.uniform(-0.3, 0.3)
    around = np.clip((np.sqrt((x / 0.85) ** 2 + (y / 1.05) ** 2) - 0.75) * 3, 0, 1)[..., None]
    veil = cv2.GaussianBlur(around.astype(np.float32), (0, 0), width * 0.12)[..., None]
    face = chip * _geometric(0.5, 0.08, level) + 255 * veil * _between(0.1, 0.6, level)
    lost = around * _between(0.2, 1.0, level)
    return _image(face * (1 - lost) + 250 * lost + rng.normal(0, 3, chip.shape))


# --- what is before the face, and what of it is in the picture


def occluded(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Something flat or noisy before 20 to 60 % of the face, from one edge."""
    out = chip.copy()
    value = rng.integers(0, 256, 3)
    patch = _image(rng.normal(value, rng.uniform(0, 30), chip.shape))
    area = _edge(chip.shape, _between(0.2, 0.6, level), int(rng.integers(4)))
    out[area] = patch[area]
    return out


def cut_off(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """The face left the picture: 12 to 55 % from one edge, or a corner, is black."""
    out = chip.copy()
    share = _between(0.12, 0.55, level)
    side = int(rng.integers(4))
    out[_edge(chip.shape, share, side)] = 0
    if rng.random() < 0.3:
        out[_edge(chip.shape, share * rng.uniform(0.3, 1), (side + 2) % 4)] = 0
    return out


def mask(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """A cloth over mouth and nose, from below the lips up to the bridge of the nose."""
    top = _between(0.80, 0.50, level) + rng.uniform(-0.02, 0.02)
    sag = rng.uniform(0.02, 0.1)
    outline = [(0.5, top - sag / 2), (0.8, top + sag), (0.97, top + 0.06), (0.92, 0.9), (0.66, 1.1)]
    outline += [(0.34, 1.1), (0.08, 0.9), (0.03, top + 0.06), (0.2, top + sag)]
    return _covered(chip, outline, rng)


def sunglasses(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Dark glass over both eyes, larger and more opaque with the level."""
    height, width = chip.shape[:2]
    cover = np.zeros((height, width), np.float32)
    wide, high = _between(0.09, 0.19, level), _between(0.05, 0.13, level)
    y = 0.46 + rng.uniform(-0.015, 0.03)
    for x in (0.342, 0.657):
        centre = (round(x * width), round(y * height))
        cv2.ellipse(cover, centre, (round(wide * width), round(high * height)), 0, 0, 360, 1.0, -1)
    bar = round(y * height)
    cover[max(0, bar - 2) : bar + 1, round(0.1 * width) : round(0.9 * width)] = 1
    cover = cv2.GaussianBlur(cover, (0, 0), 0.7)[..., None] * _between(0.6, 1.0, level)
    glass = rng.uniform(0, 60) + rng.normal(0, 4, chip.shape)
    return _image(chip * (1 - cover) + glass * cover)


def hand(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Fingers in the colour of the face's own skin across a part of it."""
    height, width = chip.shape[:2]
    skin = chip[height // 2 - 8 : height // 2 + 8, width // 3 : 2 * width // 3].reshape(-1, 3)
    colour = np.median(skin, 0) * rng.uniform(0.7, 1.2)
    cover = np.zeros((height, width), np.float32)
    shade = np.ones((height, width), np.float32)
    x, y = rng.uniform(0.25, 0.75) * width, rng.uniform(0.35, 0.95) * height
    angle = rng.uniform(0, 2 * math.pi)
    along, across = np.array([math.cos(angle), math.sin(angle)]), width * 0.11
    for finger in range(round(_between(1.6, 5.4, level))):
        aside = np.array([-along[1], along[0]]) * across * (finger - 1.5)
        start = np.array([x, y]) + aside
        end = start + along * width * rng.uniform(0.35, 0.5)
        begin = start - along * width * 0.6
        ends = tuple(int(v) for v in begin), tuple(int(v) for v in end)
        cv2.line(cover, *ends, 1.0, round(across * 0.95))
        cv2.line(shade, *ends, float(rng.uniform(0.75, 1.1)), round(across * 0.55))
    cover = cv2.GaussianBlur(cover, (0, 0), 0.8)[..., None]
    shade = cv2.GaussianBlur(shade, (0, 0), 1.5)[..., None]
    painted = colour * shade + rng.normal(0, 4, chip.shape)
    return _image(chip * (1 - cover) + painted * cover)


# --- how the head is held


def misaligned(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """Landmarks that were wrong: shifted, turned, too large or too small."""
    height, width = chip.shape[:2]
    far = _between(0.3, 1, level)
    shift = rng.uniform(-1, 1, 2) * 0.15 * width * far
    turned = rng.choice([-1, 1]) * rng.uniform(0.5, 1) * 45 * far
    zoom = math.exp(rng.uniform(-1, 1) * 0.3 * far)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turned, zoom)
    matrix[:, 2] += shift
    return np.asarray(cv2.warpAffine(chip, matrix, (width, height)), np.uint8)


def turned(chip: Image, level: float, rng: np.random.Generator) -> Image:
    """A head turned by 20 to 75 degrees: the chip bent round a cylinder, and aligned again.

    The texture that the frontal photo never showed is stretched; it stands for a real profile
    only as far as a recogniser is concerned.
    """
    yaw = math.radians(_between(20, 75, level)) * rng.choice([-1, 1])
    height, width = chip.shape[:2]
    radius, middle = 0.43 * width, width / 2
    ahead = (np.arange(width) - middle) / radius
    angle = np.arcsin(np.clip(ahead, -1, 1)) - yaw
    source = middle + radius * np.sin(angle)
    hidden = (np.abs(ahead) > 1) | (np.abs(angle) > math.pi / 2)
    x = np.repeat(np.where(hidden, -1000, source).astype(np.float32)[None], height, 0)
    y = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, 1)
    grey = tuple(float(v) for v in rng.integers(0, 200, 3))
    bent = cv2.remap(chip, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=grey)
    landmarks = _LANDMARKS * np.array([width, height])
    depth = np.array([1, 1, 1.35, 1.05, 1.05])
    resting = np.arcsin(np.clip((landmarks[:, 0] - middle) / radius, -1, 1))
    landmarks_now = landmarks.copy()
    landmarks_now[:, 0] = middle + radius * depth * np.sin(resting + yaw)
    matrix = _similarity(landmarks_now, landmarks)
    return np.asarray(cv2.warpAffine(np.asarray(bent, np.uint8), matrix, (width, height)), np.uint8)


KINDS: dict[str, Degradation] = {
    "blur": blur,
    "motion blur": motion_blur,
    "rolling shutter": rolling_shutter,
    "low resolution": low_resolution,
    "jpeg": jpeg,
    "dirty lens": dirty_lens,
    "noise": noise,
    "night": night,
    "infrared": infrared,
    "dark": dark,
    "overexposed": overexposed,
    "half dark": half_dark,
    "backlight": backlight,
    "occluded": occluded,
    "cut off": cut_off,
    "mask": mask,
    "sunglasses": sunglasses,
    "hand": hand,
    "misaligned": misaligned,
    "turned": turned,
}


def random_degradation(
    chip: Image, rng: np.random.Generator, kinds: Sequence[str] = tuple(KINDS)
) -> Image:
    """One kind at any level, or now and then two on top of each other, milder."""
    first = kinds[int(rng.integers(len(kinds)))]
    if rng.random() < 0.3:
        second = kinds[int(rng.integers(len(kinds)))]
        chip = KINDS[second](chip, rng.uniform(0, 0.6), rng)
    return KINDS[first](chip, rng.uniform(0, 1), rng)


def _middle(kind: Degradation) -> Callable[[Image, np.random.Generator], Image]:
    return lambda chip, rng: kind(chip, LEVELS["middle"], rng)


# What a score is measured on first: each kind in the middle of its range.
FIXED = {name: _middle(kind) for name, kind in KINDS.items()}


def non_face(photo: Image, rng: np.random.Generator) -> Image:
    """What a false detection looks like: a patch from a photo's corner, turned upside down.

    Takes a photo (height, width, 3) of 70 px or more a side; returns a chip (112, 112, 3).
    """
    side = int(rng.integers(50, 71))
    left = int(rng.choice([0, photo.shape[1] - side]))
    top = int(rng.choice([0, photo.shape[0] - side]))
    patch = photo[top : top + side, left : left + side][::-1]
    return np.asarray(cv2.resize(patch, (112, 112), interpolation=cv2.INTER_LINEAR), np.uint8)


# Where the five landmarks lie in an aligned chip, as shares of its sides.
_LANDMARKS = np.array(
    [[0.342, 0.462], [0.657, 0.460], [0.500, 0.640], [0.371, 0.825], [0.632, 0.823]]
)


def _filtered(chip: Image, kernel: Floats) -> Image:
    return _image(cv2.filter2D(chip.astype(np.float32), -1, kernel / kernel.sum()))


def _line(length: int, angle_deg: float) -> Floats:
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    centre = ((length - 1) / 2, (length - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre, angle_deg, 1)
    drawn: Floats = cv2.warpAffine(kernel, turn, (length, length)) + np.float32(1e-9)
    return drawn


def _edge(shape: tuple[int, ...], share: float, side: int) -> tuple[slice, slice]:
    """The rows and columns within `share` of one edge: top, bottom, left, right."""
    length = shape[0] if side < 2 else shape[1]
    depth = round(length * share)
    near = slice(0, depth) if side % 2 == 0 else slice(length - depth, length)
    return (near, slice(None)) if side < 2 else (slice(None), near)


def _covered(
    chip: Image, outline: Sequence[tuple[float, float]], rng: np.random.Generator
) -> Image:
    height, width = chip.shape[:2]
    points = np.array([[x * width, y * height] for x, y in outline], np.int32)
    cover = np.zeros((height, width), np.float32)
    cv2.fillPoly(cover, [points], 1.0)
    cover = cv2.GaussianBlur(cover, (0, 0), 0.8)[..., None]
    base = rng.choice([rng.uniform(0, 255), 235, 60])
    colour = np.clip(base + rng.normal(0, 25, 3), 0, 255)
    folds = np.sin(np.arange(height) / height * rng.uniform(20, 60))[:, None, None] * 8
    cloth = colour + folds + rng.normal(0, 5, chip.shape)
    return _image(chip * (1 - cover) + cloth * cover)


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least-squares rotation, scale and shift from `source` to `target`, as (2, 3)."""
    middle_s, middle_t = source.mean(0), target.mean(0)
    s, t = source - middle_s, target - middle_t
    a = (s * t).sum() / (s**2).sum()
    b = (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum() / (s**2).sum()
    matrix = np.array([[a, -b], [b, a]])
    return np.hstack([matrix, (middle_t - matrix @ middle_s)[:, None]])
