"""Which working day a moment belongs to, whatever the clocks are put to."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.attendance.workday import WorkDays, moment
from tests.attendance.makers import BERLIN, days, ms

HOUR = 3_600_000
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Antarctica/Troll",
]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-02", 24),
        ("2026-03-28", 23),  # begins at 04:00, so the night to the 29th is in it
        ("2026-03-29", 24),
        ("2026-10-24", 25),
        ("2026-10-25", 24),
        ("2024-02-28", 24),
        ("2024-02-29", 24),
        ("2016-12-31", 24),  # a leap second has no number of its own
    ],
)
def test_a_working_day_is_as_long_as_it_really_was(day: str, hours: int) -> None:
    begin, end = days().span(date.fromisoformat(day))
    assert end - begin == hours * HOUR


@pytest.mark.parametrize(
    ("when", "begins", "day"),
    [
        ("2026-03-02T03:59:59.999+01:00", "04:00", "2026-03-01"),
        ("2026-03-02T04:00:00+01:00", "04:00", "2026-03-02"),
        ("2026-03-02T00:00:00+01:00", "00:00", "2026-03-02"),
        ("2026-03-03T06:00:00+01:00", "12:00", "2026-03-02"),  # a night shift ends
        ("2026-03-01T01:00:00+01:00", "04:00", "2026-02-28"),  # no leap year
        ("2024-03-01T01:00:00+01:00", "04:00", "2024-02-29"),
        ("2026-12-31T23:59:59+01:00", "04:00", "2026-12-31"),
        ("2027-01-01T03:00:00+01:00", "04:00", "2026-12-31"),
        # 02:30 is skipped: the day begins when it would have been
        ("2026-03-29T03:29:59+02:00", "02:30", "2026-03-28"),
        ("2026-03-29T03:30:00+02:00", "02:30", "2026-03-29"),
        # 02:30 comes twice: it begins with the first, and the second changes nothing
        ("2026-10-25T02:29:59+02:00", "02:30", "2026-10-24"),
        ("2026-10-25T02:30:00+02:00", "02:30", "2026-10-25"),
        ("2026-10-25T02:10:00+01:00", "02:30", "2026-10-25"),
        ("2026-10-25T02:40:00+01:00", "02:30", "2026-10-25"),
    ],
)
def test_a_moment_belongs_to_the_day_that_began_last(when: str, begins: str, day: str) -> None:
    assert days(begins=begins).of(ms(when)) == date.fromisoformat(day)


def test_a_day_that_a_country_left_out_has_no_moment() -> None:
    apia = WorkDays(ZoneInfo("Pacific/Apia"), "04:00")
    begin, end = apia.span(date(2011, 12, 30))
    assert begin == end
    assert apia.of(begin) == date(2011, 12, 31)
    assert apia.of(begin - 1) == date(2011, 12, 29)


def test_a_clock_that_is_put_back_over_midnight_begins_no_day_twice() -> None:
    """In Newfoundland it was 00:01, and 23:01 of the day before again."""
    newfoundland = WorkDays(ZoneInfo("America/St_Johns"))
    assert newfoundland.of(ms("2010-11-06T23:59:59-02:30")) == date(2010, 11, 6)
    assert newfoundland.of(ms("2010-11-07T00:00:30-02:30")) == date(2010, 11, 7)
    assert newfoundland.of(ms("2010-11-06T23:30:00-03:30")) == date(2010, 11, 7)


def test_the_same_moment_is_another_day_in_another_zone() -> None:
    when = ms("2026-03-02T22:30:00+00:00")
    assert WorkDays(BERLIN).of(when) == date(2026, 3, 2)
    assert WorkDays(ZoneInfo("Asia/Tokyo")).of(when) == date(2026, 3, 3)
    assert WorkDays(ZoneInfo("America/New_York"), "18:00").of(when) == date(2026, 3, 1)


@given(
    st.integers(0, 4_000_000_000_000),
    st.sampled_from(ZONES),
    st.times().map(lambda time: f"{time:%H:%M}"),
)
def test_every_moment_is_in_one_day_and_no_other(when: int, zone: str, begins: str) -> None:
    own = WorkDays(ZoneInfo(zone), begins)
    day = own.of(when)
    begin, end = own.span(day)
    assert begin <= when < end
    assert own.span(day - timedelta(days=1))[1] == begin
    assert own.of(begin) == day
    assert own.of(end) > day


@pytest.mark.parametrize("when", [-(1 << 62), 1 << 62, 0])
def test_a_clock_that_says_anything_breaks_nothing(when: int) -> None:
    begin, end = days().span(days().of(when))
    assert begin < end


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00+00:00"),
        ("2026-03-02T08:00:00.250+01:00", "2026-03-02T07:00:00.250+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T23:59:60.500Z", "2017-01-01T00:00:00.500+00:00"),
        ("2026-03-02T08:00", "2026-03-02T08:00:00+01:00"),
        ("2026-07-02T08:00", "2026-07-02T08:00:00+02:00"),
    ],
)
def test_a_time_is_read_a_leap_second_as_the_one_after_it(text: str, same: str) -> None:
    assert moment(text, BERLIN) == ms(same)


@pytest.mark.parametrize("text", ["", "8", "2026-02-29T08:00:00Z", "2026-03-02T08:00", "x" * 99])
def test_what_is_no_moment_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text)


def test_a_time_that_the_clocks_skip_is_none_and_of_one_that_comes_twice_the_first_is_meant() -> (
    None
):
    zone = ZoneInfo("Europe/Berlin")
    with pytest.raises(ValueError, match="skips"):
        moment("2026-03-29T02:30", zone)
    assert moment("2026-03-29T03:30", zone) == moment("2026-03-29T01:30Z")
    assert moment("2026-10-25T02:30", zone) == moment("2026-10-25T00:30Z")
