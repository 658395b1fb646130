"""The all-day events of an iCalendar file (RFC 5545): which days they mean.

The file is somebody else's: it is read once, up to a size, and only what is understood whole
counts; anything else is told, never guessed.
"""

from __future__ import annotations

import os
import stat
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from edged.access.yearly import FIRST_YEAR, LAST_YEAR, Budget, repeated
from edged.errors import RulesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_FILE = 1_000_000
MOST_EVENTS = 2000
_MOST_DAYS = 1_000_000  # looked at: a second or two
_LONGEST_DAYS = 366
_LONGEST_NAME = 80
_FIRST, _LAST = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
_MATTERS = frozenset(
    {"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS"}
)
# What icalendar raises, or its parts, on what is no calendar.
_GARBAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def read_calendar(path: Path) -> dict[int, str]:
    """Names of days, by the day's ordinal, for the years that `edged.access.yearly` knows.

    Raises:
        RulesError: the file cannot be read, is too large, or holds what is not understood.
    """
    return days_of(_text(path))


def days_of(text: str) -> dict[int, str]:
    """The same of a file's text; an event at a time of day is no holiday, nor a cancelled one."""
    count = text.upper().count("BEGIN:V")
    if count > MOST_EVENTS:
        raise RulesError(f"holds {count} entries; a calendar of holidays has at most {MOST_EVENTS}")
    try:
        events = _parsed(text)
        moved = {(uid, day) for event in events for uid, day in _moved(event)}
    except _GARBAGE as fault:
        why = " ".join(str(fault).split())[:120]
        raise RulesError(f"not readable as iCalendar: {why or type(fault).__name__}") from fault
    found: dict[int, str] = {}
    budget = Budget(_MOST_DAYS)
    for number, event in enumerate(events, start=1):
        try:
            name = _name(event)
            for day in _days(event, moved, budget):
                found.setdefault(day, name)
        except RulesError as fault:
            raise RulesError(f"event {number}: {fault}") from fault
        except _GARBAGE as fault:
            raise RulesError(f"event {number}: not readable") from fault
    if not found:
        raise RulesError("holds no all-day event, so it makes no holiday")
    return found


def _text(path: Path) -> str:
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise RulesError(f"{path}: not a file")
            data = file.read(LARGEST_FILE + 1)
    except OSError as fault:
        raise RulesError(f"{path}: cannot be read: {fault.strerror}") from fault
    if len(data) > LARGEST_FILE:
        raise RulesError(f"{path}: larger than {LARGEST_FILE // 1_000_000} MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise RulesError(f"{path}: not UTF-8 text") from fault


def _parsed(text: str) -> list[Any]:
    try:
        import icalendar
    except ImportError as fault:
        raise RulesError("the library icalendar is missing; install edged[calendar]") from fault
    return [
        event
        for calendar in icalendar.Calendar.from_ical(text, multiple=True)
        for event in calendar.walk("VEVENT")
    ]


def _moved(event: Any) -> Iterator[tuple[str, date]]:
    """Of which repetition of another event this one takes the place."""
    if "RECURRENCE-ID" in event:
        yield str(event.get("UID", "")), _start(event["RECURRENCE-ID"].dt)


def _days(event: Any, moved: set[tuple[str, date]], budget: Budget) -> Iterator[int]:
    budget.take()
    for name, why in event.errors:
        if str(name).upper() in _MATTERS:
            raise RulesError(f"{name}: {' '.join(str(why).split())[:120]}")
    if "DTSTART" not in event:
        raise RulesError("has no DTSTART")
    start = event["DTSTART"].dt
    if isinstance(start, datetime) or str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    length = _length(event, start)
    uid, whole = str(event.get("UID", "")), "RECURRENCE-ID" in event
    left_out = set(_dates(event.get("EXDATE")))
    for begin in _begins(event, start, budget):
        if begin not in left_out and (whole or (uid, begin) not in moved):
            yield from _spread(begin, length, budget)


def _begins(event: Any, start: date, budget: Budget) -> Iterator[date]:
    rules = event.get("RRULE", [])
    yield from _dates(event.get("RDATE"))
    if not rules:
        yield start
    for rule in rules if isinstance(rules, list) else [rules]:
        yield from repeated(start, rule, budget)


def _spread(begin: date, length: int, budget: Budget) -> Iterator[int]:
    budget.take(length)
    first = begin.toordinal()
    yield from range(max(first, _FIRST.toordinal()), min(first + length, _LAST.toordinal() + 1))


def _length(event: Any, start: date) -> int:
    if "DTEND" in event:
        length = (_start(event["DTEND"].dt) - start).days
    elif "DURATION" in event:
        duration: timedelta = event["DURATION"].dt
        length = duration.days
    else:
        length = 1
    if length > _LONGEST_DAYS:
        raise RulesError(f"lasts {length} days; a holiday at most {_LONGEST_DAYS}")
    return max(1, length)  # many programs end a day on the day itself


def _dates(value: Any) -> Iterator[date]:
    """The days of EXDATE or RDATE, which may be there several times."""
    for one in value if isinstance(value, list) else [] if value is None else [value]:
        yield from (_start(inner.dt) for inner in one.dts)


def _start(value: Any) -> date:
    """The day of a date or a time, or of a period's beginning."""
    if isinstance(value, tuple):
        value = value[0]
    return value.date() if isinstance(value, datetime) else date.fromordinal(value.toordinal())


def _name(event: Any) -> str:
    text = " ".join(str(event.get("SUMMARY", "")).split())[:_LONGEST_NAME]
    return text if text and text.isprintable() else "a day of a calendar"
