"""When a switch is believed: pure."""

from __future__ import annotations

from typing import NamedTuple

FLICKER_S = 1.0
"""What has not come to rest for so long flickers; and so does what changes too often."""
TURNS, TURNS_S = 30, 5.0
"""What was believed to change so often within that time."""
QUIET_S = 2.0
"""What flickered is believed again when it has been quiet for so long."""


class Bounce(NamedTuple):
    """A switch as it was seen.

    Attributes:
        value: what is believed; None: nobody knows, yet or while it flickers.
        raw, since_s: what was seen last, and since when it has been so.
        restless_s: since when it has not been quiet; None: it is.
        turns: when it was believed to change.
    """

    value: bool | None = None
    raw: bool | None = None
    since_s: float = 0.0
    restless_s: float | None = None
    turns: tuple[float, ...] = ()
    flickers: bool = False


def look(was: Bounce, raw: bool, t_s: float, debounce_s: float) -> Bounce:
    """Take in one look at a switch; also while nothing changes, since time alone settles it."""
    value, since_s, restless_s = was.value, was.since_s, was.restless_s
    if raw != was.raw:
        since_s = t_s
        if restless_s is None:
            restless_s = t_s
    if was.flickers:
        if t_s - since_s < max(QUIET_S, debounce_s):
            return Bounce(None, raw, since_s, restless_s, (), flickers=True)
        return Bounce(raw, raw, since_s)
    if t_s - since_s >= debounce_s:
        if raw == value:
            return Bounce(value, raw, since_s, None, was.turns)
        turns = (*(turn for turn in was.turns if t_s - turn < TURNS_S), t_s)
        if len(turns) <= TURNS:
            return Bounce(raw, raw, since_s, None, turns)
    elif restless_s is None or since_s - restless_s < max(FLICKER_S, 5 * debounce_s):
        return Bounce(value, raw, since_s, restless_s, was.turns)
    return Bounce(None, raw, since_s, restless_s, (), flickers=True)


def waits_s(now: Bounce, t_s: float, debounce_s: float) -> float | None:
    """After what time it must be looked at although nothing changes; None: it need not be."""
    if now.restless_s is None and not now.flickers:
        return None
    quiet_s = max(QUIET_S, debounce_s) if now.flickers else debounce_s
    return max(0.0, now.since_s + quiet_s - t_s)
