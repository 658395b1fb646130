"""What repeats every year: the days that an iCalendar rule means; pure and bounded."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from edged.errors import RulesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIRST_YEAR, LAST_YEAR = 1970, 2100
"""The years for which an iCalendar file says what is a holiday."""

_UNDERSTOOD = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY"})
_HARMLESS = frozenset({"WKST"})  # matters where weeks are counted
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_Day = tuple[int, int]
"""A weekday from 0, and the how manieth (0: every)."""


class Budget:
    """So much work may be done for one file, whatever it asks for.

    Args:
        days: that may be looked at.
    """

    def __init__(self, days: int) -> None:
        self._left = days

    def take(self, days: int = 1) -> None:
        """Raises:
        RulesError: that is too much.
        """
        self._left -= days
        if self._left < 0:
            raise RulesError("its events mean too many days; give fewer or shorter ones")


def repeated(start: date, rule: Mapping[str, Any], budget: Budget) -> Iterator[date]:
    """The days at which an event begins, in order, its first included.

    Args:
        rule: an RRULE's parts, each a list, as `icalendar` reads them.

    Raises:
        RulesError: it is no rule that makes a holiday, or means too much.
    """
    parts = {str(name).upper(): value for name, value in rule.items()}
    _check(parts)
    step, count = _number(parts, "INTERVAL", 1), _number(parts, "COUNT", None)
    until = min((_day(value) for value in parts.get("UNTIL", [])), default=date.max)
    months = _numbers(parts, "BYMONTH", 1, 12)
    monthdays = _numbers(parts, "BYMONTHDAY", -31, 31)
    weekdays = [_weekday(str(value)) for value in parts.get("BYDAY", [])]
    found = 1
    yield start
    for year in range(start.year, LAST_YEAR + 1, step or 1):
        for day in _of_year(year, start, months, monthdays, weekdays, budget):
            if day > until or (count is not None and found >= count):
                return
            if day > start:
                found += 1
                yield day


def _of_year(
    year: int,
    start: date,
    months: list[int],
    monthdays: list[int],
    weekdays: list[_Day],
    budget: Budget,
) -> Iterator[date]:
    if not monthdays and not weekdays:
        monthdays = [start.day]
        months = months or [start.month]
    for month in sorted(months) or range(1, 13):
        length = monthrange(year, month)[1]
        counted = {number if number > 0 else length + 1 + number for number in monthdays}
        numbers = sorted(counted) if counted else range(1, length + 1)
        budget.take(len(numbers))
        for number in numbers:
            if not 1 <= number <= length:
                continue
            day = date(year, month, number)
            if not weekdays or any(_is(day, one, of_month=bool(months)) for one in weekdays):
                yield day


def _is(day: date, wanted: _Day, *, of_month: bool) -> bool:
    """Whether a day is the n-th of its weekday, in its month or its year, from either end."""
    weekday, nth = wanted
    if day.weekday() != weekday:
        return False
    if nth == 0:
        return True
    if of_month:
        number, length = day.day, monthrange(day.year, day.month)[1]
    else:
        first, last = date(day.year, 1, 1), date(day.year, 12, 31)
        number, length = (day - first).days + 1, (last - first).days + 1
    return nth == ((number - 1) // 7 + 1 if nth > 0 else -((length - number) // 7 + 1))


def _check(parts: Mapping[str, Any]) -> None:
    frequency = [str(value).upper() for value in parts.get("FREQ", [])]
    if frequency != ["YEARLY"]:
        told = ", ".join(frequency)[:40] or "nothing"
        raise RulesError(
            f"repeats {told}: only what repeats YEARLY makes a holiday; the days of a week "
            "belong into a schedule"
        )
    for name in parts:
        if name not in _UNDERSTOOD | _HARMLESS:
            raise RulesError(f"{name[:40]} is not understood in a RRULE; give its dates")


def _number(parts: Mapping[str, Any], name: str, default: int | None) -> int | None:
    values = _numbers(parts, name, 1, 10_000)
    return values[0] if values else default


def _numbers(parts: Mapping[str, Any], name: str, least: int, most: int) -> list[int]:
    try:
        values = [int(value) for value in parts.get(name, [])]
    except (TypeError, ValueError):
        raise RulesError(f"{name} of its RRULE is no number") from None
    if any(not least <= value <= most or value == 0 for value in values):
        raise RulesError(f"{name} of its RRULE is out of bounds")
    return values


def _weekday(text: str) -> _Day:
    number, name = text[:-2].lstrip("+") or "0", text[-2:].upper()
    if name not in _WEEKDAYS or not number.lstrip("-").isdecimal() or len(number) > 3:
        raise RulesError("BYDAY of its RRULE is no weekday")
    return _WEEKDAYS.index(name), int(number)


def _day(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    raise RulesError("UNTIL of its RRULE is no date")
