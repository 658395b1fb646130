"""``diagnostics`` and ``events.replay``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edged.events.types import Head
from edged.mqtt.catalogue import Context, ReplayEvents
from edged.service.upkeep import LARGEST, MOST_REPLAYED, Upkeep, bounded, cut, free
from tests.service.kit import PERSON, ROOT, wait
from tests.service.manager import allowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edged.mqtt.catalogue import Reply
    from tests.service.kit import Door, Views


def test_diagnostics_tell_how_the_terminal_is_and_of_nobody(
    open_door: Callable[..., Door], views: Views
) -> None:
    door = open_door(lambda terminal: terminal.enrol(views, name="Eileen C."), mqtt=allowed())
    reply = door.site.command("diagnostics")
    assert reply["result"] == "ok"
    facts = reply["data"]
    assert set(facts) >= {
        "software",
        "python",
        "system",
        "uptime_s",
        "memory",
        "disk",
        "clock",
        "events",
        "link",
        "commands",
        "degraded",
        "door",
        "gallery",
        "camera",
        "model",
        "counts",
        "stages_ms",
        "arriving",
    }
    assert facts["gallery"]["people"] == 1
    assert facts["link"]["connected"] is True
    assert facts["memory"]["rss_mb"] > 50
    assert facts["disk"]["events"] > 0
    assert facts["camera"]["status"] == "live"
    assert facts["model"]["identity"] == views.model
    assert facts["commands"]["accepted"] >= 1
    text = json.dumps(reply)
    assert len(text) <= 32_768
    assert not any(secret in text for secret in (PERSON, "Eileen", "secret.key"))

    # and what was delivered comes again, late, with the same ids
    first = door.site.events()
    head = max(event["seq"] for event in first)
    reply = door.site.command("events.replay", from_seq=1, to_seq=head)
    assert reply["result"] == "ok"
    assert reply["data"]["events"] == len(first)
    assert reply["data"]["to_seq"] == head
    wait(lambda: len(late(door)) >= len(first))
    assert {event["id"] for event in late(door)} >= {event["id"] for event in first}
    assert all(event["historical"] for event in late(door))


def late(door: Door) -> list[dict[str, Any]]:
    return [m.content for m in list(door.site.heard) if m.topic.startswith("backlog/")]


def test_only_an_auditor_may_ask(door: Door) -> None:
    """The standing terminal's site has two other roles."""
    for command, args in (("diagnostics", {}), ("events.replay", {"from_seq": 1})):
        assert door.site.command(command, **args)["reason"] == "wrong_role"
    assert ROOT  # the terminal answers below it


class Log:
    """A long log, that notes what is asked of it."""

    def __init__(self, seq: int) -> None:
        self.head = Head("0" * 16, seq, "", "")
        self.depth = 0
        self.asked: list[tuple[int, int]] = []
        self.woken = 0

    def again(self, from_seq: int, to_seq: int) -> int:
        self.asked.append((from_seq, to_seq))
        return to_seq - from_seq + 1

    def wake(self) -> None:
        self.woken += 1


def replay(log: Log, **args: int) -> Reply:
    handler = Upkeep(log, {}, {}).handlers()["events.replay"]
    return handler(ReplayEvents(**args), Context("events.replay", "12345678", "site"))


def test_a_replay_is_asked_for_in_pages_and_wakes_the_link() -> None:
    log = Log(25_000)
    reply = replay(log, from_seq=1)
    assert reply.data == {"events": 25_000, "from_seq": 1, "to_seq": 25_000, "head": 25_000}
    assert log.asked == [(1, 10_000), (10_001, 20_000), (20_001, 25_000)]
    assert log.woken == 1


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"from_seq": 5, "to_seq": 4}, "bad_args"),
        ({"from_seq": 1}, "too_many"),
        ({"from_seq": 1, "to_seq": MOST_REPLAYED + 1}, "too_many"),
    ],
)
def test_a_replay_that_is_too_much_or_nothing_is_refused(args: dict[str, int], reason: str) -> None:
    log = Log(1_000_000)
    assert (replay(log, **args).result, replay(log, **args).reason) == ("refused", reason)
    assert log.asked == []


def test_what_never_happened_is_not_sent_again() -> None:
    assert replay(Log(10), from_seq=11).data["events"] == 0
    assert replay(Log(10), from_seq=10, to_seq=10**12).data["events"] == 1
    assert replay(Log(0), from_seq=1).data["events"] == 0


def test_however_much_there_is_to_tell_a_reply_stays_small() -> None:
    much = {f"part {n}": "x" * 100_000 for n in range(1000)}
    facts = bounded({"software": "1", "degraded": cut(much), "counts": cut(dict(much))})
    assert len(json.dumps(facts)) <= LARGEST
    assert facts["software"] == "1"
    assert facts["left_out"]


def test_the_room_of_a_file_that_is_still_to_be_made_is_that_of_its_folder(tmp_path: Path) -> None:
    assert free(tmp_path / "not" / "yet" / "events.db") == free(tmp_path)
    assert free(Path("/proc/self/mem/nothing")) is None
