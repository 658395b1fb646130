"""The clock is trusted only when the kernel says so."""

import ctypes
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.events import clock


@pytest.fixture(autouse=True)
def looked_up_anew() -> Iterator[None]:
    clock._adjtimex.cache_clear()
    yield
    clock._adjtimex.cache_clear()


class Libc:
    """A C library whose kernel gives a chosen answer."""

    def __init__(self, state: int, status: int, maxerror: int = 0) -> None:
        self.state, self.status, self.maxerror = state, status, maxerror

    def adjtimex(self, reference: Any) -> int:
        reference._obj.status = self.status
        reference._obj.maxerror = self.maxerror
        return self.state


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        (0, 0x2001, "synced"),
        (1, 0x0001, "synced"),
        (5, 0x0040, "unsynced"),
        (0, 0x0040, "unsynced"),
        (5, 0x0000, "unsynced"),
        (-1, 0x0000, "unsynced"),
    ],
)
def test_the_kernel_s_answer_decides(
    monkeypatch: pytest.MonkeyPatch, state: int, status: int, expected: str
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc(state, status))
    assert clock.clock_state() == expected


def test_without_the_call_the_clock_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert clock.clock_state() == "unsynced"


def test_a_clock_that_is_set_is_untrusted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc(0, 0))
    assert clock.clock_state() == "synced"
    clock._adjtimex.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc(5, 0x40))
    assert clock.clock_state() == "unsynced"


@pytest.mark.parametrize(
    ("state", "maxerror", "expected_s"),
    [(0, 0, 0.0), (0, 20_500, 0.0205), (0, 10**12, 16.0), (0, -1, 0.0), (-1, 5, 16.0)],
)
def test_the_kernel_bounds_the_error(
    monkeypatch: pytest.MonkeyPatch, state: int, maxerror: int, expected_s: float
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc(state, 0, maxerror))
    assert clock.clock_error_s() == expected_s


def test_the_counter_and_the_boot_are_this_machine_s() -> None:
    before = clock.boottime_s()
    assert 0 < before <= clock.boottime_s()
    assert clock.boot_id() == clock.boot_id()


def test_what_the_machine_does_not_tell_is_not_made_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "missing")
    assert clock.boot_id() == ""
    monkeypatch.setattr(clock, "_BOOT_ID", _file(tmp_path / "binary", b"\xff\xfe"))
    assert clock.boot_id() == ""
    monkeypatch.setattr(clock, "_RTC", tmp_path / "missing")
    assert not clock.has_rtc()
    (tmp_path / "rtc" / "rtc0").mkdir(parents=True)
    monkeypatch.setattr(clock, "_RTC", tmp_path / "rtc")
    assert clock.has_rtc()
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert clock.boottime_s() <= time.monotonic()


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_this_kernel_is_read_as_timedatectl_reads_it() -> None:
    """The real call; compared where the tool that asks the same kernel is there."""
    state = clock.clock_state()
    assert state in ("synced", "unsynced")
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return
    if told.returncode == 0 and told.stdout.strip() in ("yes", "no"):
        assert (state == "synced") == (told.stdout.strip() == "yes")
