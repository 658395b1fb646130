"""The power fails at any moment: what was promised before is kept."""

from __future__ import annotations

import random
import subprocess
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Self

import pytest

from tests.service.kit import Site, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from tests.mosquitto import Mosquitto
    from tests.service.kit import Stage, Terminal, Views

KILLS = 20
DECISION = {"retake_after_s": 0.5, "gone_after_s": 0.1, "cool_down_s": 0.5, "evidence_frames": 1}


class Life:
    """People come and go, the site enrols and unlocks, until it is over."""

    def __init__(self, stage: Stage, site: Site) -> None:
        self._stage = stage
        self._site = site
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._persons = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        for scene in self._scenes():
            self._stage.show(scene)
            if self._site.connected and scene == "near":
                self._persons += 1
                args = {"person_id": f"p{self._persons}", "views": 1}
                token = self._site.signed("enrol.start", args)
                self._site._client.publish("edged/hq/door-1/cmd/enrol.start", token, qos=0)
            elif self._site.connected:
                token = self._site.signed("door.unlock", {"duration_s": 0.5})
                self._site._client.publish("edged/hq/door-1/cmd/door.unlock", token, qos=0)

    def _scenes(self) -> Iterator[str]:
        while not self._over.wait(0.25):
            yield random.choice(["near", "near", "empty", "far"])


def live_until_killed(terminal: Terminal, dice: random.Random, kill: int) -> None:
    """Every second one dies while it starts, from when it has the relay, the others at work."""
    before = len(terminal.door_record())
    terminal.start()
    wait(lambda: len(terminal.door_record()) > before)
    if kill % 2:
        terminal.ready()
    assert terminal.process
    try:
        terminal.process.wait(dice.uniform(0.0, 0.7))
    except subprocess.TimeoutExpired:
        terminal.kill()
    else:
        pytest.fail(f"the daemon ended by itself:\n{terminal.log[-3000:]}")


@pytest.mark.slow
def test_no_moment_to_be_killed_loses_an_event_or_a_person(
    tmp_path: Path,
    views: Views,
    stage: Stage,
    mosquitto: Mosquitto,
    make_terminal: Callable[..., Terminal],
) -> None:
    dice = random.Random(20)
    # the same face is enrolled again and again
    terminal = make_terminal(
        tmp_path, mosquitto.port, decision=DECISION, gallery={"duplicates": "allow"}
    )
    terminal.enrol(views)
    rests: list[int] = []
    with Site(mosquitto.port) as site:
        with Life(stage, site):
            for kill in range(KILLS):
                if kill % 10 == 3:
                    mosquitto.save()
                    mosquitto.kill()
                rests.append(len(terminal.door_record()))
                live_until_killed(terminal, dice, kill)
                if kill % 10 == 5:
                    mosquitto.start()
                    wait(lambda: site.connected)
        rests.append(len(terminal.door_record()))
        stage.show("empty")
        terminal.start().ready()
        site.status("online")
        assert terminal.stop() == 0
        site.event("terminal.stopped")
        with terminal.outbox() as outbox:
            assert outbox.depth == 0
        events = site.events()
    told = arrived_once_and_in_order(events)
    every_opening_is_on_record(terminal.door_record(), told)
    rest_follows_every_start(terminal.door_record(), rests)
    with terminal.gallery() as gallery:
        kept = {person.id for person in gallery.people()}
    completed = {e["data"]["person_id"] for e in told if e["type"] == "enrol.completed"}
    assert completed, "nothing was put to the test"
    assert completed <= kept


def arrived_once_and_in_order(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events without duplicates; a duplicate is the very same event, and nothing is missing."""
    first: dict[int, dict[str, Any]] = {}
    for event in events:
        known = first.setdefault(event["seq"], event)
        assert {**event, "historical": None} == {**known, "historical": None}
    assert len({event["id"] for event in first.values()}) == len(first)
    assert list(first) == list(range(1, len(first) + 1))
    return list(first.values())


def every_opening_is_on_record(record: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    """Between an opening and the one before it, or the start, a reason to open was written."""
    reasons = [
        datetime.fromisoformat(event["time"]).timestamp()
        for event in events
        if event["type"] in {"access.granted", "door.unlocked"}
    ]
    assert any(entry["relay"] == "on" for entry in record), "nothing was put to the test"
    since = 0.0
    for entry in record:
        if entry["relay"] == "on":
            until = entry["t"] + 0.0006  # the record rounds to milliseconds
            assert any(since - 0.001 <= reason <= until for reason in reasons), entry
        if entry["relay"] == "on" or entry["cause"] == "open":
            since = entry["t"]


def rest_follows_every_start(record: list[dict[str, Any]], starts: list[int]) -> None:
    for start in starts:
        if start < len(record):  # else it died before it had the relay
            assert (record[start]["relay"], record[start]["cause"]) == ("rest", "open")
