"""A schedule as minutes of the local wall clock: what the days of a week hold; pure.

Days are ordinals of the proleptic Gregorian calendar (`datetime.date.toordinal`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edged.config.access import Schedule

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440
Spans = tuple[tuple[int, int], ...]
Key = tuple[int, int]
"""A span that began: its day and the minute of it."""
Piece = tuple[int, int, Key]
"""Of one day's wall clock: from this minute up to that one a span holds, and which."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """Spans by weekday, in minutes since the midnight that their day begins with.

    Those of a day are in order and do not touch; the last may reach into the next day.

    Attributes:
        holidays: what replaces a holiday's spans; None: it is a weekday like any other.
        first, last: the days between which it is valid; None: no bound.
    """

    week: tuple[Spans, ...]
    holidays: Spans | None = None
    first: int | None = None
    last: int | None = None

    @classmethod
    def of(cls, schedule: Schedule) -> Weekly:
        """Compile what an installer wrote."""
        week: list[list[str]] = [[] for _ in DAYS]
        for names, spans in schedule.days.items():
            for day in _weekdays(names):
                week[day] += spans
        begin, end = schedule.valid_from, schedule.valid_until
        return cls(
            tuple(_merged(spans) for spans in week),
            _merged(schedule.days["holidays"]) if "holidays" in schedule.days else None,
            None if begin is None else begin.toordinal(),
            None if end is None else end.toordinal(),
        )

    def valid(self, day: int) -> bool:
        """Whether spans begin on this day at all."""
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)

    def spans(self, day: int, *, holiday: bool) -> Spans:
        """Those that begin on this day."""
        if not self.valid(day):
            return ()
        return self.holidays if holiday and self.holidays is not None else self.week[(day - 1) % 7]

    def pieces(self, day: int, *, holiday: bool, eve: bool) -> list[Piece]:
        """What holds on this day, in order: what the day before left over, and its own.

        Args:
            holiday: whether the day is one.
            eve: whether the day before was.
        """
        found: list[Piece] = []
        taken = 0
        for begin, end in self.spans(day - 1, holiday=eve)[-1:]:
            if end > DAY_MIN:
                taken = end - DAY_MIN
                found.append((0, taken, (day - 1, begin)))
        for begin, end in self.spans(day, holiday=holiday):
            if (start := max(begin, taken)) < (stop := min(end, DAY_MIN)):
                found.append((start, stop, (day, begin)))
        return found


def compiled(schedules: Mapping[str, Schedule]) -> dict[str, Weekly]:
    """All schedules by name; ``always`` is there without being written."""
    whole = ((0, DAY_MIN),)
    return {"always": Weekly((whole,) * 7), **{n: Weekly.of(s) for n, s in schedules.items()}}


def _weekdays(names: str) -> list[int]:
    """Weekdays that ``mon``, ``fri-mon`` or ``daily`` mean; ``holidays`` means none."""
    if names == "holidays":
        return []
    if names == "daily":
        return list(range(7))
    first, _, last = names.partition("-")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % 7 if last else 0
    return [(begin + step) % 7 for step in range(length + 1)]


def _merged(spans: Iterable[str]) -> Spans:
    """Spans that touch or overlap are one."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(map(_minutes, spans)):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return tuple(merged)


def _minutes(span: str) -> tuple[int, int]:
    begin, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in span.split("-"))
    return begin, end if end > begin else end + DAY_MIN
