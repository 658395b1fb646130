"""Which schedule is in force at a moment; pure but for the zone, which is asked for.

Spans are intervals of the local wall clock, and a moment counts by what that clock shows::

    the clock jumps ahead    times that are skipped never come: a span within them is not in force
    the clock is set back    times that come twice count twice: a span within them is so twice
    a leap second            has no number of its own in Unix time: 23:59:60 is 00:00:00

A night of 22:00-06:00 lasts seven hours in spring and nine in autumn. It belongs to the day that
it begins on: that day's weekday, holiday and validity decide.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from edged.access.holidays_of import HolidayTable, read_holidays
from edged.access.weekly import compiled
from edged.access.zone import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from edged.access.weekly import Key, Piece, Weekly
    from edged.config.schema import Config

DAY_S = 86_400
HORIZON_DAYS = 400
"""So far ahead a change is looked for: whatever comes every year is found."""

_EPOCH = date(1970, 1, 1).toordinal()
_FIRST = (date(2, 1, 1).toordinal() - _EPOCH) * DAY_S
_LAST = (date(9998, 1, 1).toordinal() - _EPOCH) * DAY_S
_SAMPLE_S = 1800  # no zone changed its offset twice within half an hour
_MOST_DAYS = 1000
_Table = tuple[list[int], list["Key | None"]]


class Calendar:
    """All schedules of a terminal in its zone; any thread.

    Args:
        schedules: by name; see `edged.access.weekly.compiled`.
        zone: gives the zone; when it gives another one, that counts from then on.
    """

    def __init__(
        self, schedules: Mapping[str, Weekly], holidays: HolidayTable, zone: Callable[[], tzinfo]
    ) -> None:
        self.schedules = schedules
        self.holidays = holidays
        self._zone = zone
        self._lines = _Lines(zone(), schedules, holidays)

    @classmethod
    def of(cls, config: Config, zone: tzinfo | None = None) -> Calendar:
        """The calendar of a configuration; iCalendar files are read now and never again.

        Args:
            zone: replaces the configuration's; where that has none either, the machine's is
                looked up again whenever it is changed.

        Raises:
            RulesError: the holidays cannot be told.
        """
        source = source_of(config) if zone is None else lambda: zone
        return cls(compiled(config.schedules), read_holidays(config.holidays), source)

    @property
    def zone(self) -> tzinfo:
        """The zone that counts now."""
        return self._in_zone().zone

    def in_force(self, name: str, at: float) -> bool:
        """Whether a schedule holds at a moment, in Unix seconds; garbage is no moment."""
        return self._in_zone().of[name].holds(at)

    def steady(self, names: Iterable[str], at: float) -> tuple[float, float, frozenset[str]]:
        """From, up to, which of these schedules hold all the while; around a moment."""
        lines = self._in_zone().of
        begin, end, held = -inf, inf, set()
        for name in names:
            first, last, holds = lines[name].around(at)
            begin, end = max(begin, first), min(end, last)
            if holds:
                held.add(name)
        return begin, end, frozenset(held)

    def began(self, name: str, at: float) -> float | None:
        """When the span in force began, in Unix seconds; None: none is.

        Spans of one day that touch or overlap are one; on the next day another one begins, but
        for what is written over midnight.
        """
        return self._in_zone().of[name].began(at)

    def next_change(self, name: str, at: float) -> float | None:
        """The first moment after this one at which a schedule begins or ceases to hold, in Unix
        seconds; None: not within `HORIZON_DAYS`."""
        return self._in_zone().of[name].next_change(at)

    def clock_changes(self, begin: float, end: float) -> list[int]:
        """When the wall clock jumps after one moment and before another, in Unix seconds."""
        return self._in_zone().offsets.changes(begin, end)

    def day(self, at: float, begins: str = "00:00") -> date:
        """The local day of a moment, where days begin at this time of the wall clock."""
        hours, minutes = int(begins[:2]), int(begins[3:])
        wall = self.local(at).replace(tzinfo=None)
        return (wall - timedelta(hours=hours, minutes=minutes)).date()

    def local(self, at: float) -> datetime:
        """A moment as the local wall clock shows it; garbage as the first or last of all."""
        inside = min(max(_FIRST, at), _LAST)  # in this order, what is no number is the first
        return datetime.fromtimestamp(inside, self.zone)

    def _in_zone(self) -> _Lines:
        lines, zone = self._lines, self._zone()
        if lines.zone is not zone:
            self._lines = lines = _Lines(zone, self.schedules, self.holidays)
        return lines


class _Lines:
    """A zone's time lines, one a schedule."""

    def __init__(
        self, zone: tzinfo, schedules: Mapping[str, Weekly], holidays: HolidayTable
    ) -> None:
        self.zone = zone
        self.offsets = _Offsets(zone)
        self.of = {name: _Line(one, self.offsets, holidays) for name, one in schedules.items()}


