"""``edged policy week``: the table."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from edged.access.moments import week_of
from edged.access.request import Subject
from edged.access.rulebook import names
from edged.access.week import CELLS, week
from edged.config.access import FACTORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.access.rulebook import Rulebook
    from edged.access.week import DayPlan, Stretch
    from edged.cli.output import Output

_HOURS = "".join(f"{hour:<{CELLS // 8}}" for hour in range(0, 24, 3))
_MARGIN = 12


def everybody(book: Rulebook) -> list[tuple[str, Subject]]:
    """Somebody of each group that a rule names, each person that one names, and anybody else."""
    groups = dict.fromkeys(name for rule in book.rules for name in sorted(rule.groups))
    people = dict.fromkeys(name for rule in book.rules for name in sorted(rule.people))
    return [
        *((f"group {name}", Subject("", frozenset({name}))) for name in groups),
        *((name, Subject(name)) for name in people),
        ("anybody else" if groups or people else "everybody", Subject("")),
    ]


def show(book: Rulebook, subjects: list[tuple[str, Subject]], at: float, output: Output) -> None:
    """Print it."""
    weeks = [(name, subject, week(book, subject, at)) for name, subject in subjects]
    zone = str(book.calendar.zone)
    monday = week_of(at, book.calendar.zone)[0]
    output.result(
        {
            "zone": zone,
            "begins": monday.isoformat(),
            "who": [
                {
                    "name": name,
                    "groups": sorted(subject.groups),
                    "days": [_document(day) for day in days],
                }
                for name, subject, days in weeks
            ],
        },
        [f"week of {monday:%a %d %b %Y}, {zone}", *_tables(weeks), *_key(weeks)],
    )


def _tables(weeks: list[tuple[str, Subject, list[DayPlan]]]) -> Iterator[str]:
    for name, _, days in weeks:
        yield ""
        yield f"{name}"
        yield f"{'':{_MARGIN}}{_HOURS}".rstrip()
        for _, same in groupby(days, key=lambda day: (day.holiday, day.stretches)):
            alike = list(same)
            yield f"  {_days(alike):{_MARGIN - 2}}{alike[0].strip()}  {_times(alike[0])}"


def _days(days: list[DayPlan]) -> str:
    first, last = days[0].day, days[-1].day
    return f"{first:%a}" if first == last else f"{first:%a}–{last:%a}"


def _times(day: DayPlan) -> str:
    times = [
        f"{_clock(one.begin)}–{_clock(one.end)} {_what(one)}" for one in day.stretches if one.opens
    ]
    holiday = [] if day.holiday is None else [f"({day.holiday})"]
    return " ".join(["; ".join(times) or "never", *holiday])


def _what(stretch: Stretch) -> str:
    ruling = stretch.ruling
    words = [names(stretch.factors)]
    if ruling.two_people:
        words.append("in twos")
    if ruling.escort:
        words.append(f"with {', '.join(ruling.escort)}")
    if ruling.after:
        words.append(f"after {', '.join(ruling.after)}")
    return " ".join(words)


def _key(weeks: list[tuple[str, Subject, list[DayPlan]]]) -> Iterator[str]:
    signs = "".join(day.strip() for _, _, days in weeks for day in days)
    texts = {"█": "by face alone", "▒": "with more, or otherwise", "·": "stays shut"}
    yield ""
    yield "   ".join(f"{sign} {text}" for sign, text in texts.items() if sign in signs)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _document(day: DayPlan) -> dict[str, Any]:
    return {
        "date": day.day.isoformat(),
        "holiday": day.holiday,
        "times": [
            {
                "from": _clock(one.begin),
                "until": _clock(one.end),
                "opens": one.opens,
                "factors": [[f for f in FACTORS if f in wanted] for wanted in one.factors],
                "rule": one.ruling.rule,
                "line": one.ruling.line,
                "reason": one.ruling.reason if not one.opens else None,
                "two_people": one.ruling.two_people,
                "escort": list(one.ruling.escort),
                "after": list(one.ruling.after),
            }
            for one in day.stretches
        ],
    }
