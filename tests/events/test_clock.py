"""The clock is trusted only when the kernel says so."""

import ctypes
import subprocess
from typing import Any

import pytest

from edged.events import clock


class Libc:
    """A C library whose kernel gives a chosen answer."""

    def __init__(self, state: int, status: int) -> None:
        self.state, self.status = state, status

    def adjtimex(self, reference: Any) -> int:
        reference._obj.status = self.status
        return self.state


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_last", None)


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


def test_the_answer_is_kept_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc(0, 0))
    assert clock.clock_state() == "synced"
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc(5, 0x40))
    assert clock.clock_state() == "synced"
    monkeypatch.setattr(clock, "_GOOD_FOR_S", -1)
    assert clock.clock_state() == "unsynced"


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
