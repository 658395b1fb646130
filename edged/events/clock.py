"""What the kernel knows of the clocks: whether the wall clock is right, and what outlasts it."""

from __future__ import annotations

import ctypes
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.events.types import Clock

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5
_LARGEST_ERROR_S = 16.0  # there the kernel gives up its claim by itself; see adjtimex(2)
_RTC = Path("/sys/class/rtc")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class _Timex(ctypes.Structure):
    """The head of ``struct timex``; the rest is room that the kernel fills. See adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def clock_state() -> Clock:
    """Whether a time service keeps the clock right; "unsynced" when it cannot be told.

    A clock that is set by hand is unsynced from that moment on. Any thread may ask, often.
    """
    timex = _ask()
    return "synced" if timex is not None and not timex.status & _STA_UNSYNC else "unsynced"


def clock_error_s() -> float:
    """By how much a synced clock may be wrong at most, as the time service told the kernel."""
    timex = _ask()
    error_s = _LARGEST_ERROR_S if timex is None else timex.maxerror / 1e6  # microseconds, always
    return min(max(0.0, error_s), _LARGEST_ERROR_S)


def boottime_s() -> float:
    """Seconds since the machine was started, sleep included; nobody can set them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def boot_id() -> str:
    """Another text after every start of the machine; "" when it cannot be told."""
    try:
        return _BOOT_ID.read_text("ascii").strip()[:64]
    except (OSError, ValueError):
        return ""


def has_rtc() -> bool:
    """Whether there is a clock that may have gone on while the machine was off."""
    try:
        return any(_RTC.iterdir())
    except OSError:
        return False


def _ask() -> _Timex | None:
    adjtimex = _adjtimex()
    if adjtimex is None:
        return None
    timex = _Timex()  # modes 0: only ask
    return None if adjtimex(ctypes.byref(timex)) in (-1, _TIME_ERROR) else timex


@cache
def _adjtimex() -> Callable[[Any], int] | None:
    """The call, looked up once; None where the C library has none."""
    try:
        found: Callable[[Any], int] = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    return found
