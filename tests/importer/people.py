"""People who do not exist: one portrait of the public domain, bent anew for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.importer.faces import template
from edged.vision.reference import reference_chips

if TYPE_CHECKING:
    from pathlib import Path

    from edged.types import Image

PEOPLE, EACH = 12, 5


def _field(rng: np.random.Generator, side: int, reach_px: float) -> Image:
    field = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), 9)
    return (field * reach_px / np.abs(field).max()).astype(np.float32)


def person(number: int, side: int = 112) -> Image:
    """The portrait with another skull and another skin, BGR."""
    rng = np.random.default_rng([7, number])
    chip = reference_chips(template(side), (side, side))[0]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    bent = cv2.remap(
        chip,
        x + _field(rng, side, 9),
        y + _field(rng, side, 9),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    skin = 1 + np.dstack([_field(rng, side, 0.35) for _ in range(3)])
    return np.clip(bent * skin, 0, 255).astype(np.uint8)


def view(face: Image, number: int) -> Image:
    """The same person on another day."""
    rng = np.random.default_rng([8, number])
    side = face.shape[0]
    move = cv2.getRotationMatrix2D(
        (side / 2, side / 2), rng.uniform(-4, 4), rng.uniform(0.97, 1.03)
    )
    moved = cv2.warpAffine(face, move, (side, side), borderMode=cv2.BORDER_REFLECT)
    lit = moved * rng.uniform(0.85, 1.1) + rng.normal(0, 3, face.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)


def write_people(folder: Path, people: int = PEOPLE, each: int = EACH, side: int = 112) -> Path:
    """Aligned crops, one folder a person."""
    for number in range(people):
        home = folder / f"person-{number:02d}"
        home.mkdir(parents=True)
        face = person(number, side)
        for i in range(each):
            done, data = cv2.imencode(".png", view(face, 100 * number + i))
            assert done
            (home / f"{i}.png").write_bytes(data.tobytes())
    return folder
