"""Numbers that put what happened at several terminals in order, whatever their clocks do. Pure.

They look like milliseconds since 1970, and are as long as all clocks are right. A terminal's next
one is greater than every one that it has given or heard of: what follows from something stands
behind it (a hybrid logical clock; Kulkarni et al., "Logical Physical Clocks", 2014). Where the
clock is not trusted, time goes on from the last number by a counter that nobody can set.
"""

from __future__ import annotations

LATEST = 7_258_118_400_000
"""The year 2200; beyond, a number is garbage."""


class Order:
    """One terminal's numbers.

    Args:
        newest: the greatest one that was given or heard of before; 0: none was.
    """

    def __init__(self, newest: int = 0) -> None:
        self._ms = float(newest)
        self._count_s: float | None = None

    def now(self, wall_s: float, count_s: float, *, trusted: bool) -> int:
        """The moment, as these numbers have it; never before an earlier answer.

        Args:
            wall_s: Unix seconds.
            count_s: monotonic.
            trusted: whether the wall clock is.
        """
        wall_ms = wall_s * 1000
        if self._count_s is not None:
            self._ms += max(0.0, count_s - self._count_s) * 1000
        if trusted or (self._count_s is None and not self._ms):
            self._ms = max(self._ms, wall_ms)
        self._count_s = count_s
        self._ms = min(max(self._ms, 1.0), LATEST)
        return int(self._ms)

    def next(self, wall_s: float, count_s: float, *, trusted: bool) -> int:
        """A number for what happens now: greater than all before, until `LATEST` is reached."""
        self._ms = float(self.now(wall_s, count_s, trusted=trusted) + 1)
        return min(int(self._ms), LATEST)

    def heard(self, order: int) -> None:
        """Somebody else gave this one."""
        self._ms = max(self._ms, float(min(order, LATEST)))
