"""Who may pass when, over a week: what the rules answer from one change to the next; pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from edged.access.moments import midnight, week_of
from edged.access.request import Ask, Factor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from edged.access.request import Ruling, Subject
    from edged.access.rulebook import Rulebook, Sets

CELLS = 48
"""Of a day in a strip: half hours."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time during which the rules answer the same.

    Attributes:
        begin, end: minutes of the day as its wall clock shows them, 0-1440; on a day on which the
            clock is set back a later stretch may begin before the one before it ends.
        ruling: the answer to somebody who has shown nothing yet.
    """

    begin: int
    end: int
    ruling: Ruling

    @property
    def opens(self) -> bool:
        """Whether anything that can be shown opens the door."""
        return bool(self.ruling.missing)

    @property
    def factors(self) -> Sets:
        """What has to be shown."""
        return self.ruling.missing


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A local day and its stretches, in the order in which they come."""

    day: date
    holiday: str | None
    stretches: tuple[Stretch, ...]

    def strip(self) -> str:
        """The day in `CELLS` signs, as it is in the middle of each half hour."""
        return "".join(self._sign((number * 2 + 1) * 720 // CELLS) for number in range(CELLS))

    def _sign(self, minute: int) -> str:
        for one in self.stretches:
            if one.begin <= minute < one.end:
                return _sign(one)
        return " "  # the clock skips it


def _sign(stretch: Stretch) -> str:
    if not stretch.opens:
        return "·"
    ruling = stretch.ruling
    freely = frozenset({Factor.FACE}) in ruling.missing
    alone = not (ruling.two_people or ruling.escort or ruling.after)
    return "█" if freely and alone else "▒"


def week(book: Rulebook, subject: Subject, at: float) -> list[DayPlan]:
    """The days of the local week in which a moment lies, for somebody."""
    return [plan(book, subject, day) for day in week_of(at, book.calendar.zone)]


def plan(book: Rulebook, subject: Subject, day: date) -> DayPlan:
    """One local day for somebody."""
    calendar, zone = book.calendar, book.calendar.zone
    begin = midnight(day, zone)
    end = midnight(day.fromordinal(day.toordinal() + 1), zone)
    found: list[Stretch] = []
    for first, last in _even(book, begin, end):
        ruling = book.rule(Ask(subject, first, frozenset()))
        opening, length = _minute(book, first), round((last - first) / 60)
        if found and found[-1].ruling == ruling and found[-1].end == opening:
            opening, length = found[-1].begin, length + found[-1].end - found.pop().begin
        found.append(Stretch(opening, opening + length, ruling))
    return DayPlan(day, calendar.holidays.name(day.toordinal()), tuple(found))


def _even(book: Rulebook, begin: float, end: float) -> Iterator[tuple[float, float]]:
    """From one moment to the next at which a schedule changes, or the clock does."""
    calendar = book.calendar
    turns = {begin, *calendar.clock_changes(begin, end)}
    for name in {rule.when for rule in book.rules}:
        turn = calendar.next_change(name, begin)
        while turn is not None and turn < end:
            turns.add(turn)
            turn = calendar.next_change(name, turn)
    yield from pairwise([*sorted(turns), end])


def _minute(book: Rulebook, at: float) -> int:
    local = book.calendar.local(at)
    return local.hour * 60 + local.minute
