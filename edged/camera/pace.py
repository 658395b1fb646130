"""When the next frame is due, and what its time is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from threading import Event


class Pace(Protocol):
    """Asked once for each frame, after it was read."""

    consumer_is_clock: bool

    def wait(self, stop: Event) -> float:
        """Wait until the frame is due, or `stop` is set; returns the frame's time in s."""


class Live:
    """A device keeps time by itself: a frame's time is when it arrived."""

    consumer_is_clock = False

    def wait(self, stop: Event) -> float:  # noqa: ARG002
        return time.monotonic()


class Real:
    """A recording at the speed of life: never early, and no rush after a pause."""

    consumer_is_clock = False

    def __init__(self, rate_hz: float) -> None:
        self._step_s = 1 / rate_hz
        self._due_s = 0.0

    def wait(self, stop: Event) -> float:
        now = time.monotonic()
        if self._due_s > now:
            stop.wait(self._due_s - now)
            now = self._due_s
        self._due_s = now + self._step_s
        return time.monotonic()


class Fast:
    """A recording as fast as it is consumed: frame n has the time n / rate, from 0 on.

    However fast the machine, the frames carry the same times, so decisions that look at
    nothing else come out the same.
    """

    consumer_is_clock = True

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._count = 0

    def wait(self, stop: Event) -> float:  # noqa: ARG002
        t_s = self._count / self._rate_hz
        self._count += 1
        return t_s
