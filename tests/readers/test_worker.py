"""Readers at real pipes and lines: lost, back, garbage, babble."""

from __future__ import annotations

import errno
import os
import pty
import threading
import tty
from typing import TYPE_CHECKING

import pytest

from edged.config.readers import KeyboardReader, SerialReader, SimulatedReader
from edged.errors import ReaderError
from edged.readers.parsing import Commands, Typing
from edged.readers.source import InputDevice, Pipe
from edged.readers.table import make_reader
from edged.readers.throttle import PER_SECOND
from edged.readers.worker import ByteReader
from tests.readers.typing import typed
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.access.request import Reading
    from edged.readers.reader import Reader


class Desk:
    """Takes what readers read and what is wrong with them."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.faults: list[str | None] = []

    def read(self, reading: Reading) -> None:
        self.readings.append(reading)

    @property
    def values(self) -> list[tuple[str, str]]:
        return [(one.kind, one.value) for one in self.readings]

    def well(self, times: int = 1) -> None:
        until(lambda: self.faults.count(None) >= times)

    def lost(self) -> str:
        return str(until(lambda: self.faults and self.faults[-1]))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def opened(desk: Desk) -> Iterator[Callable[[Reader], Reader]]:
    """Open readers that are closed in the end."""
    readers: list[Reader] = []

    def open_(reader: Reader) -> Reader:
        readers.append(reader)
        reader.open(desk.read, desk.faults.append)
        return reader

    yield open_
    for reader in readers:
        reader.close()


class Line:
    """A pseudo-terminal: what is plugged in at one end, at a path that stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1

    def plug(self) -> Line:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        link = self.path.with_suffix(".new")
        link.symlink_to(os.ttyname(slave))
        link.replace(self.path)
        os.close(slave)
        return self

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def pull(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
            self.path.unlink()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "line").plug()
    yield made
    made.pull()


def pipe(path: Path) -> Reader:
    return make_reader("desk", SimulatedReader(driver="simulated", pipe=path), "out")


def serial(path: Path) -> Reader:
    settings = SerialReader(driver="serial", device=path, end="\n")
    return make_reader("gate", settings, "in")


def write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


# the pipe


