"""Which days are holidays."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from edged.access.holidays_of import HolidayTable, read_holidays
from edged.config.access import Holidays
from edged.errors import RulesError

if TYPE_CHECKING:
    from pathlib import Path

CALENDAR = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260814
SUMMARY:Works outing
END:VEVENT
END:VCALENDAR
"""


def table(**settings: Any) -> HolidayTable:
    return read_holidays(Holidays.model_validate(settings))


def test_a_country_has_its_own_and_a_subdivision_s() -> None:
    berlin = table(country="DE", subdivision="BE")
    assert berlin.name(date(2026, 12, 25).toordinal()) == "Christmas Day"
    assert berlin.holds(date(2026, 3, 8).toordinal())  # women's day
    assert not table(country="DE").holds(date(2026, 3, 8).toordinal())
    assert not berlin.holds(date(2026, 12, 24).toordinal())
    assert not berlin.none


def test_dates_of_the_site_and_calendars_are_added(tmp_path: Path) -> None:
    file = tmp_path / "site.ics"
    file.write_text(CALENDAR)
    found = table(country="DE", dates=["2026-12-24"], calendars=[file])
    assert found.name(date(2026, 12, 24).toordinal()) == "a date of the site"
    assert found.name(date(2026, 8, 14).toordinal()) == "Works outing"
    assert found.holds(date(2026, 12, 25).toordinal())
    assert not found.holds(date(2026, 8, 15).toordinal())


def test_nothing_configured_is_no_holiday() -> None:
    found = table()
    assert found.none
    assert not found.holds(date(2026, 12, 25).toordinal())


def test_years_of_which_a_library_knows_nothing_have_none_and_few_are_remembered() -> None:
    asked: list[int] = []

    def country(year: int) -> dict[int, str]:
        asked.append(year)
        return {date(year, 1, 1).toordinal(): "New Year"}

    found = HolidayTable({}, country)
    for _ in range(2):
        assert found.holds(date(2026, 1, 1).toordinal())
    assert asked == [2026]
    for year in range(1900, 2000):
        assert found.holds(date(year, 1, 1).toordinal())
        assert len(found._years) <= 20
    assert not table(country="DE").holds(date(9000, 1, 1).toordinal())
    assert not table(country="DE").holds(1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"country": "XX"}, "holidays.country: the library holidays knows no 'XX'"),
        (
            {"country": "US", "subdivision": "CAL"},
            "holidays.subdivision: unknown in US; did you mean CA?",
        ),
        (
            {"country": "DE", "subdivision": "zzzz"},
            "holidays.subdivision: unknown in DE; known: BB, BE",
        ),
        ({"country": "AD", "subdivision": "zzzz"}, "holidays.subdivision: unknown in AD"),
        ({"subdivision": "BE"}, "holidays.subdivision: goes with country"),
    ],
)
def test_what_a_country_does_not_have_is_told(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(RulesError) as caught:
        table(**settings)
    assert str(caught.value).startswith(text)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RulesError) as caught:
        table(country="XX", calendars=[tmp_path / "none.ics", tmp_path / "neither.ics"])
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "holidays.calendars.0",
        "holidays.calendars.1",
        "holidays.country",
    ]


@pytest.mark.parametrize("library", ["holidays", "icalendar"])
def test_a_library_that_is_missing_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    file = tmp_path / "site.ics"
    file.write_text(CALENDAR)
    with pytest.raises(RulesError, match=r"install edged\[calendar\]"):
        table(country="DE", calendars=[file])
    assert table(dates=["2026-12-24"]).holds(date(2026, 12, 24).toordinal())
