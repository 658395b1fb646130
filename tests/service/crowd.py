"""Five people and a stranger, none of whom exists: bent out of the one portrait that may ship.

The network takes none of them for another; `tests/service/test_morning.py` sees to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from edged.camera.images import read_image
from edged.demo import scenes
from tests.faces import PORTRAIT, _bent

if TYPE_CHECKING:
    from pathlib import Path

    from edged.service.engine import Engine
    from edged.types import Floats

_EYES = ((207.0, 105.0), 35.0, 0.6), ((245.0, 105.0), 35.0, 0.6)
BENDS: dict[str, tuple[tuple[tuple[float, float], float, float], ...]] = {
    "ann": (),
    "bob": (((225.0, 129.0), 40.0, -0.4),),
    "cy": (((225.0, 129.0), 40.0, 0.7),),
    "dee": (((225.0, 95.0), 40.0, -0.4),),
    "eve": (((225.0, 95.0), 55.0, 0.7),),
    "stranger": (*_EYES, ((225.0, 150.0), 45.0, -0.4)),
}
PEOPLE = tuple(name for name in BENDS if name != "stranger")


@dataclass(frozen=True)
class Crowd:
    """Frames of each person before the camera, and of the empty lobby; templates of each."""

    scenes: dict[str, list[Path]]
    embeddings: dict[str, list[Floats]]
    model: str


def draw_crowd(folder: Path, engine: Engine) -> Crowd:
    """Three frames of everybody."""
    folder.mkdir(exist_ok=True)
    frames: dict[str, list[Path]] = {}
    embeddings: dict[str, list[Floats]] = {}
    for name, bends in BENDS.items():
        lobby = _lobby(bends)
        for number in range(3):
            path = folder / f"{name}-{number}.jpg"
            cv2.imwrite(str(path), lobby.draw(scenes.NEAR, number / 15))
            frames.setdefault(name, []).append(path)
            embedding = engine.extract(read_image(path)).embedded.embedding
            embeddings.setdefault(name, []).append(embedding)
    empty = folder / "empty.jpg"
    cv2.imwrite(str(empty), _lobby(()).draw(scenes.EMPTY, 0))
    frames["empty"] = [empty] * 3
    return Crowd(frames, embeddings, engine.identity)


def _lobby(bends: tuple[tuple[tuple[float, float], float, float], ...]) -> scenes.Lobby:
    portrait = cv2.imread(str(PORTRAIT))
    for centre, radius, power in bends:
        portrait = _bent(portrait, centre, radius, power)
    lobby = scenes.Lobby()
    lobby._portrait = portrait
    return lobby
