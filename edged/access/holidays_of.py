"""Which days are holidays, and what they are called."""

from __future__ import annotations

import difflib
from datetime import date
from typing import TYPE_CHECKING, Any

from edged.access.ical import read_calendar
from edged.errors import RulesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.access import Holidays

_SITE = "a date of the site"
_MOST_YEARS = 20
_ANY_YEAR = 2026
Names = dict[int, str]
"""Names of days, by the day's ordinal."""


class HolidayTable:
    """Answers for any day; pure but for what it remembers. Any thread.

    Args:
        named: days that are known one by one.
        country: those of a country in a year; None: no country's count.
    """

    def __init__(
        self, named: Mapping[int, str], country: Callable[[int], Names] | None = None
    ) -> None:
        self._named = named
        self._country = country
        self._years: dict[int, Names] = {}

    @property
    def none(self) -> bool:
        """Whether there cannot be any."""
        return not self._named and self._country is None

    def holds(self, day: int) -> bool:
        """Whether the day with this ordinal is a holiday."""
        return self.name(day) is not None

    def name(self, day: int) -> str | None:
        """What the holiday is called; None where the day is none."""
        own = self._named.get(day)
        if own is not None or self._country is None:
            return own
        year = date.fromordinal(day).year
        names = self._years.get(year)
        if names is None:
            if len(self._years) >= _MOST_YEARS:
                self._years = {}
            names = self._years[year] = self._country(year)
        return names.get(day)


def read_holidays(settings: Holidays) -> HolidayTable:
    """Everything that makes a holiday; files are read.

    Raises:
        RulesError: one line for each thing that is wrong, ``setting: what``.
    """
    problems: list[str] = []
    named: Names = {}
    for number, path in enumerate(settings.calendars):
        try:
            named.update(read_calendar(path))
        except RulesError as fault:
            problems.append(f"holidays.calendars.{number}: {fault}")
    named.update((day.toordinal(), _SITE) for day in settings.dates)
    country: Callable[[int], Names] | None = None
    try:
        country = _country(settings)
    except RulesError as fault:
        problems.append(f"holidays.{fault}")
    if problems:
        raise RulesError("\n".join(problems))
    return HolidayTable(named, country)


def _country(settings: Holidays) -> Callable[[int], Names] | None:
    code, part = settings.country, settings.subdivision
    if code is None:
        if part is not None:
            raise RulesError("subdivision: goes with country")
        return None
    known = _library().list_supported_countries(include_aliases=True)
    if code not in known:
        raise RulesError(f"country: the library holidays knows no {code!r}; its list has none")
    if part is not None and part not in known[code]:
        near = difflib.get_close_matches(part, known[code], n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known[code]) or 'none'}"
        raise RulesError(f"subdivision: unknown in {code}; {hint}")
    _year(code, part, _ANY_YEAR)  # the library loads a country when it is first asked
    return lambda year: _year(code, part, year)


def _year(code: str, part: str | None, year: int) -> Names:
    # names in one language wherever it is asked; left out, the environment would decide
    days = _library().country_holidays(
        code, subdiv=part, years=year, expand=False, language="en_US"
    )
    return {day.toordinal(): str(name) for day, name in days.items()}


def _library() -> Any:
    try:
        import holidays
    except ImportError as fault:
        raise RulesError(
            "country: the library holidays is missing; install edged[calendar]"
        ) from fault
    return holidays
