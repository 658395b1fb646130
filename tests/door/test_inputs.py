"""Inputs are read as they are wired, believed at rest, told when they fail and when they work."""

from __future__ import annotations

import errno
import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.door import Input
from edged.door import debounce, inputs
from edged.door.inputs import InputFault, InputWatch
from edged.door.switch import FileSwitch, make_switch
from edged.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.door.fake_gpiod import Board

PATIENCE_S = 20.0
CHIP = "/dev/gpiochip0"
Watch = "Callable[..., InputWatch]"


class Heard:
    """What an input told, in its order."""

    def __init__(self) -> None:
        self._told: queue.Queue[Any] = queue.Queue()
        self.looks = 0

    def value(self, value: bool | None, since_s: float) -> None:
        assert since_s > 0
        self._told.put(value)

    def fault(self, fault: InputFault | None) -> None:
        self._told.put("well" if fault is None else fault)

    def look(self) -> None:
        self.looks += 1

    def next(self) -> Any:
        return self._told.get(timeout=PATIENCE_S)

    @property
    def empty(self) -> bool:
        return self._told.empty()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watch(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., InputWatch]]:
    monkeypatch.setattr(inputs, "_TRY_AGAIN_S", 0.01)
    made: list[InputWatch] = []

    def open_it(**settings: Any) -> InputWatch:
        wired = Input.model_validate({"debounce_s": 0.02, **settings})
        switch = make_switch(wired, CHIP, "door.contact")
        one = InputWatch("contact", switch, wired.debounce_s, heard.value, heard.fault, heard.look)
        made.append(one)
        one.open()
        return one

    yield open_it
    for one in made:
        one.close()
        one.close()


def test_a_file_stands_for_a_switch(
    tmp_path: Path, heard: Heard, watch: Callable[..., InputWatch]
) -> None:
    file = tmp_path / "open"
    watch(file=file)
    assert heard.next() is False
    file.touch()
    assert heard.next() is True
    file.unlink()
    assert heard.next() is False
    assert heard.looks > 0


def test_a_file_that_cannot_be_seen_is_told_and_read_again(
    tmp_path: Path, heard: Heard, watch: Callable[..., InputWatch]
) -> None:
    folder = tmp_path / "not-a-folder"
    folder.touch()
    watch(file=folder / "open")
    fault = heard.next()
    assert fault.kind == "unreadable"
    assert fault.text.startswith("door.contact.file")
    assert heard.next() is None
    folder.unlink()
    assert [heard.next(), heard.next()] == ["well", False]


@pytest.mark.parametrize("refuses", [set(), {"debounce"}, {"debounce", "edges"}])
@pytest.mark.parametrize(
    ("settings", "normal"),
    [
        ({}, True),  # pulled up, open: high
        ({"wiring": "normally_closed"}, False),
        ({"bias": "pull_down"}, False),
        ({"bias": "pull_down", "wiring": "normally_closed"}, True),
        ({"bias": "none"}, False),
        ({"bias": "none", "active_low": True}, True),
        ({"active_low": False}, False),
    ],
)
def test_a_line_is_read_as_it_is_wired_whatever_the_chip_can_do(
    board: Board,
    heard: Heard,
    watch: Callable[..., InputWatch],
    settings: dict[str, Any],
    normal: bool,
    refuses: set[str],
) -> None:
    board.refuses = refuses
    board.levels[5] = normal
    one = watch(line=5, **settings)
    assert heard.next() is False
    board.drive(5, not normal)
    assert heard.next() is True
    board.drive(5, normal)
    assert heard.next() is False
    assert board.asked[-1].bias.name.lower().replace("disabled", "none") == settings.get(
        "bias", "pull_up"
    )
    one.close()
    assert (board.held, board.open_chips) == (set(), 0)


def test_a_line_has_its_own_chip_or_the_doors(board: Board, heard: Heard, watch: Any) -> None:
    board.path = "/dev/gpiochip7"
    watch(line=5, chip="/dev/gpiochip7", wiring="normally_closed")
    assert heard.next() is False


def test_a_line_that_is_busy_is_told_and_tried_again(
    board: Board, heard: Heard, watch: Callable[..., InputWatch]
) -> None:
    board.held.add(5)
    watch(line=5)
    fault = heard.next()
    assert (fault.kind, heard.next()) == ("unreadable", None)
    assert "door.contact.line 5 of /dev/gpiochip0 is busy" in fault.text
    assert len([one for one in board.asked if one.debounce_period]) == 0  # not asked for thrice
    board.levels[5] = True
    board.held.discard(5)
    assert [heard.next(), heard.next()] == ["well", False]


def test_a_line_that_is_lost_is_told_once_and_found_again(
    board: Board, heard: Heard, watch: Callable[..., InputWatch]
) -> None:
    board.levels[5] = True
    watch(line=5)
    assert heard.next() is False
    board.read_failure = OSError(errno.ENODEV, "No such device")
    fault = heard.next()
    assert "cannot be read: No such device" in fault.text
    assert heard.next() is None
    looks = heard.looks
    while heard.looks < looks + 5:  # several tries
        assert heard.empty
    board.drive(5, high=False)
    board.read_failure = None
    assert [heard.next(), heard.next()] == ["well", True]


def test_a_contact_that_flickers_is_told_once_and_believed_when_it_rests(
    board: Board,
    heard: Heard,
    watch: Callable[..., InputWatch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(debounce, "QUIET_S", 0.3)
    board.levels[5] = True
    watch(line=5)
    assert heard.next() is False
    stop = threading.Event()

    def flicker() -> None:
        high = False
        while not stop.wait(0.0005):
            board.drive(5, high)
            high = not high

    thread = threading.Thread(target=flicker, daemon=True)
    thread.start()
    try:
        fault = heard.next()
        assert fault.kind == "flickers"
        assert heard.next() is None
        looks = heard.looks
        while heard.looks < looks + 10:
            assert heard.empty
    finally:
        stop.set()
        thread.join()
    board.drive(5, high=False)
    assert [heard.next(), heard.next()] == ["well", True]


def test_the_thread_outlives_what_nobody_foresaw(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_TRY_AGAIN_S", 0.01)

    class Odd:
        tries = 0

        def take(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise RuntimeError("odd")

        def wait(self, seconds: float) -> list[tuple[bool, float]]:
            stopped.wait(min(seconds, 0.005))
            return [(True, inputs.time.monotonic())]

        def free(self) -> None:
            return

    stopped = threading.Event()
    one = InputWatch("fire", Odd(), 0.01, heard.value, heard.fault)
    one.open()
    try:
        fault = heard.next()
        assert "see the log" in fault.text
        assert [heard.next(), heard.next(), heard.next()] == [None, "well", True]
    finally:
        one.close()


def test_without_a_thread_it_says_so(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    one = InputWatch("x", FileSwitch(tmp_path / "x", "x"), 0.01, heard.value, heard.fault)
    with pytest.raises(DoorError, match="no thread"):
        one.open()
    one.close()


def test_one_that_hangs_is_left_behind(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_CLOSE_S", 0.01)
    gate = threading.Event()

    class Hangs:
        def take(self) -> None:
            gate.wait(PATIENCE_S)

        def wait(self, seconds: float) -> list[tuple[bool, float]]:
            raise DoorError("let go")

        def free(self) -> None:
            return

    one = InputWatch("x", Hangs(), 0.01, heard.value, heard.fault)
    one.open()
    one.close()
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "door-x":
            thread.join(PATIENCE_S)
