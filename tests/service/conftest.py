"""Terminals as processes; one stands for all tests that leave it as they found it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edged.camera.images import read_image
from edged.config.schema import Model, Vision
from edged.demo import scenes
from edged.service.engine import Engine
from tests.mosquitto import PROGRAM, Mosquitto
from tests.service.kit import Door, Site, Stage, Terminal, Views, running, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCENES = {
    "empty": scenes.EMPTY,
    "near": scenes.NEAR,
    "far": scenes.FAR,
    "dark": replace(scenes.DARK, light=0.16, noise=11.0),
    "blurred": scenes.BLURRED,
}


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine(Model(runtime="onnxruntime", threads=1), Vision()) as engine:
        yield engine


@pytest.fixture(scope="session")
def views(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Views:
    """Three frames of each scene, and the person's templates."""
    folder = tmp_path_factory.mktemp("views")
    lobby = scenes.Lobby()
    drawn: dict[str, list[Path]] = {}
    for name, scene in SCENES.items():
        for number in range(3):
            path = folder / f"{name}-{number}.jpg"
            cv2.imwrite(str(path), lobby.draw(scene, number / 15))
            drawn.setdefault(name, []).append(path)
    made = [engine.extract(read_image(path)) for path in drawn["near"]]
    return Views(drawn, [one.embedded.embedding for one in made], engine.identity)


@pytest.fixture
def make_terminal() -> Iterator[Callable[..., Terminal]]:
    """Make terminals (not started) that are killed in the end."""
    yield from running([])


@pytest.fixture
def stage(tmp_path: Path, views: Views) -> Stage:
    return Stage(tmp_path / "stage", views)


@pytest.fixture
def open_door(
    tmp_path: Path, mosquitto: Mosquitto, stage: Stage, make_terminal: Callable[..., Terminal]
) -> Iterator[Callable[..., Door]]:
    """Start a terminal of one's own; `before` is done to it before its start."""
    with Site(mosquitto.port) as site:

        def make(before: Callable[[Terminal], None] = lambda _: None, **changes: object) -> Door:
            terminal = make_terminal(tmp_path, mosquitto.port, **changes)
            before(terminal)
            terminal.start().ready()
            site.status("online")
            return Door(terminal, stage, site)

        yield make


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory, views: Views) -> Iterator[Door]:
    """A terminal that stands through the whole session; it knows one person, who never comes."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    folder = tmp_path_factory.mktemp("standing")
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    stage = Stage(folder / "stage", views)
    terminals = running([])
    try:
        broker.start()
        terminal = next(terminals)(folder, broker.port, decision=_QUICK)
        other = replace(views, embeddings=[_somebody_else(len(views.embeddings[0]))])
        terminal.enrol(other, "somebody-else")
        with Site(broker.port) as site:
            terminal.start().ready()
            site.status("online")
            yield Door(terminal, stage, site)
    finally:
        terminals.close()
        broker.kill()


_QUICK = {"retake_after_s": 0.7, "gone_after_s": 0.3, "cool_down_s": 4}


def _somebody_else(size: int) -> np.ndarray:
    vector = np.random.default_rng(7).normal(size=size).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def door(standing: Door) -> Iterator[Door]:
    """The standing terminal: nobody in the lobby, only somebody else in the gallery."""
    standing.leave()
    yield standing
    standing.leave()
    standing.at_rest()
    with standing.terminal.gallery() as gallery:
        for person in gallery.people():
            if person.id != "somebody-else":
                gallery.remove(person.id)
    standing.people(1)
    wait(lambda: standing.site.state["degraded"] == {})
    standing.site.check_contract()
