"""Whether the kernel holds the wall clock to be right."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.events.types import Clock

_GOOD_FOR_S = 5.0
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5

_last: tuple[float, Clock] | None = None


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

    The answer may be five seconds old. Any thread may ask.
    """
    global _last  # a cache; two threads that both refresh it do no harm
    now_s, known = time.monotonic(), _last
    if known is not None and now_s - known[0] <= _GOOD_FOR_S:
        return known[1]
    state: Clock = "synced" if _kernel_says_synced() else "unsynced"
    _last = (now_s, state)
    return state


def _kernel_says_synced() -> bool:
    timex = _Timex()  # modes 0: only ask
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):  # no such call in this C library
        return False
    return state not in (-1, _TIME_ERROR) and not timex.status & _STA_UNSYNC
