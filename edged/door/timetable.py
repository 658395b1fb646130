"""Which mode the timetable wants; pure: what schedules say is asked of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from edged.door.mode import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edged.config.door import ModeSpan
    from edged.door.mode import Mode


class Schedules(Protocol):
    """What is needed of `edged.access.calendar.Calendar`; moments in Unix seconds."""

    def in_force(self, name: str, at: float) -> bool: ...
    def began(self, name: str, at: float) -> float | None: ...
    def next_change(self, name: str, at: float) -> float | None: ...


class Wish(NamedTuple):
    """What the timetable wants, and until when; None: nobody can tell."""

    mode: Mode
    until_s: float | None = None


def wished(
    spans: Sequence[ModeSpan],
    schedules: Schedules,
    at: float,
    seen: Mapping[str, float],
    *,
    sure: bool,
) -> Wish:
    """What holds at a moment: of several spans what keeps the door shut most.

    Args:
        seen: when somebody was let in whom a span waits for, see `noticed`.
        sure: whether the time is known; else no span opens the door.
    """
    held = [
        span
        for span in spans
        if schedules.in_force(span.when, at)
        and (span.mode != "open" or (sure and _begun(span, schedules, at, seen)))
    ]
    if not held:
        return Wish("normal")
    mode = max((span.mode for span in held), key=lambda mode: RULES[mode].caution)
    ends = [schedules.next_change(span.when, at) for span in held if span.mode == mode]
    known = [end for end in ends if end is not None]
    return Wish(mode, max(known) if len(known) == len(ends) else None)


def noticed(
    spans: Sequence[ModeSpan], schedules: Schedules, groups: Iterable[str], at: float
) -> dict[str, float]:
    """Which spans somebody of these groups, who was let in at a moment, opens."""
    theirs = frozenset(groups)
    return {
        key_of(span): at
        for span in spans
        if not theirs.isdisjoint(span.first_in) and schedules.in_force(span.when, at)
    }


def key_of(span: ModeSpan) -> str:
    """Names a span over a restart."""
    return " ".join([span.when, *sorted(span.first_in)])


def _begun(span: ModeSpan, schedules: Schedules, at: float, seen: Mapping[str, float]) -> bool:
    if not span.first_in:
        return True
    came = seen.get(key_of(span))
    if came is None or came > at:
        return False
    began = schedules.began(span.when, at)
    return began is None or came >= began
