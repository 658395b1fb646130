"""How much of a reader is believed: nobody shows ten cards a second; pure."""

from __future__ import annotations

from collections import deque

PER_SECOND = 10
_BAD, _BAD_WITHIN_S = 5, 10.0
_CALM_S = 5.0


class Throttle:
    """Lets so many readings a second through, and says when a reader is not to be believed.

    Attributes:
        passed, dropped: how many were let through, and were not.
    """

    def __init__(self) -> None:
        self.passed = self.dropped = 0
        self._taken: deque[float] = deque(maxlen=PER_SECOND)
        self._bad: deque[float] = deque(maxlen=_BAD)
        self._too_many_until_s = self._unreadable_until_s = float("-inf")

    def take(self, now_s: float) -> bool:
        """Whether one more is let through."""
        if len(self._taken) == PER_SECOND and now_s - self._taken[0] < 1.0:
            self.dropped += 1
            self._too_many_until_s = now_s + _CALM_S
            return False
        self._taken.append(now_s)
        self.passed += 1
        return True

    def garbage(self, pieces: int, now_s: float) -> None:
        """So much could not be read."""
        self._bad.extend([now_s] * min(pieces, _BAD))
        if pieces and len(self._bad) == _BAD and now_s - self._bad[0] < _BAD_WITHIN_S:
            self._unreadable_until_s = now_s + _CALM_S

    def problem(self, now_s: float) -> str | None:
        """What is to be told as long as it was so a moment ago."""
        if now_s < self._too_many_until_s:
            return f"it babbles: of more than {PER_SECOND} readings a second the rest is not taken"
        if now_s < self._unreadable_until_s:
            return "what it sends cannot be read; check how it is set and what its settings say"
        return None
