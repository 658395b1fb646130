"""A switch at the case is believed after 50 ms, from the start too, and tried for ever."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

import pytest

from edged.config.schema import TamperLine
from edged.door import tamper as module
from edged.door.tamper import DEBOUNCE_S, FileInput, Tamper, make_tamper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.door.fake_gpiod import Board

PATIENCE_S = 20.0


class Heard:
    """What a switch told, in its order."""

    def __init__(self) -> None:
        self._told: queue.Queue[str | None] = queue.Queue()

    def active(self) -> None:
        self._told.put("active")

    def fault(self, text: str | None) -> None:
        self._told.put(text)

    def next(self) -> str | None:
        return self._told.get(timeout=PATIENCE_S)

    @property
    def empty(self) -> bool:
        return self._told.empty()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watch(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Tamper]]:
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.01)
    made: list[Tamper] = []

    def open_it(**settings: object) -> Tamper:
        made.append(make_tamper(TamperLine.model_validate(settings), heard.active, heard.fault))
        made[-1].open()
        return made[-1]

    yield open_it
    for one in made:
        one.close()
        one.close()


def test_a_file_that_appears_stands_for_a_switch(
    tmp_path: Path, heard: Heard, watch: Callable[..., Tamper]
) -> None:
    watch(driver="simulated", file=tmp_path / "open")
    assert heard.next() is None
    assert heard.empty
    (tmp_path / "open").touch()
    assert heard.next() == "active"


def test_what_is_open_at_the_start_counts(
    tmp_path: Path, heard: Heard, watch: Callable[..., Tamper]
) -> None:
    (tmp_path / "open").touch()
    watch(driver="simulated", file=tmp_path / "open")
    assert [heard.next(), heard.next()] == [None, "active"]


@pytest.mark.parametrize(("active_low", "high"), [(False, True), (True, False)])
def test_a_line_is_read_at_its_level(
    board: Board, heard: Heard, watch: Callable[..., Tamper], active_low: bool, high: bool
) -> None:
    board.levels[5] = not high
    one = watch(driver="gpio", line=5, active_low=active_low)
    assert heard.next() is None
    board.levels[5] = high
    assert heard.next() == "active"
    assert board.held == {5}
    one.close()
    assert (board.held, board.open_chips) == (set(), 0)


def test_a_line_that_cannot_be_had_is_tried_again(
    board: Board, heard: Heard, watch: Callable[..., Tamper]
) -> None:
    board.held.add(5)
    watch(driver="gpio", line=5)
    told = heard.next()
    assert told is not None
    assert told.startswith("gallery.wipe.tamper.line 5 of /dev/gpiochip0 is busy")
    board.levels[5] = True
    board.held.discard(5)
    while (told := heard.next()) is not None:
        assert "is busy" in told
    assert heard.next() == "active"


def test_a_line_that_is_lost_is_told_and_found_again(
    board: Board, heard: Heard, watch: Callable[..., Tamper]
) -> None:
    watch(driver="gpio", line=5)
    assert heard.next() is None
    board.read_failure = OSError(19, "No such device")
    told = heard.next()
    assert told is not None
    assert "cannot be read: No such device" in told
    board.read_failure = None
    board.levels[5] = True
    while heard.next() != "active":
        pass


def test_what_bounces_is_no_opening_and_each_opening_is_told_once(heard: Heard) -> None:
    now_s = 0.0
    one = Tamper(FileInput("unused"), heard.active, heard.fault, clock=lambda: now_s)  # type: ignore[arg-type]
    told = []
    steps = [(0.0, True), (0.03, True), (0.04, False), (0.045, True), (0.09, True)]
    steps += [(0.045 + DEBOUNCE_S, True), (1.0, True), (2.0, False), (3.0, True), (3.06, True)]
    for now_s, active in steps:  # the clock reads it
        one.step(active)
        if not heard.empty:
            told.append((now_s, heard.next()))
    assert told == [(0.045 + DEBOUNCE_S, "active"), (3.06, "active")]


def test_the_thread_outlives_what_nobody_foresaw(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.01)

    class Odd:
        looks = 0

        def take(self) -> None:
            return

        def active(self) -> bool:
            self.looks += 1
            if self.looks == 1:
                raise RuntimeError("odd")
            return True

        def free(self) -> None:
            return

    one = Tamper(Odd(), heard.active, heard.fault)
    one.open()
    try:
        said = [heard.next() for _ in range(4)]
    finally:
        one.close()
    assert said == [None, "what reads the switch failed; see the log", None, "active"]
