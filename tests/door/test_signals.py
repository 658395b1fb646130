"""Lamps and buzzers: patterns by virtual time, lines on each driver, and what fails."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import Pulses
from edged.config.schema import Signals as Settings
from edged.door.pattern import level
from edged.door.signals import Signals
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.door.fake_gpiod import Board

STATES: dict[str, Any] = {
    "idle": {"white": True},
    "granted": {"green": True, "buzzer": {"seconds": [0.1]}},
    "denied": {"red": {"seconds": [0.2, 0.1], "times": 3}, "buzzer": {"seconds": [0.5]}},
    "degraded": {"red": {"seconds": [0.02, 0.02], "times": 0}},
}
LINES = {
    "white": {"line": 5},
    "green": {"line": 6},
    "red": {"line": 7, "active_low": True},
    "buzzer": {"line": 8},
}


def settings(**changes: Any) -> Settings:
    told = {"driver": "gpio", "lines": LINES, "states": STATES}
    return Settings.model_validate(told | changes)


def lit(board: Board) -> set[str]:
    """Which lamps burn, by the levels on the wire."""
    return {
        name
        for name, wired in LINES.items()
        if board.levels.get(wired["line"], False) != wired.get("active_low", False)
        and wired["line"] in board.levels
    }


@pytest.fixture
def faults() -> list[str | None]:
    return []


@pytest.fixture
def signals(board: Board, faults: list[str | None]) -> Iterator[Signals]:
    made = Signals(settings(), faults.append)
    made.open()
    until(lambda: len(board.held) == len(LINES))
    yield made
    made.close()


# Patterns


def test_pulses_go_on_and_off_in_turns_and_end() -> None:
    pulses = Pulses(seconds=(0.2, 0.1, 0.4, 0.3), times=2)
    at = [0.0, 0.19, 0.21, 0.31, 0.69, 0.71, 0.99, 1.01, 1.21, 1.99, 2.01, 1e9]
    assert [level(pulses, t_s)[0] for t_s in at] == [
        *(True, True, False, True, True, False, False),
        *(True, False, False, False, False),
    ]
    assert level(pulses, 0.0)[1] == pytest.approx(0.2)
    assert level(pulses, 0.75)[1] == pytest.approx(0.25)
    assert level(pulses, 2.5) == (False, None)


def test_pulses_may_go_on_for_ever() -> None:
    blink = Pulses(seconds=(0.5, 0.5), times=0)
    assert [level(blink, 0.25 + n / 2)[0] for n in range(6)] == [True, False] * 3
    assert level(blink, 1e6 + 0.25)[0]


@pytest.mark.parametrize("on", [True, False])
def test_on_and_off_stay(on: bool) -> None:
    assert level(on, 1e9) == (on, None)


steps = st.lists(st.floats(0.02, 60), min_size=1, max_size=64)


@given(steps, st.integers(0, 1000), st.floats(-10, 1e7))
def test_a_pattern_always_says_when_to_look_again(
    seconds: list[float], times: int, elapsed_s: float
) -> None:
    on, next_s = level(Pulses(seconds=tuple(seconds), times=times), elapsed_s)
    assert next_s is None or 0 < next_s <= 60
    assert next_s is not None or not on
    if times and elapsed_s > sum(seconds) * times * 1.001:
        assert (on, next_s) == (False, None)


# What is shown


def test_all_is_off_before_the_first_state_and_the_lines_are_taken(
    signals: Signals, board: Board
) -> None:
    assert lit(board) == set()
    assert {what for what, _ in board.log} == {"request"}


def test_a_state_lights_its_lamps_and_the_next_only_its_own(signals: Signals, board: Board) -> None:
    signals.show("idle")
    until(lambda: lit(board) == {"white"})
    signals.show("granted")
    until(lambda: lit(board) == {"green"})  # the buzzer sounded, and rests
    signals.show("held")
    until(lambda: lit(board) == set())


def test_pulses_are_played_by_virtual_time(board: Board) -> None:
    signals = Signals(settings())
    seen = []
    for tenths in range(12):
        wait_s = signals._drive("denied", tenths / 10 + 0.05, 0.0)
        seen.append((sorted(lit(board)), wait_s is None))
    both, buzz, red, none = ["buzzer", "red"], ["buzzer"], ["red"], []
    assert [lamps for lamps, _ in seen] == [
        *(both, both, buzz, both, both, none, red, red, none),
        *(none, none, none),
    ]
    assert [ended for _, ended in seen].index(True) == 9


def test_a_state_that_is_shown_again_goes_on_as_it_is(signals: Signals) -> None:
    signals.show("denied")
    since_s = signals._since_s
    signals.show("denied")
    assert signals._since_s == since_s


def test_the_first_state_that_the_table_has_is_shown(signals: Signals, board: Board) -> None:
    signals.show("instruction", "gathering", "idle")
    until(lambda: lit(board) == {"white"})
    signals.show("instruction", "gathering")
    until(lambda: lit(board) == set())


def test_the_newest_state_wins_and_nothing_queues(signals: Signals, board: Board) -> None:
    for _ in range(2000):
        signals.show("granted")
        signals.show("denied")
        signals.show("idle")
    until(lambda: lit(board) == {"white"})
    assert len(board.log) < 24_000
    assert signals._state == "idle"


def test_a_blinking_lamp_blinks_until_the_next_state(signals: Signals, board: Board) -> None:
    signals.show("degraded")
    until(lambda: len(board.log) > 20)
    signals.show("idle")
    until(lambda: lit(board) == {"white"})


# Ends


def test_close_turns_everything_off_and_lets_go(signals: Signals, board: Board) -> None:
    signals.show("granted")
    until(lambda: "green" in lit(board))
    signals.close()
    assert lit(board) == set()
    assert board.held == set()
    assert board.open_chips == 0
    signals.close()
    signals.show("idle")
    assert lit(board) == set()
    assert not any(thread.name == "signals" for thread in threading.enumerate())


def test_a_lamp_that_hangs_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The door is closed after the lamps."""
    monkeypatch.setattr("edged.door.signals._CLOSE_S", 0.1)
    record = tmp_path / "pipe"
    os.mkfifo(record)  # whoever opens it waits for a reader
    signals = Signals(settings(driver="simulated", record=record))
    signals.open()
    signals.close()
    assert "left behind" in caplog.text
    with record.open("rb") as reader:
        until(lambda: not any(thread.name == "signals" for thread in threading.enumerate()))
        assert b'"on"' not in reader.read()


