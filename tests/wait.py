"""Waiting for a thing instead of for a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def until(thing: Callable[[], T], within_s: float = 20) -> T:
    """What `thing` gives as soon as that is true; fails after the deadline."""
    deadline = time.monotonic() + within_s
    while not (found := thing()):
        assert time.monotonic() < deadline, f"waited {within_s} s in vain"
        time.sleep(0.005)
    return found
