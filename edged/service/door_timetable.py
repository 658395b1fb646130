"""The timetable of the door at work: what it wants now, and whom it waited for."""

from __future__ import annotations

import json
import logging
from math import isfinite
from typing import TYPE_CHECKING

from edged.door.timetable import Wish, noticed, wished
from edged.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edged.config.door import ModeSpan
    from edged.door.timetable import Schedules
    from edged.events.trusted import Notes

log = logging.getLogger(__name__)

NOTE = "door.first_in"


class Timetable:
    """Asked by one thread at a time.

    Args:
        sure: whether the time is known well enough to open a door by it.
    """

    def __init__(
        self,
        spans: Sequence[ModeSpan],
        schedules: Schedules | None,
        notes: Notes,
        now: Callable[[], float],
        sure: Callable[[], bool],
    ) -> None:
        self._spans = tuple(spans) if schedules is not None else ()
        self._schedules = schedules
        self._notes = notes
        self._now = now
        self._sure = sure
        self._seen: dict[str, float] = {}

    def open(self) -> None:
        """Remember who came before a restart; who is forgotten must come again."""
        if not self._waits:
            return
        try:
            self._seen = _read(self._notes.note(NOTE))
        except StorageError as fault:
            log.error("whom the timetable waited for cannot be read: %s", fault)

    def wish(self) -> Wish:
        """What it wants now."""
        if self._schedules is None or not self._spans:
            return Wish("normal")
        return wished(self._spans, self._schedules, self._now(), self._seen, sure=self._sure())

    @property
    def unsure(self) -> bool:
        """Whether it would open the door if it knew the time."""
        return any(span.mode == "open" for span in self._spans) and not self._sure()

    def somebody_in(self, groups: Iterable[str], at: float) -> bool:
        """Somebody was let in; True where a span waited for them."""
        if self._schedules is None or not self._waits:
            return False
        found = noticed(self._spans, self._schedules, groups, at)
        if not found:
            return False
        self._seen = {**self._seen, **found}
        try:
            self._notes.keep_note(NOTE, json.dumps(self._seen))
        except StorageError as fault:  # after a restart somebody must come again
            log.error("that somebody of the first came cannot be kept: %s", fault)
        return True

    @property
    def _waits(self) -> bool:
        return any(span.first_in for span in self._spans)


def _read(text: str | None) -> dict[str, float]:
    try:
        data = {} if text is None else json.loads(text)
        seen = {str(key): float(at) for key, at in data.items()}
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        log.error("whom the timetable waited for cannot be read: the note is damaged")
        return {}
    return {key: at for key, at in seen.items() if isfinite(at)}
