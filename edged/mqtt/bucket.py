"""How often something may happen."""

from __future__ import annotations

import time


class Bucket:
    """A token bucket: `burst` at once, `rate_hz` in the long run. For one thread."""

    def __init__(self, rate_hz: float, burst: float) -> None:
        self._rate_hz = rate_hz
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._at_s = time.monotonic()

    def take(self) -> bool:
        """Whether it may happen now; if so, it counts."""
        now_s = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
