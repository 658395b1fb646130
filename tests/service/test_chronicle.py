"""The history is kept while the terminal works; a history that fails harms nothing."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from edged.decision.presentation import Summary
from edged.events.outbox import Outbox
from edged.history.store import DAY_S, History
from edged.service.chronicle import Chronicle
from edged.service.journal import Journal
from edged.service.state import State
from edged.types import Defect
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = Secret(bytes(range(32)))
ZONE = ZoneInfo("Europe/Berlin")
EIGHT = datetime(2025, 3, 26, 8, 10, tzinfo=ZONE)  # a Wednesday; the next Sunday has 23 hours


class Days:
    """A terminal's days, without the terminal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "history.db"
        self.state = State()
        self.outbox = Outbox(folder / "events.db", KEY, 1000)
        self.outbox.open()
        self.now = EIGHT
        self.uptime_s = 0.0
        self.start()

    def start(self) -> None:
        history = History(self.path, KEY, 90, ZONE)
        journal = Journal(self.outbox, self.state)
        self.chronicle = Chronicle(history, journal, self.state, self.clock)
        self.chronicle.tick(self.uptime_s)

    def clock(self) -> float:
        return self.now.timestamp()

    def wait(self, seconds: float = 0.5) -> None:
        self.uptime_s += seconds
        self.chronicle.tick(self.uptime_s)

    def morning(self, *, dark: bool) -> None:
        """Six people at ten past eight, and the day passes."""
        defects = {Defect.TOO_DARK: 9} if dark else {}
        for _ in range(6):
            self.chronicle.note(Summary("granted", 1.0, 10, 3, 0.8, defects, ()))
        self.wait(DAY_S)
        self.now += timedelta(days=1)  # of the wall clock

    @property
    def told(self) -> list[tuple[str, object]]:
        return [(e.type, e.data.get("at")) for e in self.outbox.pending()]


@pytest.fixture
def days(tmp_path: Path) -> Iterator[Days]:
    days = Days(tmp_path)
    yield days
    days.chronicle.close()
    days.outbox.close()


def test_dark_every_morning_is_one_event_and_one_when_it_is_over(days: Days) -> None:
    for dark in (True,) * 7 + (False,) * 6:
        days.morning(dark=dark)
    assert days.told == [("capture.drift", "08:10"), ("capture.drift_over", "08:10")]
    assert days.outbox.pending()[0].data == {
        "what": "light",
        "defect": "too_dark",
        "at": "08:10",
        "days": 3,
        "share": 1.0,
        "presentations": 18,
        "since": "2025-03-26",
    }


def test_a_restart_does_not_tell_it_again(days: Days) -> None:
    for _ in range(4):
        days.morning(dark=True)
    days.chronicle.close()
    days.start()
    days.wait(DAY_S)
    assert days.told == [("capture.drift", "08:10")]


def test_what_could_not_be_recorded_is_told_later(days: Days) -> None:
    days.outbox.close()
    for _ in range(4):
        days.morning(dark=True)
    days.outbox.open()
    assert days.told == []
    days.wait(3600)
    assert days.told == [("capture.drift", "08:10")]


def test_it_looks_back_at_most_once_an_hour(days: Days) -> None:
    for _ in range(2):
        days.morning(dark=True)
    for _ in range(6):
        days.chronicle.note(Summary("granted", 1.0, 10, 3, 0.8, {Defect.TOO_DARK: 9}, ()))
    for _ in range(7000):
        days.wait(0.5)
    assert days.told == []
    days.wait(100)
    assert len(days.told) == 1


def test_traffic_is_measured_after_a_day(days: Days) -> None:
    days.morning(dark=False)
    assert days.chronicle.not_granted_per_day is None
    days.chronicle.note(Summary("left", 1.0, 10, 3, None, {}, ()))
    days.wait(0.5)
    days.now += timedelta(days=1)
    days.wait(3600)
    assert days.chronicle.not_granted_per_day == pytest.approx(0.5)


def test_a_history_that_cannot_be_kept_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "history.db").mkdir()
    days = Days(tmp_path)
    assert "history" in days.state.degraded
    for _ in range(500):
        days.wait(0.5)
        days.chronicle.note(Summary("left", 1.0, 10, 3, None, {}, ()))
    (tmp_path / "history.db").rmdir()
    days.wait(61)
    assert days.state.degraded == {}
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    days.chronicle.close()
    days.start()
    days.now += timedelta(days=1)
    days.wait(3600)
    assert days.chronicle.not_granted_per_day == pytest.approx(500)
    days.chronicle.close()
    days.outbox.close()


def test_what_was_noted_last_is_written_at_the_end(days: Days) -> None:
    days.chronicle.note(Summary("left", 1.0, 10, 3, None, {}, ()))
    days.chronicle.close()
    days.chronicle.close()
    history = History(days.path, KEY, 90, ZONE)
    history.open()
    assert len(history.presentations(0, days.now.timestamp())) == 1
    history.close()


def test_an_end_without_a_history_is_an_end(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    days = Days(tmp_path)
    days.chronicle.note(Summary("left", 1.0, 10, 3, None, {}, ()))
    days.chronicle.close()
    days.outbox.close()
