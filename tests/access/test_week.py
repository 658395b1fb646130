"""Who may pass when, over a week; moments as people write them; what bears on an answer."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from edged.access.moments import midnight, moment, said, week_of, written
from edged.access.outlook import outlook
from edged.access.request import Factor, Subject
from edged.access.week import plan, week
from tests.access.books import BERLIN, ask, at, book_of

SCHEDULES = {
    "office": {"days": {"mon-fri": ["08:00-18:00"], "holidays": []}},
    "night": {"days": {"daily": ["22:00-06:00"]}},
}
RULES = [
    {"name": "staff", "groups": ["staff"], "when": "office"},
    {"name": "late", "groups": ["staff"], "when": "night", "factors": [["card", "pin"]]},
    {"name": "pairs", "groups": ["vault"], "when": "office", "two_people": True},
    {"name": "shut", "groups": ["staff"], "deny": True},
]
BOOK = book_of(schedules=SCHEDULES, access={"rules": RULES}, holidays={"dates": ["2026-12-24"]})
STAFF = Subject("p-1", frozenset({"staff"}))


def clocks(day: date, subject: Subject = STAFF) -> list[tuple[int, int, str]]:
    found = plan(BOOK, subject, day).stretches
    return [(one.begin // 60, one.end // 60, one.ruling.rule or "") for one in found]


def test_a_day_is_told_from_one_change_to_the_next() -> None:
    assert clocks(date(2026, 6, 1)) == [
        (0, 6, "late"),
        (6, 8, "shut"),
        (8, 18, "staff"),
        (18, 22, "shut"),
        (22, 24, "late"),
    ]
    late = plan(BOOK, STAFF, date(2026, 6, 1)).stretches[0]
    assert late.factors == (frozenset({Factor.CARD, Factor.PIN}),)
    strip = plan(BOOK, STAFF, date(2026, 6, 1)).strip()
    assert strip == "▒" * 12 + "·" * 4 + "█" * 20 + "·" * 8 + "▒" * 4
    assert clocks(date(2026, 6, 1), Subject("p-2")) == [(0, 24, "")]
    assert set(plan(BOOK, Subject("p-2"), date(2026, 6, 1)).strip()) == {"·"}
    pairs = plan(BOOK, Subject("p-3", frozenset({"vault"})), date(2026, 6, 1)).strip()
    assert pairs == "·" * 16 + "▒" * 20 + "·" * 12


def test_a_week_names_its_holidays_and_begins_on_monday() -> None:
    days = week(BOOK, STAFF, at("2026-12-27T12:00"))  # a Sunday
    assert [day.day.day for day in days] == [21, 22, 23, 24, 25, 26, 27]
    assert [day.holiday for day in days][2:5] == [None, "a date of the site", None]
    assert "staff" not in {one.ruling.rule for one in days[3].stretches}
    assert "staff" in {one.ruling.rule for one in days[4].stretches}


def test_days_on_which_the_clock_is_set_show_what_comes() -> None:
    assert clocks(date(2026, 3, 29))[0] == (0, 2, "late")  # then it is three o'clock
    assert clocks(date(2026, 3, 29))[1] == (3, 6, "late")
    assert plan(BOOK, STAFF, date(2026, 3, 29)).strip()[3:7] == "▒  ▒"
    assert clocks(date(2026, 10, 25))[:2] == [(0, 3, "late"), (2, 6, "late")]
    assert plan(BOOK, STAFF, date(2026, 10, 25)).strip()[:12] == "▒" * 12


def test_without_rules_a_week_is_open() -> None:
    book = book_of()
    found = plan(book, STAFF, date(2026, 6, 1))
    assert [(one.begin, one.end, one.opens) for one in found.stretches] == [(0, 1440, True)]
    assert found.strip() == "█" * 48


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-24T23:10", "2026-12-24T23:10:00+01:00"),
        ("2026-12-24 23:10:30", "2026-12-24T23:10:30+01:00"),
        (" 2026-12-24 ", "2026-12-24T00:00:00+01:00"),
        ("2026-12-24T23:10Z", "2026-12-25T00:10:00+01:00"),
        ("2026-12-24T23:10-05:00", "2026-12-25T05:10:00+01:00"),
        ("23:10", "2026-06-01T23:10:00+02:00"),
        ("2026-10-25T02:30", "2026-10-25T02:30:00+02:00"),  # the first of the two
        ("2026-10-25T02:30+01:00", "2026-10-25T02:30:00+01:00"),
        ("2028-02-29T12:00", "2028-02-29T12:00:00+01:00"),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, expected: str) -> None:
    assert written(moment(text, BERLIN, at("2026-06-01T12:00")), BERLIN) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected a time"),
        ("yesterday", "expected a time"),
        ("24:00", "expected a time"),
        ("2026-02-29T12:00", "expected a time"),
        ("2" * 5000, "expected a time"),
        ("2026-12-24T23:60", "expected a time"),
        ("0001-01-01T00:00", "expected a year from 1900"),
        ("9999-12-31T23:59+00:00", "expected a year from 1900"),
        ("2026-03-29T02:30", "the clock skips this time"),
    ],
)
def test_what_is_no_moment_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        moment(text, BERLIN, 0)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00"),
        ("America/Havana", "2026-03-08", "2026-03-08T01:00:00-04:00"),
        ("America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"),
        ("Asia/Beirut", "2026-03-29", "2026-03-29T01:00:00+03:00"),
        ("Asia/Beirut", "2026-10-25", "2026-10-25T00:00:00+02:00"),
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30:00-04:00"),
    ],
)
def test_a_day_begins_with_its_first_moment(zone: str, day: str, begins: str) -> None:
    where = ZoneInfo(zone)
    found = midnight(date.fromisoformat(day), where)
    assert written(found, where) == begins
    assert datetime.fromtimestamp(found - 1, where).date() < date.fromisoformat(day)


def test_moments_are_said_for_people() -> None:
    assert said(at("2026-12-24T23:10"), BERLIN) == "Thu 24 Dec 2026 23:10 CET"
    assert said(at("2026-12-24T23:10:05"), BERLIN) == "Thu 24 Dec 2026 23:10:05 CET"
    assert week_of(at("2026-12-27T23:59"), BERLIN)[0] == date(2026, 12, 21)


def test_an_answer_comes_with_what_bears_on_it() -> None:
    told = outlook(BOOK, ask("staff", when=at("2026-06-01T23:00")))
    assert told.ruling.reason == "factor_missing"
    assert told.more.allowed
    assert told.rule is not None
    assert told.rule.name == "late"
    assert told.schedule is not None
    assert told.schedule.in_force
    assert told.schedule.began == at("2026-06-01T22:00")
    assert told.schedule.next_change == at("2026-06-02T06:00")
    assert [(rule.name, one.in_force) for rule, one in told.others] == [("staff", False)]
    assert told.others[0][1].next_change == at("2026-06-02T08:00")

    told = outlook(BOOK, ask("vault", when=at("2026-06-01T23:00"), factors=tuple(Factor)))
    assert told.rule is None
    assert told.schedule is None
    assert not told.more.allowed
    assert [rule.name for rule, _ in told.others] == ["pairs"]
