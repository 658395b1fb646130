"""Does a crowd cost the frame rate? One face and five in view, turn by turn in one run.

Every frame holds the same person at the door; in the crowd four more stand behind and beside
them. Both rows of frames go through a pipeline of their own, frame by frame in turns, so that a
drifting machine moves both.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edged.bench.stages import percentiles_ms
from edged.demo import scenes
from edged.types import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.service.engine import Engine
    from edged.types import Floats, Image

Place = tuple[float, float, float]
"""Where a face is: the x and y of its centre, and its width, px."""

AT_THE_DOOR: Place = (320.0, 230.0, 150.0)
BYSTANDERS: tuple[Place, ...] = (
    (80.0, 120.0, 64.0),
    (190.0, 90.0, 56.0),
    (450.0, 100.0, 60.0),
    (560.0, 130.0, 70.0),
)
RATE_HZ = 15.0

_FILE = Path(scenes.__file__).parent / "astronaut.jpg"
_CENTRE = (224.0, 115.0)  # of the face in the portrait
_FACE_PX = 100.0  # its width there


class Gathering:
    """Draws people, all of them the public-domain portrait, before a plain wall.

    Args:
        heads: portraits (BGR uint8) in the geometry of the demo's, one after the other for the
            places; left out, the demo's.
        seed: of the sensor's noise.
    """

    def __init__(self, heads: Sequence[Image] = (), seed: int = 0) -> None:
        self._heads = heads or (_portrait(),)
        self._random = np.random.default_rng(seed)

    def draw(self, places: Sequence[Place], noise: float = 2.0) -> Image:
        """A frame of 640 x 480 px, BGR uint8, with faces at these places, the last in front."""
        size = (scenes.WIDTH_PX, scenes.HEIGHT_PX)
        frame = np.full((size[1], size[0], 3), 150, np.float32)
        for number, (x, y, width) in enumerate(places):
            head = self._heads[number % len(self._heads)]
            scale = width / _FACE_PX
            shift = x - scale * _CENTRE[0], y - scale * _CENTRE[1]
            matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
            person = cv2.warpAffine(head, matrix, size, flags=cv2.INTER_AREA)
            weight = cv2.warpAffine(_mask(head), matrix, size)[:, :, None]
            frame += weight * (person.astype(np.float32) - frame)
        frame += self._random.normal(0.0, noise, frame.shape).astype(np.float32)
        image: Image = np.clip(frame, 0, 255).astype(np.uint8)
        return image


def sway(place: Place, t_s: float) -> Place:
    """Nobody stands quite still."""
    x, y, width = place
    return x + 6 * math.sin(1.7 * t_s + x), y + 3 * math.sin(2.3 * t_s + x), width


def measure(engine: Engine, frames: int = 300, rounds: int = 3) -> dict[str, Any]:
    """Times of a frame with one face and with five, and by how much the latter take longer."""
    people = Gathering()
    times: dict[str, list[float]] = {"one": [], "five": []}
    seen: dict[str, list[int]] = {"one": [], "five": []}
    crowd = {"one": (AT_THE_DOOR,), "five": (*BYSTANDERS, AT_THE_DOOR)}
    drawn = [
        {k: people.draw([sway(p, n / RATE_HZ) for p in crowd[k]]) for k in crowd}
        for n in range(min(frames, 60))
    ]
    for turn in range(rounds):
        lines = {name: engine.vision() for name in crowd}
        for n in range(frames):
            for name in ("one", "five") if (n + turn) % 2 else ("five", "one"):
                frame = Frame(drawn[n % len(drawn)][name], n / RATE_HZ, n)
                start = time.perf_counter()
                observation = lines[name].observe(frame, embed=True)
                times[name].append(time.perf_counter() - start)
                seen[name].append(observation.faces)
    mean = {name: float(np.mean(values)) for name, values in times.items()}
    median = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "frames": len(times["one"]),
        "runtime": f"{engine.runner_info.runtime} {engine.runner_info.version}",
        **{
            name: {
                "faces": round(float(np.mean(seen[name])), 2),
                **percentiles_ms(times[name]),
                "mean_ms": round(mean[name] * 1e3, 3),
            }
            for name in times
        },
        "ratio_of_medians": round(median["five"] / median["one"], 3),
        "ratio_of_means": round(mean["five"] / mean["one"], 3),
    }


def _portrait() -> Image:
    image = cv2.imread(str(_FILE))
    if image is None:
        raise FileNotFoundError(f"{_FILE}: the demo's portrait is missing")
    portrait: Image = image
    return portrait


def _mask(head: Image) -> Floats:
    """Head and neck; the rest of the portrait fades into the wall."""
    mask = np.zeros(head.shape[:2], np.float32)
    cv2.ellipse(mask, (224, 125), (85, 115), 0, 0, 360, 1.0, -1)
    soft: Floats = cv2.GaussianBlur(mask, (0, 0), 8)
    return soft
