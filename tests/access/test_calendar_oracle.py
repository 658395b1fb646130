"""Schedules against an oracle that knows nothing but what the wall clock shows each minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edged.access.calendar import Calendar
from edged.access.holidays_of import HolidayTable
from edged.access.weekly import compiled
from edged.config.access import Schedule

if TYPE_CHECKING:
    from collections.abc import Collection

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SET_OFTEN = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Havana",
    "Asia/Beirut",
    "America/St_Johns",  # one minute after midnight, until 2011
    "Pacific/Apia",
    "Antarctica/Troll",  # two hours
)
ZONES = sorted(name for name in available_timezones() if "/" in name)


class Oracle:
    """Whether one of the spans that are written holds when the clock shows a time."""

    def __init__(self, schedule: Schedule, holidays: Collection[date]) -> None:
        self._schedule = schedule
        self._holidays = holidays
        self._days: dict[date, list[tuple[int, int]]] = {}

    def holds(self, wall: datetime) -> bool:
        today, minute = wall.date(), wall.hour * 60 + wall.minute
        for day, shift in ((today, 0), (today - timedelta(days=1), 1440)):
            if any(begin <= minute + shift < end for begin, end in self._spans(day)):
                return True
        return False

    def _spans(self, day: date) -> list[tuple[int, int]]:
        if day not in self._days:
            found = self._days[day] = []
            for span in written(self._schedule, day, self._holidays):
                begin, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in span.split("-"))
                found.append((begin, end if end > begin else end + 1440))
        return self._days[day]


def written(schedule: Schedule, day: date, holidays: Collection[date]) -> list[str]:
    if schedule.valid_from is not None and day < schedule.valid_from:
        return []
    if schedule.valid_until is not None and day > schedule.valid_until:
        return []
    if day in holidays and "holidays" in schedule.days:
        return list(schedule.days["holidays"])
    found: list[str] = []
    for name, spans in schedule.days.items():
        if named(name, day.weekday()):
            found += spans
    return found


def named(name: str, weekday: int) -> bool:
    if name in ("daily", "holidays"):
        return name == "daily"
    first, _, last = name.partition("-")
    day, end = DAYS.index(first), DAYS.index(last or first)
    while day != weekday and day != end:
        day = (day + 1) % 7
    return day == weekday


@cache
def days_on_which_it_is_set(zone: str, year: int) -> list[date]:
    where, found = ZoneInfo(zone), []
    for number in range(366):
        day = date(year, 1, 1) + timedelta(days=number)
        now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        before, after = (one.astimezone(where) for one in (now - timedelta(days=1), now))
        if before.utcoffset() != after.utcoffset():
            found.append(day)
    return found


clocks = st.builds(
    lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 0, 15, 30, 59])
)
spans = st.builds(lambda a, b: f"{a}-{b}", clocks, clocks | st.just("24:00")).filter(
    lambda span: span[:5] != span[6:]
)
names = st.one_of(
    st.sampled_from([*DAYS, "daily", "daily", "holidays"]),
    st.builds(lambda a, b: f"{a}-{b}", st.sampled_from(DAYS), st.sampled_from(DAYS)),
)
weeks = st.dictionaries(names, st.lists(spans, max_size=3), min_size=1, max_size=4)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, date]:
    """A zone and a day; mostly one near which the clock is set."""
    if draw(st.booleans()):
        zone, year = draw(st.sampled_from(SET_OFTEN)), draw(st.integers(1985, 2037))
        if days := days_on_which_it_is_set(zone, year):
            return zone, draw(st.sampled_from(days))
    zone = draw(st.sampled_from(ZONES))
    return zone, draw(st.dates(date(1850, 1, 1), date(2150, 1, 1)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Schedule, list[date], str, date]:
    zone, day = draw(places())
    near = st.integers(-2, 2).map(lambda number: day + timedelta(days=number))
    holidays = draw(st.lists(near, max_size=3))
    bounds = sorted(draw(st.lists(near, min_size=2, max_size=2)))
    schedule = Schedule(
        days=draw(weeks),
        valid_from=bounds[0] if draw(st.booleans()) else None,
        valid_until=bounds[1] if draw(st.booleans()) else None,
    )
    return schedule, holidays, zone, day


@given(cases())
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_a_schedule_agrees_with_the_wall_clock_minute_by_minute(
    case: tuple[Schedule, list[date], str, date],
) -> None:
    schedule, holidays, zone, day = case
    where = ZoneInfo(zone)
    table = HolidayTable({one.toordinal(): "a holiday" for one in holidays})
    book = Calendar(compiled({"it": schedule}), table, lambda: where)
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 86_400
    moments = range(begin, begin + 3 * 86_400, 60)
    oracle = Oracle(schedule, holidays)
    expected = [oracle.holds(datetime.fromtimestamp(now, where)) for now in moments]
    assert [book.in_force("it", now) for now in moments] == expected

    # changes and begins are those of the answers, to the second
    now = begin
    while (change := book.next_change("it", now)) is not None and change <= moments[-1]:
        held = book.in_force("it", now)
        assert book.in_force("it", change - 1) is held
        assert book.in_force("it", change) is not held
        first, last = (-(-(moment - begin) // 60) for moment in (now, int(change)))
        assert all(one is held for one in expected[first:last])
        now = int(change)
    assert all(one is expected[-1] for one in expected[-(-(now - begin) // 60) :])
    for now in moments[::97]:
        began = book.began("it", now)
        assert (began is not None) == book.in_force("it", now)
        if began is not None:
            assert began <= now
            assert all(book.in_force("it", one) for one in range(int(began), now, 600))
            assert book.began("it", began) == began