class _Line:
    """When one schedule holds, day by day of UTC, worked out as it is asked for.

    A thread that comes between another's steps finds whole values, if older ones.
    """

    def __init__(self, weekly: Weekly, offsets: _Offsets, holidays: HolidayTable) -> None:
        self._weekly = weekly
        self._offsets = offsets
        self._holidays = holidays
        self._days: dict[int, _Table] = {}
        self._here = (0, 0, False)  # from, up to: whether it holds all the while
        self._next: tuple[float, float, int | None] = (0, 0, None)  # likewise: the next change

    def holds(self, at: float) -> bool:
        return self.around(at)[2]

    def around(self, at: float) -> tuple[int, int, bool]:
        here = self._here
        if here[0] <= at < here[1]:
            return here
        if not _FIRST <= at < _LAST:
            return 0, 0, False
        day = int(at // DAY_S)
        starts, keys = self._table(day)
        place = bisect_right(starts, at)
        end = starts[place] if place < len(starts) else (day + 1) * DAY_S
        self._here = here = starts[place - 1], end, keys[place - 1] is not None
        return here

    def began(self, at: float) -> float | None:
        if not self.holds(at):
            return None
        day = int(at // DAY_S)
        starts, keys = self._table(day)
        place = bisect_right(starts, at) - 1
        key, begin = keys[place], starts[place]
        while place == 0:  # it may have begun on the day before, or on the one before that
            day -= 1
            starts, keys = self._table(day)
            if keys[-1] != key:
                break
            place = len(starts) - 1
            begin = starts[place]
        return begin

    def next_change(self, at: float) -> float | None:
        begin, end, change = self._next
        if not begin <= at < end:
            if not _FIRST <= at < _LAST - (HORIZON_DAYS + 2) * DAY_S:
                return None
            change = self._found(at)
            self._next = at, at + DAY_S if change is None else change, change
        return change

    def _found(self, at: float) -> int | None:
        held, day = self.holds(at), int(at // DAY_S)
        if self._weekly.first is not None:  # however far ahead
            day = max(day, self._weekly.first - _EPOCH - 2)
        for later in range(day, min(day + HORIZON_DAYS, _LAST // DAY_S)):
            for start, key in zip(*self._table(later), strict=True):
                if start > at and (key is not None) != held:
                    return start
        return None

    def _table(self, day: int) -> _Table:
        """Where something begins or ends within a day of UTC, and what holds from there on."""
        table = self._days.get(day)
        if table is None:
            if len(self._days) >= _MOST_DAYS:
                self._days = {}
            table = self._days[day] = self._made(day * DAY_S)
        return table

    def _made(self, begin: int) -> _Table:
        changes: dict[int, Key | None] = {}
        for start, end, offset in self._offsets(begin):
            for day in range((start + offset) // DAY_S, (end - 1 + offset) // DAY_S + 1):
                midnight = day * DAY_S - offset
                changes[max(start, midnight)] = None
                for first, last, span in self._pieces(day + _EPOCH):
                    one, other = midnight + first * 60, midnight + last * 60
                    if one < end and other > start:
                        changes[max(start, one)] = span
                        if other < end:
                            changes[other] = None
        starts: list[int] = []
        for at, key in changes.items():  # in order; a change to the same is none
            if not starts or changes[starts[-1]] != key:
                starts.append(at)
        return starts, [changes[at] for at in starts]

    def _pieces(self, day: int) -> list[Piece]:
        eve, holiday = (self._holidays.holds(one) for one in (day - 1, day))
        return self._weekly.pieces(day, holiday=holiday, eve=eve)


class _Offsets:
    """How far a zone's wall clock is ahead of UTC, day by day of UTC; in seconds."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._days: dict[int, list[tuple[int, int, int]]] = {}

    def __call__(self, begin: int) -> list[tuple[int, int, int]]:
        """From, up to, offset: all that a day has, which begins at this Unix second."""
        found = self._days.get(begin)
        if found is None:
            if len(self._days) >= _MOST_DAYS:
                self._days = {}
            found = self._days[begin] = self._found(begin)
        return found

    def changes(self, begin: float, end: float) -> list[int]:
        """When the offset becomes another one after a moment and before another."""
        days = range(int(begin // DAY_S) * DAY_S, int(end // DAY_S + 1) * DAY_S, DAY_S)
        found = [one for day in days for one in self(day)]
        return [
            later[0]
            for earlier, later in pairwise(found)
            if earlier[2] != later[2] and begin < later[0] < end
        ]

    def _found(self, begin: int) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        start, offset, last = begin, self._at(begin), begin + DAY_S - 1
        for sample in range(begin + _SAMPLE_S, begin + DAY_S + 1, _SAMPLE_S):
            if (later := self._at(min(sample, last))) != offset:
                edge = self._edge(sample - _SAMPLE_S, min(sample, last), offset)
                found.append((start, edge, offset))
                start, offset = edge, later
        found.append((start, begin + DAY_S, offset))
        return found

    def _edge(self, before: int, after: int, offset: int) -> int:
        """The first second at which the offset is another one."""
        while after - before > 1:
            middle = (before + after) // 2
            if self._at(middle) == offset:
                before = middle
            else:
                after = middle
        return after

    def _at(self, at: int) -> int:
        ahead = datetime.fromtimestamp(at, self._zone).utcoffset()
        return int(ahead.total_seconds()) if ahead is not None else 0
