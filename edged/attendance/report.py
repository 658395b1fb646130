"""Days and sums of everybody, one day after the other, so that a month of a large site fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from edged.attendance.corrected import Corrections, effective
from edged.attendance.day import Day, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from edged.attendance.punch import Correction, Punch, Repeat
    from edged.attendance.workday import WorkDays


@dataclass(frozen=True, slots=True)
class Heading:
    """What a report is of.

    Attributes:
        first, last: working days, both in it.
        zone: its name.
        begins: when a working day does, ``HH:MM``.
        names: of people, where they are wanted.
        made_ms: when it was made.
    """

    terminal: str
    first: date
    last: date
    days: WorkDays
    zone: str
    begins: str
    made_ms: int
    names: Mapping[str, str] | None = None

    def name_of(self, person: str) -> str:
        """ "" where there is none."""
        return (self.names or {}).get(person, "")


@dataclass
class Total:
    """A person's sums, ms."""

    person: str
    days: int = 0
    worked_ms: int = 0
    break_ms: int = 0
    overtime_ms: int = 0
    field_ms: int = 0
    anomalies: int = 0

    def add(self, day: Day) -> None:
        """One more day of theirs."""
        self.days += 1
        self.worked_ms += day.worked_ms
        self.break_ms += day.break_ms
        self.overtime_ms += day.overtime_ms
        self.field_ms += day.field_ms
        self.anomalies += len(day.anomalies)


@dataclass
class Totals:
    """Everybody's."""

    of: dict[str, Total] = field(default_factory=dict)

    def add(self, day: Day) -> None:
        """Take a day in."""
        self.of.setdefault(day.person, Total(day.person)).add(day)

    def sorted(self) -> list[Total]:
        """By person."""
        return sorted(self.of.values(), key=attrgetter("person"))


class Renderer(Protocol):
    """Writes a report, piece by piece."""

    def begin(self) -> str:
        """What stands at its head."""

    def day(self, day: date, people: list[Day]) -> str:
        """A day of everybody who punched."""

    def end(self, totals: list[Total]) -> str:
        """What stands at its foot."""


def people_of(
    day: date,
    days: WorkDays,
    told: Iterable[Punch | Repeat],
    corrections: Corrections,
    now_ms: int,
    wanted: Callable[[str], bool] = lambda _: True,
) -> list[Day]:
    """Everybody's day, by person.

    Args:
        told: the punches of that day as they were recorded, and their repeats.
        wanted: whose.
    """
    begin_ms, end_ms = days.span(day)
    punches, gone = effective(told, corrections, begin_ms, end_ms)
    left: dict[str, list[Correction]] = {}
    for one in gone:
        left.setdefault(one.person, []).append(one)
    by_person: dict[str, list[Punch]] = {
        person: list(group) for person, group in groupby(punches, attrgetter("person"))
    }
    return [
        summarise(person, day, by_person.get(person, ()), now_ms, end_ms, left.get(person, ()))
        for person in sorted({*by_person, *left})
        if wanted(person)
    ]
