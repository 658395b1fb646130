"""Punches as the log of events holds them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from edged.attendance.correct import AHEAD_MS
from edged.attendance.corrected import Corrections, effective
from edged.attendance.punch import (
    CORRECTED,
    PUNCHED,
    Correction,
    Punch,
    Repeat,
    read_correction,
    read_punch,
)
from edged.events.query import LAST_MS, Wanted, content
from edged.events.types import utc_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.events.outbox import Outbox

REPEATS_WITHIN_MS = 3_600_000
"""A repeat follows its punch within the longest `attendance.fold_within_s`."""


class PunchLog:
    """Reads an open outbox.

    Args:
        memory: of how many contents; a month of people punches the same again and again. What
            is remembered stays in memory after somebody was erased.
    """

    def __init__(self, outbox: Outbox, memory: int = 0) -> None:
        self._outbox = outbox
        self._reading = lru_cache(memory)(content) if memory else content

    def corrections(self, person: str | None = None, since_ms: int = -LAST_MS) -> Corrections:
        """All that there are, or one person's, recorded from `since_ms` on."""
        found = self._outbox.records(Wanted(person, (CORRECTED,), since_ms))
        read = (read_correction(one.id, one.seq, one.data) for one in found)
        return Corrections(one for one in read if one is not None)

    def told(
        self, begin_ms: int, end_ms: int, person: str | None = None
    ) -> Iterator[Punch | Repeat]:
        """As they were recorded, by their time."""
        wanted = Wanted(person, (PUNCHED,), begin_ms, end_ms)
        for one in self._outbox.records(wanted, self._reading):
            found = read_punch(one.id, one.ms, one.synced, one.data)
            if found is not None:
                yield found

    def last(self, person: str, begin_ms: int, end_ms: int) -> Punch | None:
        """Somebody's last punch of a time, as it counts now."""
        told = self.told(begin_ms, end_ms, person)
        corrections = self.corrections(person, begin_ms - AHEAD_MS)
        found, _ = effective(told, corrections, begin_ms, end_ms)
        return found[-1] if found else None

    def punch(self, identity: str) -> Punch | None:
        """The punch that an event recorded, or told of, as it stood last; None: there is none."""
        event = self._outbox.event(identity)
        if event is None:
            return None
        if event.type == PUNCHED:
            found = read_punch(event.id, utc_ms(event.time), event.clock == "synced", event.data)
            if isinstance(found, Repeat):
                return self.punch(found.folds) if found.folds != identity else None
            return None if found is None else self._now(found)
        if event.type != CORRECTED:
            return None
        made = read_correction(event.id, event.seq, event.data)
        if made is None or made.folds is not None:
            return None
        if made.root != identity:
            return self.punch(made.root)
        return self._now(_added(made))

    def has(self, person: str) -> bool:
        """Whether a punch of theirs is in the log."""
        return next(self.told(-LAST_MS, LAST_MS, person), None) is not None

    def _now(self, punch: Punch | None) -> Punch | None:
        if punch is None:
            return None
        made = self.corrections(punch.person).of(punch.id)
        if made is None or made.state is None or made.ms is None:
            return punch  # also of one that is void: a correction may bring it back
        return Punch(punch.id, punch.person, made.state, made.ms, punch.count, punch.synced, made)


def _added(made: Correction) -> Punch | None:
    if made.state is None or made.ms is None:
        return None
    return Punch(made.root, made.person, made.state, made.ms, synced=made.synced, made=made)
