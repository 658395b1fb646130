"""The door on recorded webcam sessions: the enrolled come in on another day, nobody else does."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import cv2
import pytest

from edged.bench.rig import Rig
from edged.bench.webcam import read_session, run
from edged.demo import scenes
from tests.service.kit import Terminal, Views, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.decision.policy import Policy
    from edged.events.types import Event
    from edged.gallery.people import Enrolment
    from edged.service.engine import Engine

pytestmark = [pytest.mark.data, pytest.mark.slow]

ENROLLED = ("person01", "person04", "person05", "person06")
STRANGERS = ("person02", "person03")
EMPTY_FRAMES = 30  # two seconds: whoever was there has gone


def test_everyone_enrolled_is_granted_on_another_day_and_no_stranger_is(
    engine: Engine, policy: Policy, data_dir: Path, distractors: list[Enrolment]
) -> None:
    told = run(engine, policy, data_dir, distractors)
    assert told["distractors"] == 5_246
    assert len(told["enrolled"]) == 16
    for what, tally in told["enrolled"].items():
        assert tally["shown"] > 0, what
        assert tally["right"] == tally["shown"], (what, tally)
        assert tally["wrong"] == 0, (what, tally)
    for what, tally in told["strangers"].items():
        assert tally["shown"] > 0, what
        assert tally["wrong"] == 0, (what, tally)


@pytest.fixture(scope="module")
def enrolled(
    engine: Engine, policy: Policy, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Views]:
    """The templates of four people, taken at the terminal on their first day."""
    views = {}
    with Rig(engine, policy, tmp_path_factory.mktemp("rig")) as rig:
        for person in ENROLLED:
            day = min((data_dir / "webcam-dev" / "live" / person).iterdir())
            assert rig.enrol(person, read_session(day))
            templates = rig.gallery.templates(person, engine.identity)
            views[person] = Views({}, templates, engine.identity)
    return views


@pytest.fixture
def terminal(
    tmp_path: Path, distractors: list[Enrolment], enrolled: dict[str, Views]
) -> Iterator[Terminal]:
    """The daemon, not yet started, that knows the four and everybody's first photo."""
    terminals = running([])
    terminal = next(terminals)(
        tmp_path,
        camera={"driver": "replay", "source": "film", "rate_hz": 15, "pace": "fast"},
        model={"runtime": "auto", "threads": 0},
        door={"pulse_s": 0.1},
        decision={"retake_after_s": 3, "gone_after_s": 1, "cool_down_s": 8},
    )
    with terminal.gallery() as gallery:
        gallery.add_many(distractors, limit=1)
    for person, views in enrolled.items():
        terminal.enrol(views, person)
    yield terminal
    terminals.close()


def film(folder: Path, sessions: list[Path]) -> None:
    """Sessions one after the other, with an empty lobby before, between and after them."""
    folder.mkdir()
    empty = folder.parent / "empty.jpg"
    cv2.imwrite(str(empty), scenes.Lobby().draw(scenes.EMPTY, 0))
    frames = [empty] * EMPTY_FRAMES
    for session in sessions:
        frames += [*sorted(session.glob("*.jpg")), *[empty] * EMPTY_FRAMES]
    for number, frame in enumerate(frames):
        (folder / f"{number}.jpg").symlink_to(frame)


def play(terminal: Terminal) -> list[Event]:
    """Run the daemon to the end of its film; what it recorded."""
    process = terminal.start().process
    assert process is not None
    assert process.wait(180) == 0, terminal.log[-3000:]
    with terminal.outbox() as outbox:
        events: list[Event] = outbox.pending(limit=1000)
    assert [event.data for event in events if event.type == "terminal.stopped"]
    return events


def test_the_daemon_lets_the_four_in_on_their_other_days_and_says_who(
    terminal: Terminal, data_dir: Path, tmp_path: Path
) -> None:
    live = data_dir / "webcam-dev" / "live"
    shown = [sorted((live / person).iterdir())[1:] for person in ENROLLED]
    later = [days[1] for days in shown if len(days) > 1]
    sessions = [*(days[0] for days in shown), *later]
    film(tmp_path / "film", sessions)
    events = play(terminal)
    found = [event.data["person_id"] for event in events if event.type == "access.granted"]
    assert [who for who, _ in groupby(found)] == [session.parent.name for session in sessions]
    assert terminal.relay.count("on") == len(found)
    assert terminal.relay[-1] in {"off", "rest"}


def test_the_daemon_lets_no_stranger_in(terminal: Terminal, data_dir: Path, tmp_path: Path) -> None:
    live = data_dir / "webcam-dev" / "live"
    film(tmp_path / "film", [day for who in STRANGERS for day in sorted((live / who).iterdir())])
    kinds = [event.type for event in play(terminal) if event.type.startswith("access.")]
    assert len(kinds) >= len(STRANGERS)
    assert set(kinds) <= {"access.denied", "access.review"}
    assert "on" not in terminal.relay
