"""Which schedule is in force: tables of the days on which that is not obvious."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta, timezone
from math import inf, nan
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from edged.access.calendar import HORIZON_DAYS, Calendar
from edged.access.holidays_of import HolidayTable
from edged.access.weekly import Weekly, compiled
from edged.config.access import Schedule
from tests.access.books import at, configured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

DAY_S = 86_400


def calendar(
    days: dict[str, list[str]],
    zone: tzinfo | str = "Europe/Berlin",
    holidays: Sequence[date] = (),
    **more: Any,
) -> Calendar:
    schedule = Schedule.model_validate({"days": days, **more})
    table = HolidayTable({day.toordinal(): "a holiday" for day in holidays})
    where = ZoneInfo(zone) if isinstance(zone, str) else zone
    return Calendar(compiled({"it": schedule}), table, lambda: where)


def stretches(book: Calendar, begin: str, end: str) -> list[tuple[str, str]]:
    """When a schedule holds between two moments of UTC, to the minute, as it shows minute by
    minute."""
    now = int(datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp())
    last = int(datetime.fromisoformat(end).replace(tzinfo=UTC).timestamp())
    found: list[tuple[str, str]] = []
    open_since: int | None = None
    for moment in range(now, last + 60, 60):
        held = moment < last and book.in_force("it", moment)
        if held and open_since is None:
            open_since = moment
        elif not held and open_since is not None:
            found.append((_utc(open_since), _utc(moment)))
            open_since = None
    return found


def _utc(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%d %H:%M}"


# A night shift in the nights in which the clock is set: begin and end in UTC, and its hours.
NIGHTS = [
    ("Europe/Berlin", "2026-03-28", ("28 21:00", "29 04:00"), 7),
    ("Europe/Berlin", "2026-10-24", ("24 20:00", "25 05:00"), 9),
    ("America/New_York", "2026-03-07", ("08 03:00", "08 10:00"), 7),
    ("America/New_York", "2026-10-31", ("01 02:00", "01 11:00"), 9),
    ("Australia/Lord_Howe", "2026-04-04", ("04 11:00", "04 19:30"), 8.5),
    ("Australia/Lord_Howe", "2026-10-03", ("03 11:30", "03 19:00"), 7.5),
    ("Africa/Casablanca", "2026-02-14", ("14 21:00", "15 06:00"), 9),  # for Ramadan
    ("Africa/Casablanca", "2026-03-21", ("21 22:00", "22 05:00"), 7),
    ("America/Havana", "2026-03-07", ("08 03:00", "08 10:00"), 7),  # at midnight
    ("America/Havana", "2026-10-31", ("01 02:00", "01 11:00"), 9),
    ("Asia/Beirut", "2026-03-28", ("28 20:00", "29 03:00"), 7),  # at midnight
    ("Asia/Beirut", "2026-10-24", ("24 19:00", "25 04:00"), 9),
    ("Asia/Kolkata", "2026-03-28", ("28 16:30", "29 00:30"), 8),  # never set
]


@pytest.mark.parametrize(("zone", "evening", "expected", "hours"), NIGHTS)
def test_a_night_shift_keeps_to_the_wall_clock(
    zone: str, evening: str, expected: tuple[str, str], hours: float
) -> None:
    day = date.fromisoformat(evening)
    weekday = f"{day:%a}".lower()
    book = calendar({weekday: ["22:00-06:00"]}, zone)
    noon = datetime.fromtimestamp(at(f"{day}T12:00", zone), UTC).replace(tzinfo=None)
    after = noon + timedelta(days=1)
    assert stretches(book, noon.isoformat(), after.isoformat()) == [expected]
    began = book.began("it", at(f"{evening}T23:30", zone))
    assert began == at(f"{evening}T22:00", zone)
    assert began is not None
    assert book.next_change("it", began) == began + hours * 3600


# Spans of the small hours on days on which the clock is set, in UTC.
HOURS = [
    # skipped: 02:00-03:00 does not exist
    ("Europe/Berlin", "02:00-03:00", "2026-03-29", []),
    ("Europe/Berlin", "02:15-02:45", "2026-03-29", []),
    ("Europe/Berlin", "01:30-02:30", "2026-03-29", [("29 00:30", "29 01:00")]),
    ("Europe/Berlin", "02:30-03:30", "2026-03-29", [("29 01:00", "29 01:30")]),
    # twice: 02:00-03:00 comes two times
    ("Europe/Berlin", "02:00-03:00", "2026-10-25", [("25 00:00", "25 02:00")]),
    (
        "Europe/Berlin",
        "02:30-02:45",
        "2026-10-25",
        [("25 00:30", "25 00:45"), ("25 01:30", "25 01:45")],
    ),
    (
        "Europe/Berlin",
        "02:30-04:00",
        "2026-10-25",
        [("25 00:30", "25 01:00"), ("25 01:30", "25 03:00")],
    ),
    (
        "Europe/Berlin",
        "01:30-02:30",
        "2026-10-25",
        [("24 23:30", "25 00:30"), ("25 01:00", "25 01:30")],
    ),
    # half an hour
    ("Australia/Lord_Howe", "01:30-02:00", "2026-04-05", [("04 14:30", "04 15:30")]),
    ("Australia/Lord_Howe", "02:00-02:30", "2026-10-04", []),
    # a midnight that is skipped, and one that comes twice
    ("America/Havana", "00:00-01:00", "2026-03-08", []),
    ("America/Havana", "00:00-02:00", "2026-03-08", [("08 05:00", "08 06:00")]),
    (
        "America/Havana",
        "00:15-00:30",
        "2026-11-01",
        [("01 04:15", "01 04:30"), ("01 05:15", "01 05:30")],
    ),
    ("Asia/Beirut", "00:00-01:00", "2026-03-29", []),
    # Beirut goes back at midnight: the last hour of the day before comes twice
    (
        "Asia/Beirut",
        "23:30-24:00",
        "2026-10-24",
        [("24 20:30", "24 21:00"), ("24 21:30", "24 22:00")],
    ),
    ("Asia/Beirut", "00:00-00:30", "2026-10-25", [("24 22:00", "24 22:30")]),
    # one minute after midnight it was 23:01 of the day before
    (
        "America/St_Johns",
        "00:00-00:01",
        "2010-11-07",
        [("07 02:30", "07 02:31"), ("07 03:30", "07 03:31")],
    ),
]


@pytest.mark.parametrize(("zone", "span", "day", "expected"), HOURS)
def test_what_the_clock_skips_never_comes_and_what_comes_twice_counts_twice(
    zone: str, span: str, day: str, expected: list[tuple[str, str]]
) -> None:
    weekday = f"{date.fromisoformat(day):%a}".lower()
    book = calendar({weekday: [span]}, zone)
    begin = date.fromisoformat(day) - timedelta(days=1)
    found = stretches(book, f"{begin}T00:00", f"{begin + timedelta(days=3)}T00:00")
    assert found == expected
    for start, end in expected:
        number, clock = start.split()
        month = begin if int(number) == begin.day else date.fromisoformat(day)
        opened = datetime.fromisoformat(f"{month}T{clock}").replace(tzinfo=UTC).timestamp()
        assert book.began("it", opened) == opened
        length = (int(end[3:5]) - int(start[3:5])) * 3600 + (int(end[6:]) - int(start[6:])) * 60
        assert book.next_change("it", opened) == opened + length % DAY_S


def test_a_day_that_a_country_left_out_has_no_spans() -> None:
    book = calendar({"fri": ["00:00-24:00"]}, "Pacific/Apia")  # there was no 30 December 2011
    assert stretches(book, "2011-12-28T00:00", "2012-01-02T00:00") == []


def test_a_leap_second_has_no_number_of_its_own() -> None:
    """Unix time repeats the last second: 23:59:60 is 00:00:00 of the day that follows."""
    midnight = 1_483_228_800  # 2016-12-31T23:59:60Z, too
    book = calendar({"sat": ["23:00-24:00"]}, "UTC")
    assert book.in_force("it", midnight - 1)
    assert book.in_force("it", midnight - 0.001)
    assert not book.in_force("it", midnight)
    assert book.next_change("it", midnight - 1) == midnight


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2028-02-28T12:00", False),
        ("2028-02-29T00:00", True),
        ("2028-02-29T23:59:59", True),
        ("2028-03-01T00:00", False),
        ("2027-02-28T12:00", False),
        ("2027-03-01T12:00", False),
    ],
)
def test_the_29th_of_february_is_a_day_as_others(local: str, *, expected: bool) -> None:
    leap = date(2028, 2, 29)
    book = calendar(
        {"daily": ["00:00-24:00"]}, valid_from=leap.isoformat(), valid_until=leap.isoformat()
    )
    assert book.in_force("it", at(local)) is expected
    holiday = calendar({"daily": [], "holidays": ["00:00-24:00"]}, holidays=[leap])
    assert holiday.in_force("it", at(local)) is expected


@pytest.mark.parametrize(
    ("spans", "local", "expected"),
    [
        (["22:00-00:00"], "2026-06-01T23:59:59.9", True),
        (["22:00-00:00"], "2026-06-02T00:00", False),
        (["22:00-24:00"], "2026-06-01T23:59:59.9", True),
        (["22:00-24:00"], "2026-06-02T00:00", False),
        (["00:00-06:00"], "2026-06-01T00:00", True),
        (["00:00-06:00"], "2026-05-31T23:59:59.9", False),
        (["22:00-06:00"], "2026-06-02T05:59:59.9", True),
        (["22:00-06:00"], "2026-06-02T06:00", False),
        (["22:00-21:59"], "2026-06-02T21:58", True),
        (["22:00-21:59"], "2026-06-02T21:59", False),
        (["08:00-12:00", "12:00-18:00"], "2026-06-01T12:00", True),
        (["08:00-12:00"], "2026-06-01T12:00", False),
        (["08:00-12:00"], "2026-06-01T08:00", True),
        ([], "2026-06-01T08:00", False),
    ],
)
def test_a_span_holds_from_its_first_moment_up_to_its_last(
    spans: list[str], local: str, *, expected: bool
) -> None:
    assert calendar({"mon": spans}).in_force("it", at(local)) is expected  # 1 June 2026: a Monday


def test_a_night_belongs_to_the_day_that_it_begins_on() -> None:
    christmas = date(2026, 12, 24)  # a Thursday
    book = calendar(
        {"mon-fri": ["22:00-06:00"], "holidays": []},
        holidays=[christmas],
        valid_from="2026-12-21",
        valid_until="2026-12-25",
    )
    assert book.in_force("it", at("2026-12-24T05:00"))  # Wednesday's
    assert not book.in_force("it", at("2026-12-24T23:00"))  # a holiday's
    assert not book.in_force("it", at("2026-12-25T05:00"))
    assert book.in_force("it", at("2026-12-26T05:00"))  # Friday's, though Friday is the last day
    assert not book.in_force("it", at("2026-12-26T23:00"))
    assert not book.in_force("it", at("2026-12-21T05:00"))  # Sunday's, before it is valid


def test_days_may_be_named_twice_and_over_the_weekend() -> None:
    book = calendar({"fri-mon": ["08:00-10:00"], "mon": ["09:00-12:00"], "daily": ["20:00-21:00"]})
    for day, clock, expected in [
        (1, "11:00", True),  # Monday
        (1, "20:30", True),
        (2, "09:00", False),  # Tuesday
        (2, "20:30", True),
        (4, "09:00", False),  # Thursday
        (5, "09:00", True),  # Friday
        (7, "09:00", True),  # Sunday
        (7, "11:00", False),
    ]:
        assert book.in_force("it", at(f"2026-06-0{day}T{clock}")) is expected, (day, clock)


def test_a_holiday_is_a_weekday_like_any_other_where_a_schedule_says_nothing_of_it() -> None:
    day = date(2026, 6, 1)
    assert calendar({"mon": ["08:00-10:00"]}, holidays=[day]).in_force("it", at("2026-06-01T09:00"))


def test_spans_that_touch_are_one_until_the_day_ends() -> None:
    book = calendar({"daily": ["00:00-08:00", "08:00-24:00"]})
    assert book.began("it", at("2026-06-01T12:00")) == at("2026-06-01T00:00")
    assert book.next_change("it", at("2026-06-01T12:00")) is None
    night = calendar({"daily": ["22:00-06:00", "05:00-07:00"]})
    assert night.began("it", at("2026-06-02T05:30")) == at("2026-06-01T22:00")
    assert night.began("it", at("2026-06-02T06:30")) == at("2026-06-02T06:00")
    assert night.next_change("it", at("2026-06-02T05:30")) == at("2026-06-02T07:00")
    assert night.began("it", at("2026-06-02T07:00")) is None


def test_a_change_is_found_however_far_ahead_a_schedule_becomes_valid() -> None:
    book = calendar({"mon": ["08:00-09:00"]}, valid_from="2040-01-01", valid_until="2040-01-31")
    assert book.next_change("it", at("2026-06-01T08:00")) == at("2040-01-02T08:00")
    assert book.next_change("it", at("2040-01-30T08:30")) == at("2040-01-30T09:00")
    assert book.next_change("it", at("2040-01-30T09:00")) is None
    assert book.next_change("it", at("2040-01-30T09:00") + 3600) is None  # as remembered
    yearly = calendar(
        {"daily": [], "holidays": ["00:00-24:00"]}, holidays=[date(2027, 5, 1), date(2029, 5, 1)]
    )
    assert yearly.next_change("it", at("2026-06-01T00:00")) == at("2027-05-01T00:00")
    assert yearly.next_change("it", at("2027-05-02T00:00")) is None  # beyond the horizon
    near = at("2029-05-01T00:00") - (HORIZON_DAYS - 2) * DAY_S
    assert yearly.next_change("it", near) == at("2029-05-01T00:00")


def test_always_is_in_force_and_never_changes() -> None:
    book = calendar({"mon": []})
    assert book.in_force("always", at("2026-03-29T02:59"))
    assert book.next_change("always", at("2026-03-29T02:59")) is None
    assert book.began("always", at("2026-03-29T12:00")) == at("2026-03-29T00:00")


@pytest.mark.parametrize("garbage", [nan, inf, -inf, 1e300, -1e300, 1e12, -1e11])
def test_what_is_no_moment_is_in_no_schedule(garbage: float) -> None:
    book = calendar({"daily": ["00:00-24:00"]})
    assert not book.in_force("it", garbage)
    assert not book.in_force("always", garbage)
    assert book.began("it", garbage) is None
    assert book.next_change("it", garbage) is None
    assert isinstance(book.day(garbage), date)
    assert book.steady(["it"], garbage)[2] == frozenset()


def test_the_clock_may_jump_by_years_and_back() -> None:
    book, spare = (calendar({"mon-fri": ["08:00-18:00", "22:00-03:00"]}) for _ in range(2))
    moments = [at("2026-06-01T09:00") + jump * 86_400 * 365 for jump in (0, 1, -1, 70, -90, 0)]
    for moment in moments * 3:
        fresh = calendar({"mon-fri": ["08:00-18:00", "22:00-03:00"]})
        for step in range(0, 3000 * DAY_S, 1000 * DAY_S + 4711):
            now = moment + step
            assert book.in_force("it", now) == fresh.in_force("it", now)
            assert book.began("it", now) == spare.began("it", now)
            assert book.next_change("it", now) == fresh.next_change("it", now)


def test_a_year_of_days_is_remembered_and_no_more() -> None:
    book = calendar({"daily": ["08:00-18:00"]})
    for day in range(1200):
        assert book.in_force("it", day * DAY_S + 12 * 3600)
    lines = book._lines
    for remembered in (lines.of["it"]._days, lines.offsets._days):
        assert 0 < len(remembered) <= 1000


def test_the_zone_of_the_machine_may_change_while_the_terminal_runs() -> None:
    zones = [ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")]
    where = [zones[0]]
    schedule = Schedule.model_validate({"days": {"daily": ["08:00-09:00"]}})
    book = Calendar(compiled({"it": schedule}), HolidayTable({}), lambda: where[0])
    moment = at("2026-06-01T08:30")
    assert book.in_force("it", moment)
    assert book.day(at("2026-06-01T00:30")) == date(2026, 6, 1)
    where[0] = zones[1]
    assert not book.in_force("it", moment)
    assert book.in_force("it", at("2026-06-01T08:30", "America/New_York"))
    assert book.next_change("it", moment) == at("2026-06-01T08:00", "America/New_York")
    assert book.day(at("2026-06-01T00:30")) == date(2026, 5, 31)
    where[0] = zones[0]
    assert book.in_force("it", moment)


@pytest.mark.parametrize(
    ("local", "begins", "day"),
    [
        ("2026-06-01T03:59", "04:00", date(2026, 5, 31)),
        ("2026-06-01T04:00", "04:00", date(2026, 6, 1)),
        ("2026-06-01T00:00", "00:00", date(2026, 6, 1)),
        ("2026-03-29T03:30", "02:30", date(2026, 3, 29)),  # 02:30 is skipped
        ("2026-10-25T02:29", "02:30", date(2026, 10, 24)),
        ("2028-03-01T03:00", "04:00", date(2028, 2, 29)),
    ],
)
def test_a_working_day_may_begin_later_than_at_midnight(local: str, begins: str, day: date) -> None:
    assert calendar({"mon": []}).day(at(local), begins) == day


def test_a_zone_with_seconds_is_kept_to_the_second() -> None:
    book = calendar({"daily": ["12:00-13:00"]}, timezone(timedelta(seconds=3208)))
    noon = int(datetime(1890, 1, 1, 12, tzinfo=UTC).timestamp()) - 3208
    assert not book.in_force("it", noon - 1)
    assert book.in_force("it", noon)
    assert book.next_change("it", noon) == noon + 3600


def test_the_configuration_s_zone_counts_unless_another_is_given() -> None:
    config = configured(schedules={"it": {"days": {"daily": ["08:00-09:00"]}}})
    moment = at("2026-06-01T08:30")
    assert Calendar.of(config).in_force("it", moment)
    assert not Calendar.of(config, ZoneInfo("Asia/Tokyo")).in_force("it", moment)
    assert Calendar.of(config).zone == ZoneInfo("Europe/Berlin")


def test_what_holds_at_once_is_told_with_how_long_it_does() -> None:
    config = configured(
        schedules={
            "early": {"days": {"daily": ["06:00-14:00"]}},
            "late": {"days": {"daily": ["13:00-22:00"]}},
        }
    )
    book = Calendar.of(config)
    begin, end, held = book.steady(["early", "late"], at("2026-06-01T13:30"))
    assert held == {"early", "late"}
    assert (begin, end) == (at("2026-06-01T13:00"), at("2026-06-01T14:00"))
    assert book.steady([], at("2026-06-01T13:30"))[2] == frozenset()


def test_threads_that_ask_at_once_hear_the_same() -> None:
    days = {"mon-fri": ["08:00-18:00"]}
    book, alone = calendar(days), calendar(days)
    moments = [at("2026-01-01T00:00") + step * 7200 for step in range(4000)]
    expected = [alone.in_force("it", moment) for moment in moments]
    found: list[list[bool]] = []

    def look() -> None:
        found.append([book.in_force("it", moment) for moment in moments])

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_a_weekly_schedule_without_a_bound_is_valid_on_every_day() -> None:
    weekly = Weekly(((),) * 7)
    assert weekly.valid(1)
    assert weekly.spans(1, holiday=True) == ()
