"""The scenes of the golden recordings, seen by the real pipeline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edged.config.schema import Config, Decision, Model, Vision
from edged.decision.presentation import Phase
from edged.demo import scenes
from edged.recording.codec import write_item
from edged.recording.items import Forgot, Header, Held, Item, Seen
from edged.service.engine import Engine
from edged.service.judge import Judge
from edged.service.policy import make_policy
from edged.service.record import header_of
from edged.types import Candidate, Defect, Frame, Match, Observation
from tests.recording.golden import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.decision.policy import Policy
    from edged.types import Floats, Image

_RATE_HZ = 15
_DIRECTIONS = 12  # of a scene's views
_SIZE = 16  # the rest are other people
_PERSON = "eileen"

E, N, F, D, B = scenes.EMPTY, scenes.NEAR, scenes.FAR, scenes.DARK, scenes.BLURRED
_STRANGER = {"enrolled": False}
# name: (what it shows, scenes by frames or marks, settings)
_STORIES: dict[str, tuple[str, list[tuple[Any, int]], dict[str, Any]]] = {
    "walk_in": (
        "an enrolled person walks up",
        [(E, 4), (F, 8), (N, 18), (E, 18)],
        {},
    ),
    "stranger": ("somebody who is not enrolled", [(E, 3), (N, 26), (E, 18)], _STRANGER),
    "dark_then_better": ("in the dark, until the light goes on", [(D, 30), (N, 14), (E, 17)], {}),
    "far_then_near": ("too far away, then near", [(F, 30), (N, 14), (E, 17)], {}),
    "blurred": ("blurred, then sharp", [(B, 30), (N, 14), (E, 17)], {}),
    "bystander": ("somebody waits behind", [("two", 24), (E, 17)], {}),
    "lookalike": ("two people have nearly the same template", [(N, 30), (E, 17)], {"twin": True}),
    "lost_for_a_moment": ("let in, lost for a moment, and back", [(N, 8), (E, 6), (N, 12)], {}),
    "door_jammed": (
        "the door does not open, then works",
        [(N, 5), ("hold", 0), (N, 8), (E, 18), (N, 8)],
        {},
    ),
    "camera_lost": ("the camera is lost in the middle", [(N, 2), ("forget", 0), (N, 6)], {}),
}


def draw() -> None:
    """Write every golden recording anew, the expected outcomes aside."""
    with Engine(Model(runtime="onnxruntime", threads=1), Vision()) as engine:
        portrait = cv2.imread(str(Path(scenes.__file__).parent / "astronaut.jpg"))
        assert portrait is not None
        template = engine.extract(portrait).embedded.embedding
        header = _header(engine)
        for name, (about, story, settings) in _STORIES.items():
            items = list(_seen(engine, story, template))
            _write(name, about, header, items, template, settings)
    _write_garbage(header)


def _header(engine: Engine) -> Header:
    config = Config.model_validate(
        {
            "site": "golden",
            "terminal": "lobby",
            "camera": {"driver": "replay", "source": "."},
            "key": {"env": "NONE"},
            "door": {"driver": "simulated"},
        }
    )
    policy = make_policy(Decision(), engine.manifest)
    made = header_of(config, policy, engine.manifest, "golden@1.0.0#0")
    # the form of the curve says nothing about a story
    quality = {name: value for name, value in made.quality.items() if name != "reliability"}
    return replace(made, size=_SIZE, software="golden", quality=quality)


def _seen(engine: Engine, story: list[tuple[Any, int]], template: Floats) -> Iterator[Item]:
    lobby, vision = scenes.Lobby(), engine.vision()
    policy: Policy = make_policy(Decision(), engine.manifest)
    quality = engine.manifest.quality.quality
    known = Judge(policy, lambda probe: _only(template, probe), quality)
    seq, first = 0, None
    for scene, frames in story:
        if scene == "hold":
            known.hold(seq / _RATE_HZ)
            yield Held(seq / _RATE_HZ, None)
            continue
        if scene == "forget":
            known.forget()
            yield Forgot()
            continue
        for _ in range(frames):
            t_s = seq / _RATE_HZ
            image = _two(lobby, t_s) if scene == "two" else lobby.draw(scene, t_s)
            # every view with an embedding: other policies ask for more of them
            seen = vision.observe(Frame(image, t_s, seq), embed=True)
            if seen.track_id is not None:
                first = seen.track_id if first is None else first
                seen = replace(seen, track_id=seen.track_id - first + 1)
            step = known.step(seen)
            yield Seen(t_s, seen, None, step.phase, None, 0, 1)
            seq += 1


def _only(template: Floats, probe: Floats) -> Match:
    return Match((Candidate(_PERSON, float(template @ probe)),), 5)


def _two(lobby: scenes.Lobby, t_s: float) -> Image:
    """A person, and a smaller one at the side."""
    near = lobby.draw(replace(N, face_px=130.0), t_s)
    other = cv2.flip(lobby.draw(replace(N, face_px=80.0), t_s + 0.5), 1)
    near[:, 460:] = other[:, 230:410]
    return near


def _write(
    name: str,
    about: str,
    header: Header,
    items: list[Item],
    template: Floats,
    settings: dict[str, Any],
) -> None:
    views = [
        item.observation.embedding
        for item in items
        if isinstance(item, Seen) and item.observation.embedding is not None
    ]
    turn = _turned(np.stack([template, *views]))
    people = _others(turn(template), settings)
    items = [
        replace(item, people=len(people)) if isinstance(item, Seen) else item for item in items
    ]
    first = {
        "about": about,
        "header": {name: getattr(header, name) for name in header.__slots__},
        "templates": [
            {"who": who, "since": 1, "row": _rounded(row, 4)} for who, row in people.items()
        ],
    }
    lines = [json.dumps(first), *(_line(item, turn) for item in items)]
    (FOLDER / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def _turned(rows: Floats) -> Callable[[Floats], Floats]:
    """Into the directions that matter most, leaving room for other people."""
    directions = np.linalg.svd(rows.astype(np.float64), full_matrices=False)[2][:_DIRECTIONS]

    def turn(row: Floats) -> Floats:
        found = np.zeros(_SIZE)
        found[: len(directions)] = directions @ row
        return (found / np.linalg.norm(found)).astype(np.float32)

    return turn


def _others(person: Floats, settings: dict[str, Any]) -> dict[str, Floats]:
    """Four people with little in common with anybody, and who the story asks for."""
    people = {}
    for n in range(_SIZE - _DIRECTIONS):
        row = 0.2 * person
        row[_DIRECTIONS + n] = 1.0
        people[f"other-{n + 1}"] = row / np.linalg.norm(row)
    if settings.get("enrolled", True):
        people[_PERSON] = person
    if settings.get("twin"):
        twin = person.copy()
        twin[_DIRECTIONS] += 0.15
        people["twin"] = twin / np.linalg.norm(twin)
    return people


def _line(item: Item, turn: Callable[[Floats], Floats]) -> str:
    document = _rounded(write_item(item, str), 4)
    if isinstance(item, Seen) and item.observation.face is not None:
        document["face"] = _rounded(document["face"], 2)
    if isinstance(item, Seen) and item.observation.embedding is not None:
        document["view"] = _rounded(turn(item.observation.embedding), 4)
    return json.dumps(document)


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one, digits) for name, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_rounded(one, digits) for one in value]
    return round(float(value), digits) if isinstance(value, float | np.floating) else value


def _write_garbage(header: Header) -> None:
    """Numbers that are none, tracks that change with every frame, time that stands still."""
    random = np.random.default_rng(4)
    nan = float("nan")
    items: list[Item] = []
    for seq in range(60):
        track = None if seq % 11 == 0 else int(random.integers(1, 4))
        view = random.standard_normal(_SIZE).astype(np.float32)
        quality = float(random.choice([nan, 0.2, 0.9, float("inf")]))
        doubt = float(random.choice([nan, -1.0, 3.0, float("-inf")]))
        t_s = float(random.choice([seq / 15, nan, 0.0], p=[0.8, 0.1, 0.1]))
        defects = (Defect.NO_FACE,) if track is None else ((), (Defect.TURNED,))[seq % 2]
        seen = Observation(t_s, seq, 2, track, None, defects)
        if track is not None:
            seen = replace(seen, embedding=view, log_variance=doubt, quality=quality)
        items.append(Seen(seq / 15, seen, None, Phase.IDLE, None, 0, 1))
    about = "seeded garbage: nobody is let in"
    identity = np.eye(_SIZE, dtype=np.float32)
    first = {
        "about": about,
        "header": {name: getattr(header, name) for name in header.__slots__},
        "templates": [
            {"who": f"other-{n}", "since": 1, "row": _rounded(identity[n], 1)} for n in range(3)
        ],
    }
    items = [replace(item, people=3) for item in items if isinstance(item, Seen)]
    lines = [json.dumps(first), *(_line(item, lambda row: row) for item in items)]
    (FOLDER / "garbage.jsonl").write_text("\n".join(lines) + "\n")
