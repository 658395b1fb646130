"""Which punch a presentation is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edged.attendance.punch import Punch
    from edged.config.attendance import PunchState

By = Literal["key", "timetable", "role", "repeat"]

# two threads may tell of two presentations the other way round, and of a moment apart
EARLIER_MS = 2000
_NEXT: dict[PunchState, PunchState] = {
    "in": "out",
    "return": "out",
    "overtime": "out",
    "break": "return",
    "field": "return",
    "out": "in",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is recorded.

    Attributes:
        folds: the punch of which this is one more presentation; None: it is a punch of its own.
        count: which presentation of its punch it is, from 1.
    """

    state: PunchState
    by: By
    folds: str | None = None
    count: int = 1


def next_of(last: PunchState | None) -> PunchState:
    """What follows by itself: out after in, return after a break or field work, in otherwise."""
    return "in" if last is None else _NEXT[last]


def choose(
    at_ms: int,
    last: Punch | None,
    *,
    key: PunchState | None,
    timetable: PunchState | None,
    role: Literal["in", "out", "toggle"],
    fold_ms: int,
) -> Choice:
    """The state of a presentation.

    Whoever comes again within `fold_ms` of their last punch, and did not press a key for something
    else, means the same as before.

    Args:
        last: the person's last punch of this working day.
        key: what a key said just before.
        timetable: what the timetable says now.
    """
    if last is not None and -EARLIER_MS <= at_ms - last.ms < fold_ms and key in (None, last.state):
        return Choice(last.state, "repeat", last.id, last.count + 1)
    if key is not None:
        return Choice(key, "key")
    if timetable is not None:
        return Choice(timetable, "timetable")
    if role == "toggle":
        return Choice(next_of(None if last is None else last.state), "role")
    return Choice(role, "role")
