"""A morning at a door: 200 presentations through the real daemon, held against a table.

Faces come from a replayed camera, cards through a pipe, the contact, the fire alarm and the exit
button are files, the site sits behind a real Mosquitto. Every event that the terminal publishes is
in the table, and no other.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.crowd import PEOPLE, draw_crowd
from tests.service.kit import Door, Site, Stage, Terminal, Views, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.service.engine import Engine
    from tests.mosquitto import Mosquitto
    from tests.service.crowd import Crowd

# Who comes, how it ends; "x12" is twelve times. Whoever is granted goes through unless it says
# that they stay. `in` is a face before the camera outside, `out` a card at the reader inside.
MORNING = """
in   stranger                    denied: not_enrolled          x6
in   ann bob cy dee eve          granted
in   ann bob cy dee eve          denied: anti_passback
in   stranger                    denied: not_enrolled          x4
out  ann bob                     granted
in   ann                         granted, stays                x3
in   ann bob                     granted
in   cy dee eve ann bob          denied: anti_passback         x2
out  ann bob cy dee eve          granted
in   bob ann eve dee cy          granted
out  bob ann eve dee cy          granted
in   stranger                    denied: not_enrolled          x3
in   ann bob cy                  granted
forced
in   dee eve                     granted
in   ann bob cy dee eve          denied: anti_passback
lockdown
in   ann bob cy                  denied: locked_down
in   stranger                    denied: not_enrolled          x2
out  ann bob                     denied: locked_down
exit button                      nothing
in   dee                         denied: locked_down           x2
out  eve                         granted
in   eve                         granted
normal
out  ann bob cy dee eve          granted
in   ann bob                     granted
fire
burning
fire over
in   cy dee eve                  granted
in   ann bob cy dee eve          denied: anti_passback
exit button                      opens
out  ann bob cy dee eve          granted
in   ann bob cy dee eve          granted
out  ann bob cy dee eve          granted
in   stranger                    denied: not_enrolled          x10
in   ann bob cy dee eve          granted
in   ann bob cy dee eve          denied: anti_passback         x3
out  ann bob cy dee eve          granted
in   eve dee cy bob ann          granted
out  eve dee cy bob ann          granted
in   ann                         granted, stays                x5
in   ann bob cy dee eve          granted
in   stranger                    denied: not_enrolled          x8
out  ann bob cy dee eve          granted
in   bob                         granted
out  bob                         granted
in   cy                          granted
in   cy                          denied: anti_passback         x7
in   stranger                    denied: not_enrolled          x10
out  cy                          granted
in   cy                          granted
out  cy                          granted
in   dee                         granted
out  dee                         granted
in   eve                         granted
"""
CARDS = {name: f"100{number}" for number, name in enumerate(PEOPLE, 1)}
GROUPS = {"eve": ("staff", "responders")}
PRESENTATIONS = 200
THROUGH = ["door.opened", "access.passed", "door.closed"]


def steps() -> Iterator[tuple[str, str, str]]:
    """What is done, by whom, and how it ends, one after the other."""
    for line in MORNING.strip().splitlines():
        found = re.fullmatch(r"(in|out) +((?:\w+ )+) +([a-z_:, ]+?)(?: +x(\d+))?", line)
        if found is None:
            what, _, ends = line.partition("  ")
            yield what, "", ends.strip()
            continue
        way, who, ends, times = found.groups()
        for _ in range(int(times or 1)):
            for name in who.split():
                yield way, name, ends


@pytest.fixture(scope="module")
def crowd(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    return draw_crowd(tmp_path_factory.mktemp("crowd"), engine)


class Morning:
    """The door, whoever stands before it, and what the site has heard so far."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.folder = door.terminal.folder
        self.read = 0
        self.told: list[dict[str, Any]] = []
        self.expect("terminal.started")

    def expect(self, *kinds: str) -> list[dict[str, Any]]:
        """The next events are these and no others; those of one moment may come in any order."""
        wait(lambda: len(self.door.site.events()) >= self.read + len(kinds))
        events = self.door.site.events()[self.read : self.read + len(kinds)]
        self.read += len(kinds)
        self.told += events
        assert sorted(event["type"] for event in events) == sorted(kinds), events
        return events

    def put(self, name: str, there: bool = True) -> None:
        path = self.folder / name
        path.touch() if there else path.unlink()

    def contact(self) -> str:
        return str(self.door.site.state.get("door", {}).get("contact"))

    def go_through(self, *more: str) -> None:
        """Open the door and let it fall shut."""
        wait(lambda: self.door.terminal.relay[-1] == "on")
        self.put("contact")
        self.expect(*{"door.opened", *more} - {"door.closed"})
        wait(lambda: self.contact() == "open")
        self.put("contact", there=False)
        self.expect("door.closed")
        wait(lambda: self.contact() == "closed")
        self.door.at_rest()

    def come(self, who: str) -> None:
        self.door.stage.show(who)

    def card(self, who: str) -> None:
        pipe = os.open(self.folder / "inside", os.O_WRONLY)
        os.write(pipe, f"card {CARDS[who]}\n".encode())
        os.close(pipe)

    def leave(self) -> None:
        self.door.stage.show("empty")
        wait(lambda: self.door.terminal.phase == "idle")

    def present(self, way: str, who: str, ends: str) -> None:
        self.come(who) if way == "in" else self.card(who)
        outcome, _, how = ends.partition(":")
        if outcome == "denied":
            (event,) = self.expect("access.denied")
            assert event["data"]["reason"] == how.strip(), (who, event)
            assert event["data"].get("person_id") == (None if who == "stranger" else who)
        else:
            (event,) = self.expect("access.granted")
            assert event["data"]["person_id"] == who
            if outcome == "granted, stays":
                self.expect("access.not_entered")
            else:
                self.go_through("access.passed")
        if way == "in":
            self.leave()

    def happen(self, what: str, ends: str) -> None:
        """Everything that is no presentation."""
        relay = self.door.terminal.relay
        if what == "forced":
            self.put("contact")
            self.expect("door.forced")
            self.put("contact", there=False)
            self.expect("door.closed", "door.alarm_over")
        elif what in ("lockdown", "normal"):
            mode = "locked_down" if what == "lockdown" else "normal"
            assert self.door.site.command("door.mode", mode=mode)["result"] == "ok"
            self.expect("door.mode_changed")
        elif what == "exit button" and ends == "nothing":
            self.put("exit")
            self.expect("door.exit")
            self.put("exit", there=False)
            assert self.door.terminal.relay == relay
        elif what == "exit button":
            self.put("exit")
            self.expect("door.exit")
            self.go_through()
            self.put("exit", there=False)
        elif what == "fire":
            self.put("fire")
            self.expect("door.fire")
            wait(lambda: self.door.terminal.relay[-1] == "on")
        elif what == "burning":
            for _ in range(3):
                self.put("contact")
                self.expect("door.opened")
                self.put("contact", there=False)
                self.expect("door.closed")
            assert self.door.terminal.relay[-1] == "on"
        else:
            assert what == "fire over", what
            self.put("fire", there=False)
            self.expect("door.fire_over")
            self.door.at_rest()


