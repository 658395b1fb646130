"""How often something may happen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bucket:
    """A token bucket: `burst` at once, `rate_hz` in the long run. For one thread."""

    def __init__(
        self, rate_hz: float, burst: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate_hz = rate_hz
        self._burst = max(1.0, burst)
        self._monotonic = monotonic
        self._tokens, self._at_s = self._burst, monotonic()

    def take(self, tokens: float = 1.0) -> bool:
        """Whether it may happen now; if so, it counts."""
        now_s = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def fill(self) -> None:
        """Begin anew, with all of `burst`."""
        self._tokens, self._at_s = self._burst, self._monotonic()