def test_a_pipe_is_made_and_read_by_whoever_comes(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    path = tmp_path / "pipe"
    opened(pipe(path))
    desk.well()
    assert path.stat().st_mode & 0o777 == 0o600
    write(path, b"card 4711\n")
    write(path, b"pin 2468\nkey in\n")
    until(lambda: len(desk.readings) == 3)
    assert desk.values == [("card", "4711"), ("pin", "2468"), ("key", "in")]
    assert {(one.reader, one.direction) for one in desk.readings} == {("desk", "out")}
    assert desk.faults == [None]
    assert "4711" not in repr(desk.readings)


def test_a_pipe_that_vanishes_is_told_once_made_again_and_told_once(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    path = tmp_path / "folder" / "pipe"
    path.parent.mkdir()
    opened(pipe(path))
    desk.well()
    path.unlink()
    path.parent.rmdir()
    assert "folder" in desk.lost()
    path.parent.mkdir()
    desk.well(2)
    write(path, b"card 4711\n")
    until(lambda: desk.values == [("card", "4711")])
    assert desk.faults.count(None) == 2


def test_what_is_in_the_place_of_a_pipe_is_said_and_tried_again(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    path = tmp_path / "pipe"
    path.mkdir()
    opened(pipe(path))
    assert "pipe" in desk.lost()
    path.rmdir()
    path.write_text("card 1\n")
    until(lambda: desk.faults[-1] == f"pipe {path} is no named pipe")
    path.unlink()
    desk.well()
    assert desk.readings == []


def test_another_pipe_in_the_place_of_the_first_is_read(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    path, other = tmp_path / "pipe", tmp_path / "other"
    opened(pipe(path))
    desk.well()
    os.mkfifo(other)
    other.replace(path)
    desk.well(2)
    write(path, b"card 4711\n")
    until(lambda: desk.values == [("card", "4711")])


def test_of_ten_thousand_lines_ten_pass_and_the_babble_is_told(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    path = tmp_path / "pipe"
    reader = opened(pipe(path))
    desk.well()
    babbler = threading.Thread(target=write, args=(path, b"card 4711\n" * 10_000))
    babbler.start()
    assert "babbles" in desk.lost()
    babbler.join()
    until(lambda: reader.describe()["read"] + reader.describe()["too_many"] == 10_000)
    assert PER_SECOND <= len(desk.readings) == reader.describe()["read"] <= 200
    assert [fault for fault in desk.faults if fault] == [desk.faults[1]]


def test_endless_bytes_without_an_end_are_told_and_slowed_down(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    path = tmp_path / "pipe"
    opened(pipe(path))
    desk.well()
    write(path, b"x" * 65_536)
    assert "cannot be read" in desk.lost()
    write(path, b"\ncard 4711\n")
    until(lambda: desk.values == [("card", "4711")])


def test_a_card_number_of_10_kb_is_no_card(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    path = tmp_path / "pipe"
    reader = opened(pipe(path))
    desk.well()
    write(path, b"card " + b"1" * 10_240 + b"\ncard 4711\n")
    until(lambda: desk.values == [("card", "4711")])
    assert reader.describe()["unreadable"] >= 1


def test_who_does_not_take_a_reading_ends_no_reader(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "pipe"

    def refuse(reading: Reading) -> None:
        desk.readings.append(reading)
        raise RuntimeError("full")

    reader = pipe(path)
    try:
        reader.open(refuse, desk.faults.append)
        desk.well()
        write(path, b"card 4711\ncard 4712\n")
        until(lambda: len(desk.readings) == 2)
    finally:
        reader.close()
    assert "4711" not in caplog.text


# the serial line


def test_a_line_is_read_and_comes_back_when_it_is_plugged_in_again(
    line: Line, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    opened(serial(line.path))
    desk.well()
    line.send(b"0012")
    line.send(b"345678\n")
    until(lambda: desk.values == [("card", "0012345678")])
    line.send(b"99")  # half a card
    line.pull()
    assert desk.lost()
    line.plug()
    desk.well(2)
    line.send(b"4711\n")
    until(lambda: len(desk.readings) == 2)
    assert desk.values[-1] == ("card", "4711")
    assert desk.faults.count(None) == 2


def test_garbage_on_a_line_is_told_and_the_next_card_is_read(
    line: Line, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    reader = opened(serial(line.path))
    desk.well()
    for _ in range(6):
        line.send(b"\xfe\x80\x00\xff\n")
    assert "cannot be read" in desk.lost()
    line.send(b"4711\n")
    until(lambda: desk.values == [("card", "4711")])
    assert reader.describe()["unreadable"] == 6


@pytest.mark.parametrize("what", ["nothing", "a folder", "a file"])
def test_what_is_no_serial_line_is_said_and_tried_again(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader], what: str
) -> None:
    path = tmp_path / "line"
    if what == "a folder":
        path.mkdir()
    elif what == "a file":
        path.write_text("card\n")
    reader = opened(serial(path))
    assert str(path) in desk.lost()
    assert reader.describe()["fault"] == desk.faults[-1]
    assert desk.readings == []


def test_without_pyserial_it_is_said_what_to_install(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    reader = serial(tmp_path / "line")
    with pytest.raises(ReaderError, match=r"pip install 'edged\[readers\]'"):
        reader.open(desk.read, desk.faults.append)
    reader.close()


# the keyboard


def keyboard(path: Path, take: Callable[[int], None]) -> Reader:
    keys = Typing(card_length=8, together_s=5, pin_length=0, keys={"f1": "in"})
    return ByteReader("pad", "keyboard", InputDevice(path, take), keys, "in")


def test_a_keyboard_is_grabbed_before_it_is_read(
    line: Line, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    grabbed: list[int] = []
    opened(keyboard(line.path, grabbed.append))
    desk.well()
    assert len(grabbed) == 1
    line.send(typed(*"0012345678", "enter", "f1", *"2468", "enter"))
    until(lambda: len(desk.readings) == 3)
    assert desk.values == [("card", "0012345678"), ("key", "in"), ("pin", "2468")]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.ENOTTY])
def test_a_keyboard_that_cannot_be_grabbed_is_not_read(
    line: Line, desk: Desk, opened: Callable[[Reader], Reader], number: int
) -> None:
    def refuse(_fd: int) -> None:
        raise OSError(number, os.strerror(number))

    opened(keyboard(line.path, refuse))
    assert "cannot be had for edged alone" in desk.lost()
    line.send(typed(*"0012345678", "enter"))
    assert desk.readings == []


def test_what_is_no_input_device_cannot_be_grabbed(line: Line, tmp_path: Path) -> None:
    device = InputDevice(line.path)
    with pytest.raises(ReaderError, match="alone"):
        device.open()
    device.close()
    with pytest.raises(ReaderError, match="is no input device"):
        InputDevice(tmp_path).open()


def test_the_settings_of_a_keyboard_reach_it(line: Line, desk: Desk) -> None:
    settings = KeyboardReader(driver="keyboard", device=line.path, keys={"f1": "in"})
    reader = make_reader("pad", settings, "in")
    assert reader.describe()["driver"] == "keyboard"
    reader.open(desk.read, desk.faults.append)
    try:
        assert "alone" in desk.lost()  # a pseudo-terminal is no keyboard
    finally:
        reader.close()


# all of them


def test_a_reader_is_closed_twice_before_it_is_opened_and_while_it_waits(tmp_path: Path) -> None:
    before = threading.active_count()
    desk = Desk()
    reader = ByteReader("desk", "simulated", Pipe(tmp_path / "no" / "pipe"), Commands(), "in")
    reader.close()
    reader.open(desk.read, desk.faults.append)
    reader.open(desk.read, desk.faults.append)
    desk.lost()
    reader.cue("granted")
    reader.close()
    reader.close()
    reader.open(desk.read, desk.faults.append)
    reader.close()
    assert threading.active_count() == before


def test_a_line_that_fails_whenever_it_is_read_is_not_told_as_back(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    tries: list[int] = []

    class Flaky(Pipe):
        def open(self) -> int:
            tries.append(1)
            ear, mouth = os.pipe()
            os.close(mouth)
            self._fd = ear
            return ear

    opened(ByteReader("desk", "simulated", Flaky(tmp_path / "pipe"), Commands(), "in"))
    until(lambda: len(tries) >= 3)
    assert None not in desk.faults
    assert len(desk.faults) == 1


def test_what_nobody_foresaw_is_told_and_tried_again(
    tmp_path: Path, desk: Desk, opened: Callable[[Reader], Reader]
) -> None:
    class Odd(Pipe):
        odd = True

        def open(self) -> int:
            if Odd.odd:
                raise RuntimeError("odd")
            return super().open()

    opened(ByteReader("desk", "simulated", Odd(tmp_path / "pipe"), Commands(), "in"))
    assert "see the log" in desk.lost()
    Odd.odd = False
    desk.well()
