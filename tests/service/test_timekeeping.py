"""What the terminal tells of its clock, on a real log."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from edged.events.outbox import Outbox
from edged.events.trusted import MARK, TrustedTime
from edged.service.journal import Journal
from edged.service.state import State
from edged.service.timekeeping import Timekeeping
from edged.vault.keys import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.events.types import Clock

NOW = 1_800_000_000.0


class Clocks:
    """Set by the tests."""

    def __init__(self) -> None:
        self.wall_s, self.count_s = NOW, 50.0
        self.kernel: Clock = "synced"

    def time(self, outbox: Outbox) -> TrustedTime:
        return TrustedTime(
            outbox,
            lambda: self.kernel,
            lambda: self.wall_s,
            lambda: self.count_s,
            error=lambda: 0.1,
            boot=lambda: "boot",
            rtc=lambda: True,
        )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "events.db", Secret(b"k" * 32), 100)
    outbox.open()
    yield outbox
    outbox.close()


def test_a_jump_is_told_once_with_what_is_believed_since(outbox: Outbox) -> None:
    clocks, state = Clocks(), State()
    time = clocks.time(outbox)
    time.open()
    outbox.believe = time.clock
    keeping = Timekeeping(time, Journal(outbox, state), state)
    keeping.tick()
    assert state.document()["timekeeping"] == {
        "source": "ntp",
        "synced": True,
        "since": "2027-01-15T08:00:00Z",
        "high_water": "2027-01-15T08:00:00Z",
        "error_s": 1.0,
    }
    assert state.degraded == {}
    clocks.wall_s, clocks.kernel = NOW - 86_400, "unsynced"
    keeping.tick()
    keeping.tick()
    (event,) = outbox.pending()
    assert (event.type, event.clock) == ("clock.jumped", "unsynced")
    assert event.data == {
        "from": "2027-01-15T08:00:00Z",
        "to": "2027-01-14T08:00:00Z",
        "source": "unknown",
    }
    assert state.document()["timekeeping"]["synced"] is False
    assert "edged clock reset" in state.degraded["clock"]
    clocks.wall_s, clocks.kernel = NOW, "synced"
    keeping.tick()
    assert state.degraded == {}
    assert [event.clock for event in outbox.pending()] == ["unsynced", "synced"]


def test_events_and_the_mark_never_wait_for_each_other(outbox: Outbox) -> None:
    """Whoever appends holds the log and asks for the clock; whoever ticks writes the mark."""
    clocks = Clocks()
    time = clocks.time(outbox)
    time.open()
    outbox.believe = time.clock
    threads = [
        threading.Thread(target=lambda: [outbox.append("a.b", {}) for _ in range(30)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for _ in range(30):
        clocks.count_s += 61
        clocks.wall_s += 61
        time.tick()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert outbox.head.seq == 90
    assert outbox.note(MARK) is not None


def test_an_event_is_found_by_the_beginning_of_its_id(outbox: Outbox) -> None:
    ids = ["ab" * 8 + "cd" * 8, "ab" * 8 + "ce" * 8, "ac" + "00" * 15]
    for one in ids:
        assert outbox.append_once("a.b", {}, one)
    assert [event.id for event in outbox.beginning("ac")] == [ids[2]]
    assert [event.id for event in outbox.beginning(ids[0])] == [ids[0]]
    assert [event.id for event in outbox.beginning("ab" * 8 + "ce")] == [ids[1]]
    assert len(outbox.beginning("a")) == 2
    for strange in ("", "x", "AC", "ab" * 17, "%"):
        assert outbox.beginning(strange) == []
