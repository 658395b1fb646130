"""People who do not exist: one public-domain face, bent and tinted into many, always alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.demo import scenes
from edged.vision.geometry import align

if TYPE_CHECKING:
    from edged.types import Image

PORTRAIT = Path(scenes.__file__).parent / "astronaut.jpg"
_LANDMARKS = ((204.0, 101.2), (246.5, 103.4), (225.0, 129.1), (202.6, 140.1), (245.2, 141.4))
_IN_CHIP = ((38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2))


def face() -> Image:
    """The portrait's face, aligned, BGR uint8 (112, 112, 3)."""
    return align(cv2.imread(str(PORTRAIT)), _LANDMARKS, _IN_CHIP, (112, 112))


def person(number: int, photo: int) -> Image:
    """A chip: the person bends the face and tints it, the photo changes light and place a bit."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[0:112, 0:112].astype(np.float32)
    for _ in range(3):
        wave, phase = rng.uniform(0.04, 0.12, 2), rng.uniform(0, 6.3, 2)
        x, y = x + 3 * np.sin(wave[0] * y + phase[0]), y + 3 * np.sin(wave[1] * x + phase[1])
    bent = cv2.remap(face(), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    tint = rng.uniform(0.8, 1.1, 3)
    rng = np.random.default_rng([number, photo])
    light = rng.uniform(0.85, 1.1)
    shift = np.array([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]])
    moved = cv2.warpAffine(bent, shift, (112, 112), borderMode=cv2.BORDER_REPLICATE)
    noise = rng.normal(0, 2, moved.shape)
    return np.clip(moved * tint * light + noise, 0, 255).astype(np.uint8)


def write(path: Path, image: Image) -> Path:
    """An image file; the folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, image)
    assert done
    path.write_bytes(data.tobytes())
    return path


def crowd(root: Path, people: int = 8, photos: int = 4) -> Path:
    """A folder of people; their chips are aligned already."""
    for number in range(people):
        for photo in range(photos):
            write(root / f"p{number:02d}" / f"{photo}.png", person(number, photo))
    return root