@pytest.fixture
def morning(
    tmp_path: Path,
    mosquitto: Mosquitto,
    crowd: Crowd,
    make_terminal: Callable[..., Terminal],
) -> Iterator[Morning]:
    os.mkfifo(tmp_path / "inside")
    stage = Stage(tmp_path / "stage", Views(crowd.scenes, [], crowd.model))
    rules = [{"name": "staff", "groups": ["staff"], "factors": [["face"], ["card"]]}]
    terminal = make_terminal(
        tmp_path,
        mosquitto.port,
        camera={"driver": "replay", "source": "stage", "rate_hz": 30, "loop": True},
        decision={"denial_after_s": 0.5, "gone_after_s": 0.2, "cool_down_s": 60},
        door={
            "driver": "simulated",
            "record": "door.jsonl",
            "pulse_s": 1.0,
            "minimum_pulse_s": 0.1,
            "contact": {"file": "contact", "debounce_s": 0.01},
            "fire": {"file": "fire", "debounce_s": 0.01},
            "exit_button": {"file": "exit", "debounce_s": 0.01},
            "lockdown_groups": ["responders"],
        },
        access={"rules": rules, "area": {"name": "lab", "passback": {"mode": "hard"}}},
        readers={"inside": {"driver": "simulated", "pipe": "inside", "direction": "out"}},
    )
    with terminal.gallery() as gallery:
        for name in PEOPLE:
            profile = {"groups": GROUPS.get(name, ("staff",)), "cards": (CARDS[name],)}
            enrol(gallery, crowd, name, profile)
    with Site(mosquitto.port) as site:
        terminal.start().ready()
        site.status("online")
        yield Morning(Door(terminal, stage, site))


def enrol(gallery: Any, crowd: Crowd, name: str, profile: dict[str, Any]) -> None:
    for embedding in crowd.embeddings[name]:
        gallery.add(name, embedding, model=crowd.model, quality=0.99, source="photo", limit=5)
    gallery.set_profile(name, gallery.profile(name).model_copy(update=profile))


def test_the_table_is_a_morning() -> None:
    presented = [step for step in steps() if step[0] in ("in", "out")]
    assert len(presented) == PRESENTATIONS
    happened = {what for what, who, _ in steps() if not who}
    assert happened == {
        "forced", "lockdown", "exit button", "normal", "fire", "burning", "fire over",
    }  # fmt: skip


def test_a_morning_comes_out_as_the_table_says(morning: Morning) -> None:
    for number, (what, who, ends) in enumerate(steps()):
        try:
            if who:
                morning.present(what, who, ends)
            else:
                morning.happen(what, ends)
        except BaseException as failure:
            failure.add_note(f"step {number}: {what} {who} {ends}; {json.dumps(morning.told[-3:])}")
            raise
    assert morning.door.terminal.stop() == 0
    morning.expect("terminal.stopped")
    heard = morning.door.site.events()
    assert heard[morning.read :] == []  # nothing that the table does not say
    assert [event["seq"] for event in heard] == list(range(1, len(heard) + 1))
