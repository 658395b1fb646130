"""What is known of how presentations went: numbers, and nobody can be found in them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import inf, nan
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from edged.config.load import parse
from edged.decision.drift import DAYS, Bucket, Drift
from edged.decision.hints import Hint
from edged.decision.presentation import Summary
from edged.errors import StorageError, WrongKey
from edged.history.store import DAY_S, MOST_KEPT, MOST_WAITING, History, Shown, history_path
from edged.types import Defect, Instruction
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = Secret(bytes(range(32)))
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2025, 3, 28, 12, tzinfo=BERLIN).timestamp()


def summary(
    ended: str = "granted",
    *,
    quality: float | None = 0.9,
    hints: tuple[Hint, ...] = (),
    frames: int = 10,
    defects: dict[Defect, int] | None = None,
) -> Summary:
    return Summary(ended, 1.5, frames, 4, quality, defects or {}, hints)


@contextmanager
def opened(path: Path, keep_days: int = 90, key: Secret = KEY) -> Iterator[History]:
    history = History(path, key, keep_days, BERLIN)
    try:
        history.open()
        yield history
    finally:
        history.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    with opened(path) as history:
        yield history


def noted(history: History, *times: float, ended: str = "granted") -> None:
    for now in times:
        history.note(summary(ended), now)
    history.flush()


def test_what_was_noted_is_there_after_a_restart(path: Path) -> None:
    hint = Hint(Instruction.MORE_LIGHT, 0.5, 0.2, 0.8)
    lost = Hint(Instruction.HOLD_STILL, 0.9, 0.2, None)
    with opened(path) as history:
        history.note(summary("left", hints=(hint, lost)), NOON)
        assert history.presentations(0, NOON) == []
        assert history.flush() == 1
        assert history.flush() == 0
    with opened(path) as history:
        (kept,) = history.presentations(NOON - 1, NOON)
        assert kept.ended == "left"
        assert [(h.code, h.rose) for h in kept.hints] == [
            ("more_light", True),
            ("hold_still", False),
        ]
        assert kept.hints[0].gain == pytest.approx(0.6)
        assert kept.hints[1] == Shown("hold_still", None, rose=False)


def test_only_the_time_that_is_asked_for_is_told(history: History) -> None:
    noted(history, NOON - 10, NOON, NOON + 10)
    assert len(history.presentations(NOON - 10, NOON)) == 1


def test_the_file_is_encrypted_and_another_key_does_not_open_it(path: Path) -> None:
    with opened(path) as history:
        noted(history, NOON)
    assert b"SQLite" not in path.read_bytes()
    with pytest.raises(WrongKey), opened(path, key=Secret(bytes(32))):
        pass


def test_what_cannot_be_written_waits(path: Path) -> None:
    history = History(path, KEY, 90, BERLIN)
    history.note(summary(), NOON)
    for _ in range(3):
        with pytest.raises(StorageError):
            history.flush()
        history.note(summary("denied"), NOON + 1)
    history.open()
    assert history.flush() == 4
    assert [one.ended for one in history.presentations(0, NOON + 1)][:2] == ["granted", "denied"]
    history.close()


def test_memory_does_not_grow_while_nothing_can_be_written(path: Path) -> None:
    history = History(path, KEY, 90, BERLIN)
    for _ in range(3):
        for _ in range(MOST_WAITING + 5):
            history.note(summary(), NOON)
        with pytest.raises(StorageError):
            history.flush()
    assert len(history._batch) == MOST_WAITING
    assert len(history._waiting) == MOST_WAITING


def test_one_thread_notes_while_another_writes(history: History) -> None:
    def come() -> None:
        for n in range(800):
            history.note(summary(), NOON + n)

    thread = threading.Thread(target=come)
    thread.start()
    written = 0
    while thread.is_alive():
        written += history.flush()
    assert written + history.flush() == 800


@pytest.mark.parametrize("now", [nan, inf, -inf, -1.0, 1e18])
def test_a_clock_that_tells_no_time_loses_one_row_and_nothing_else(
    history: History, now: float
) -> None:
    history.note(summary(), now)
    history.note(summary("denied"), NOON)
    assert history.flush() == 1


def test_numbers_that_are_none_are_kept_as_nothing(history: History) -> None:
    hint = Hint(Instruction.RETAKE, 0.0, 0.0, nan)
    history.note(summary(quality=nan, hints=(hint,), frames=0), NOON)
    history.note(Summary("left", inf, 3, 0, None, {Defect.BLURRED: 3}, ()), NOON)
    history.flush()
    assert history.presentations(0, NOON)[0].hints == (Shown("retake", None, rose=False),)
    day = history.today(NOON)
    assert sorted(history.buckets(day), key=lambda b: b.trouble or "") == [
        Bucket(day, 720, None, 1, 0, 0.0),
        Bucket(day, 720, Defect.BLURRED, 1, 0, 0.0),
    ]


# -- the local day --------------------------------------------------------------------------------


def test_buckets_are_of_the_wall_clock_also_when_summer_time_begins(history: History) -> None:
    """Ten past eight is ten past eight, on the 29th and on the 30th of March."""
    mornings = [datetime(2025, 3, day, 8, 14, tzinfo=BERLIN) for day in (29, 30)]
    assert mornings[1].timestamp() - mornings[0].timestamp() == DAY_S - 3600
    dark = {Defect.TOO_DARK: 8}
    for morning in mornings:
        history.note(summary(quality=0.3, defects=dark), morning.timestamp())
    history.flush()
    today = mornings[1].toordinal()
    assert history.buckets(today) == [
        Bucket(today - 1, 490, Defect.TOO_DARK, 1, 1, 0.3),
        Bucket(today, 490, Defect.TOO_DARK, 1, 1, 0.3),
    ]


def test_midnight_is_local(history: History) -> None:
    late = datetime(2025, 7, 1, 23, 59, 59, tzinfo=BERLIN)
    early = late + timedelta(seconds=1)
    noted(history, late.timestamp(), early.timestamp())
    assert [(b.day, b.minute) for b in history.buckets(early.toordinal())] == [
        (late.toordinal(), 1430),
        (early.toordinal(), 0),
    ]
    assert history.today(late.timestamp()) == late.toordinal()


def test_buckets_reach_back_four_weeks_and_not_into_the_future(history: History) -> None:
    noted(history, *(NOON + day * DAY_S for day in (-DAYS - 1, -DAYS + 2, 0, 1)))
    today = history.today(NOON)
    assert [b.day for b in history.buckets(today)] == [today - DAYS + 2, today]


def test_an_unknown_defect_is_a_fault_of_the_file(history: History) -> None:
    noted(history, NOON)
    with history._database.transaction() as connection:
        connection.execute("UPDATE presentations SET trouble = 'smudged'")
    with pytest.raises(StorageError, match="smudged"):
        history.buckets(history.today(NOON))


# -- traffic, age ---------------------------------------------------------------------------------


def test_traffic_is_unknown_until_a_day_was_measured(history: History) -> None:
    assert history.traffic(NOON) is None
    noted(history, NOON)
    assert history.traffic(NOON + DAY_S - 60) is None
    traffic = history.traffic(NOON + DAY_S)
    assert traffic is not None
    assert (traffic.days, traffic.presentations, traffic.not_granted) == (1.0, 1.0, 0.0)


def test_traffic_is_a_day_and_what_was_not_granted_is_told(history: History) -> None:
    noted(history, *(NOON + n * 3600 for n in range(48)))
    noted(history, *(NOON + n * 7200 for n in range(24)), ended="left")
    traffic = history.traffic(NOON + 2 * DAY_S)
    assert traffic is not None
    assert (traffic.presentations, traffic.not_granted) == (pytest.approx(36), pytest.approx(12))


def test_traffic_is_of_the_last_four_weeks_whatever_the_clock_did(history: History) -> None:
    noted(history, 0.0, NOON - 40 * DAY_S, NOON - 2 * DAY_S, NOON - DAY_S, NOON + 400 * DAY_S)
    traffic = history.traffic(NOON)
    assert traffic is not None
    assert (traffic.days, traffic.presentations) == (2.0, 1.0)


def test_what_is_too_old_goes_with_its_hints(path: Path) -> None:
    hint = Hint(Instruction.MORE_LIGHT, 0.5, 0.2, 0.8)
    with opened(path, keep_days=7) as history:
        for days in (8, 6):
            history.note(summary(hints=(hint,)), NOON - days * DAY_S)
        history.flush()
        history.prune(NOON)
        assert len(history.presentations(0, NOON)) == 1
        with history._database.snapshot() as connection:
            assert connection.execute("SELECT count(*) FROM hints").fetchone() == (1,)


def test_the_file_does_not_grow_without_end(history: History) -> None:
    noted(history, NOON, NOON + 1)
    with history._database.transaction() as connection:
        connection.execute("UPDATE presentations SET id = id + ? WHERE id = 2", (MOST_KEPT,))
    history.prune(NOON)
    assert len(history.presentations(0, NOON + 1)) == 1


def test_the_alarms_that_are_on_are_remembered(path: Path) -> None:
    alarms = (
        Drift("light", Defect.TOO_DARK, 490, 3, 0.66, 21, 739_000),
        Drift("lens", None, None, 3, 0.3, 210, 739_001, 0.71),
    )
    with opened(path) as history:
        assert history.drifts() == ()
        history.keep_drifts(alarms)
    with opened(path) as history:
        assert history.drifts() == alarms
        history.keep_drifts(alarms[1:])
        assert history.drifts() == alarms[1:]


# -- where it lies --------------------------------------------------------------------------------

MINIMAL = """
site: hq
terminal: door-1
camera: {driver: replay, source: nowhere}
key: {env: KEY}
door: {driver: simulated}
events: {path: /var/lib/edged/events.db}
"""


def test_it_lies_beside_the_events_unless_the_configuration_says_where() -> None:
    assert str(history_path(parse(MINIMAL))) == "/var/lib/edged/history.db"
    elsewhere = parse(MINIMAL + "history: {path: /srv/h.db}\n")
    assert str(history_path(elsewhere)) == "/srv/h.db"


def test_a_file_that_another_process_holds_keeps_nobody_waiting(tmp_path: Path) -> None:
    history, other = (History(tmp_path / "history.db", KEY, 90, BERLIN) for _ in range(2))
    history.open()
    other.open()
    with history._database.snapshot() as connection:
        assert connection.execute("PRAGMA busy_timeout").fetchone()[0] <= 200  # ms
    history.note(summary(), NOON)
    with other._database.transaction(), pytest.raises(StorageError, match="held by another"):
        history.flush()
    assert history.flush() == 1
    history.close()
    other.close()
