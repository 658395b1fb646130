"""When a lamp is on: pure, time is passed in."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.config.schema import Pulses


def level(pattern: bool | Pulses, elapsed_s: float) -> tuple[bool, float | None]:
    """What a lamp does so long after its state began.

    Args:
        pattern: on or off, or pulses: on first, then off, on …; each round begins with on.
        elapsed_s: since the state began; what is below 0 counts as 0.

    Returns:
        Whether it is on, and after how many more seconds that may change; None: never.
    """
    if isinstance(pattern, bool):
        return pattern, None
    ends_s = list(accumulate(pattern.seconds))
    rounds, place_s = divmod(max(elapsed_s, 0.0), ends_s[-1])
    if pattern.times and rounds >= pattern.times:
        return False, None
    step = next((n for n, end_s in enumerate(ends_s) if place_s < end_s), len(ends_s) - 1)
    return step % 2 == 0, max(ends_s[step] - place_s, 0.001)