def test_close_without_open_and_open_again_are_safe(board: Board) -> None:
    signals = Signals(settings())
    signals.close()
    for _ in range(2):
        signals.open()
        signals.open()
        signals.show("idle")
        until(lambda: lit(board) == {"white"})
        signals.close()
        assert board.held == set()


def test_a_thread_that_dies_turns_everything_off_first(
    signals: Signals,
    board: Board,
    faults: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    signals.show("idle")
    until(lambda: lit(board) == {"white"})
    monkeypatch.setattr(signals, "_drive", lambda *_: 1 / 0)
    signals.show("granted")
    until(lambda: not board.held)
    assert lit(board) == set()
    assert faults == ["the lamps' thread failed; see the log"]
    signals.show("idle")  # and who tells it goes on


# Faults


def test_a_lamp_that_fails_is_told_once_and_tried_again_and_told_when_back(
    board: Board, faults: list[str | None], caplog: pytest.LogCaptureFixture
) -> None:
    signals = Signals(settings(), faults.append)
    board.write_failure = OSError(errno.EIO, "Input/output error")
    for second in range(20):
        signals._drive("idle", float(second), 0.0)
    assert len(faults) == 1
    assert "signals.lines.white.line 5" in str(faults[0])
    board.write_failure = None
    signals._drive("idle", 22.0, 0.0)
    assert faults[1:] == [None]
    assert lit(board) == {"white"}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_the_reason_is_the_one_of_now(
    board: Board, faults: list[str | None], caplog: pytest.LogCaptureFixture
) -> None:
    signals = Signals(settings(), faults.append)
    board.line_failure = OSError(errno.EBUSY, "Device or resource busy")
    signals._drive("idle", 0.0, 0.0)
    board.line_failure = None
    board.write_failure = OSError(errno.EIO, "Input/output error")
    signals._drive("idle", 3.0, 0.0)
    assert "is busy" in str(faults[0])
    assert "does not obey" in str(faults[1])
    assert "is busy" not in str(faults[1])
    assert len(caplog.records) == 1


def test_a_lamp_that_is_tried_again_gives_the_hardware_time(board: Board) -> None:
    signals = Signals(settings())
    board.line_failure = OSError(errno.EBUSY, "Device or resource busy")
    wait_s = signals._drive("held", 0.0, 0.0)
    assert wait_s == 2.0
    board.line_failure = None
    signals._drive("held", 1.0, 0.0)
    assert board.held == set()
    signals._drive("held", 2.0, 0.0)
    assert len(board.held) == 4


def test_one_lamp_that_is_missing_does_not_keep_the_others_dark(
    board: Board, faults: list[str | None]
) -> None:
    lines = LINES | {"red": {"line": 99}}
    signals = Signals(settings(lines=lines), faults.append)
    signals._drive("granted", 0.0, 0.0)
    assert lit(board) >= {"green", "buzzer"}
    assert "signals.lines.red.line 99" in str(faults[0])
    assert signals.fault == faults[0]


def test_a_chip_that_is_missing_is_told_by_its_setting(
    board: Board, faults: list[str | None]
) -> None:
    signals = Signals(settings(chip="/dev/none"), faults.append)
    signals._drive("idle", 0.0, 0.0)
    assert "signals.chip /dev/none does not exist" in str(faults[0])


def test_without_a_thread_there_is_a_fault_and_no_error(
    board: Board, faults: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    signals = Signals(settings(), faults.append)
    signals.open()
    signals.show("idle")
    signals.close()
    assert "no thread" in str(faults[0])


def test_whoever_tells_a_state_never_waits_for_a_lamp(
    signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()
    drive = signals._drive

    def slow(*args: Any) -> Any:
        hangs.set()
        goes_on.wait(20)
        return drive(*args)

    monkeypatch.setattr(signals, "_drive", slow)
    signals.show("idle")
    assert hangs.wait(20)
    for _ in range(1000):
        signals.show("granted")
        signals.show("idle")
    assert not goes_on.is_set()
    goes_on.set()


# The record


def test_a_simulation_writes_every_switch_as_a_line_of_json(tmp_path: Path) -> None:
    record = tmp_path / "new" / "lamps.jsonl"
    signals = Signals(settings(driver="simulated", record=record))
    begin = time.time()
    signals._drive("idle", 0.0, 0.0)
    signals._drive("granted", 1.0, 1.0)
    signals._drive("granted", 2.0, 1.0)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert all(abs(line.pop("t") - begin) < 60 for line in lines)
    assert [line for line in lines if line["cause"] != "open"] == [
        {"white": "on", "cause": "idle"},
        {"white": "off", "cause": "granted"},
        {"green": "on", "cause": "granted"},
        {"buzzer": "on", "cause": "granted"},
        {"buzzer": "off", "cause": "granted"},
    ]
    for lamp in signals._lamps.values():
        lamp.free()


def test_a_record_that_cannot_be_written_is_a_fault(
    tmp_path: Path, faults: list[str | None]
) -> None:
    (tmp_path / "file").touch()
    record = tmp_path / "file" / "lamps.jsonl"
    signals = Signals(settings(driver="simulated", record=record), faults.append)
    signals._drive("idle", 0.0, 0.0)
    assert "signals.record" in str(faults[0])
    assert signals._drive("idle", inf, 0.0) == 2.0
