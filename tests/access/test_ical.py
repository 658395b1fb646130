"""iCalendar files: what is understood, and what is told of the rest."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.access.ical import LARGEST_FILE, MOST_EVENTS, days_of, read_calendar
from edged.errors import RulesError

if TYPE_CHECKING:
    from pathlib import Path


def event(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT", ""])


def calendar(*events: str) -> str:
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + "".join(events) + "END:VCALENDAR\r\n"


def days(*lines: str) -> list[str]:
    """The days that one event means."""
    return [str(date.fromordinal(day)) for day in sorted(days_of(calendar(event(*lines))))]


def wrong(text: str) -> str:
    with pytest.raises(RulesError) as caught:
        days_of(text)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 300
    return told


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["DTSTART;VALUE=DATE:20261224"], ["2026-12-24"]),
        (
            ["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"],
            ["2026-12-24", "2026-12-25", "2026-12-26"],
        ),
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261224"], ["2026-12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "DURATION:P2D"], ["2026-12-24", "2026-12-25"]),
        (
            ["DTSTART;VALUE=DATE:20261224", "RDATE;VALUE=DATE:20271224,20281224"],
            ["2026-12-24", "2027-12-24", "2028-12-24"],
        ),
        (
            ["DTSTART;VALUE=DATE:20261224", "RDATE;VALUE=PERIOD:20271224T000000Z/P1D"],
            ["2026-12-24", "2027-12-24"],
        ),
        (
            [
                "DTSTART;VALUE=DATE:20261224",
                "RRULE:FREQ=YEARLY;COUNT=4",
                "EXDATE;VALUE=DATE:20271224",
                "EXDATE;VALUE=DATE:20281224",
            ],
            ["2026-12-24", "2029-12-24"],
        ),
        (
            [
                "DTSTART;VALUE=DATE:20261231",
                "DTEND;VALUE=DATE:20270102",
                "RRULE:FREQ=YEARLY;COUNT=2",
            ],
            ["2026-12-31", "2027-01-01", "2027-12-31", "2028-01-01"],
        ),
    ],
)
def test_all_day_events_are_days(lines: list[str], expected: list[str]) -> None:
    assert days(*lines) == expected


def test_what_repeats_every_year_does_so_until_the_year_2100() -> None:
    found = days("DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=YEARLY")
    assert (found[0], found[-1], len(found)) == ("2026-12-24", "2100-12-24", 75)
    assert days("DTSTART;VALUE=DATE:17760704", "RRULE:FREQ=YEARLY")[0] == "1970-07-04"


def test_an_event_at_a_time_of_day_or_a_cancelled_one_makes_no_holiday() -> None:
    text = calendar(
        event("DTSTART:20261224T090000Z", "RRULE:FREQ=DAILY"),
        event("DTSTART;VALUE=DATE:20261225", "STATUS:CANCELLED"),
        event("DTSTART;VALUE=DATE:20261226", "SUMMARY:Second\\nday"),
    )
    assert days_of(text) == {date(2026, 12, 26).toordinal(): "Second day"}
    assert "no all-day event" in wrong(calendar(event("DTSTART:20261224T090000Z")))
    assert "no all-day event" in wrong(calendar())


def test_a_repetition_that_was_moved_is_where_it_was_moved_to() -> None:
    text = calendar(
        event("UID:a", "DTSTART;VALUE=DATE:20260501", "RRULE:FREQ=YEARLY;COUNT=3"),
        event("UID:a", "RECURRENCE-ID;VALUE=DATE:20270501", "DTSTART;VALUE=DATE:20270503"),
        event("UID:b", "RECURRENCE-ID;VALUE=DATE:20280501", "DTSTART;VALUE=DATE:20280504"),
    )
    assert [str(date.fromordinal(day)) for day in sorted(days_of(text))] == [
        "2026-05-01",
        "2027-05-03",
        "2028-05-01",
        "2028-05-04",
    ]


def test_the_name_of_a_day_is_short_and_one_line() -> None:
    found = days_of(calendar(event("DTSTART;VALUE=DATE:20261224", f"SUMMARY:{'long ' * 100}")))
    assert len(next(iter(found.values()))) <= 80
    found = days_of(calendar(event("DTSTART;VALUE=DATE:20261224", "SUMMARY:a\x1b[31mb")))
    assert found == {date(2026, 12, 24).toordinal(): "a day of a calendar"}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("FREQ=WEEKLY;BYDAY=SU", "repeats WEEKLY: only what repeats YEARLY makes a holiday"),
        ("FREQ=SECONDLY", "repeats SECONDLY"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "repeats DAILY"),
        ("FREQ=YEARLY;BYSETPOS=1;BYDAY=MO", "BYSETPOS is not understood"),
        ("FREQ=YEARLY;BYHOUR=1,2,3", "BYHOUR is not understood"),
        ("FREQ=YEARLY;INTERVAL=0", "INTERVAL of its RRULE is out of bounds"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH"),
        ("FREQ=YEARLY;BYMONTHDAY=0", "BYMONTHDAY of its RRULE is out of bounds"),
        ("FREQ=YEARLY;BYDAY=99999MO", "RRULE"),
        ("FREQ=YEARLY;BYDAY=XX", "RRULE"),
        ("FREQ=YEARLY;UNTIL=never", "RRULE"),
        ("RRULE:FREQ=YEARLY", "repeats nothing"),
    ],
)
def test_a_rule_that_makes_no_holiday_is_told(rule: str, text: str) -> None:
    told = wrong(calendar(event("DTSTART;VALUE=DATE:20261224", f"RRULE:{rule}")))
    assert told.startswith("event 1: ")
    assert text in told


def test_a_rule_that_never_comes_is_looked_at_for_a_moment_only() -> None:
    rule = "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"
    assert days("DTSTART;VALUE=DATE:20260101", rule) == ["2026-01-01"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["SUMMARY:nothing"], "event 1: has no DTSTART"),
        (["DTSTART;VALUE=DATE:20261399"], "event 1: DTSTART: "),
        (["DTSTART;VALUE=DATE:garbage"], "event 1: DTSTART: "),
        (["DTSTART;VALUE=DATE:20260101", "DTSTART;VALUE=DATE:20260102"], "event 1: not readable"),
        (["DTSTART;VALUE=DATE:20260101", "DTEND;VALUE=DATE:99991231"], "a holiday at most 366"),
        (["DTSTART;VALUE=DATE:20260101", "DURATION:P100000D"], "a holiday at most 366"),
        (["DTSTART;VALUE=DATE:20260101", "EXDATE:soon"], "event 1: EXDATE: "),
    ],
)
def test_an_event_that_is_not_understood_is_told_by_its_number(lines: list[str], text: str) -> None:
    assert text in wrong(calendar(event(*lines)))


def test_a_file_of_100_000_entries_is_refused_before_it_is_read(tmp_path: Path) -> None:
    many = "".join(event(f"DTSTART;VALUE=DATE:2026010{i % 9 + 1}") for i in range(100_000))
    file = tmp_path / "many.ics"
    file.write_text(calendar(many))
    with pytest.raises(RulesError, match="larger than 1 MB"):
        read_calendar(file)
    assert f"at most {MOST_EVENTS}" in wrong(calendar("BEGIN:VEVENT\nEND:VEVENT\n" * 30_000))


def test_events_that_mean_too_many_days_are_refused() -> None:
    every_day = "RRULE:FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU"
    greedy = event("DTSTART;VALUE=DATE:19700101", "DTEND;VALUE=DATE:19710101", every_day)
    assert "mean too many days" in wrong(calendar(*[greedy] * 100))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT\r\n" * 1999,
        "BEGIN:VCALENDAR\r\n" + "BEGIN:X\r\n" * 5000 + "END:X\r\n" * 5000 + "END:VCALENDAR\r\n",
        "END:VCALENDAR\r\nBEGIN:VCALENDAR\r\n",
        "<html><body>404</body></html>",
        "\x00" * 1000,
        ":" * 1000,
        "BEGIN:VCALENDAR\r\n:;,\r\nEND:VCALENDAR\r\n",
        calendar("BEGIN:VEVENT\r\nDTSTART;VALUE=DATE\r\nEND:VEVENT\r\n"),
        calendar("BEGIN:VEVENT\r\nDTSTART;TZID=No/Where:20260101T000000\r\nEND:VEVENT\r\n"),
    ],
)
def test_garbage_is_told(text: str) -> None:
    wrong(text)


@given(st.text(max_size=300) | st.text("BEGINDTSARVL:;=,0123456789\r\n-", max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for one in (text, calendar(event("DTSTART;VALUE=DATE:20260101", text))):
        with suppress(RulesError):
            assert all(isinstance(day, int) for day in days_of(one))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    cases = {
        "missing.ics": None,
        "latin.ics": calendar(event("SUMMARY:Fête")).encode("latin-1"),
        "utf16.ics": calendar().encode("utf-16"),
        "large.ics": b" " * (LARGEST_FILE + 1),
    }
    for name, content in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(RulesError, match=name):
            read_calendar(tmp_path / name)
    with pytest.raises(RulesError, match="directory"):
        read_calendar(tmp_path)
    os.mkfifo(tmp_path / "pipe.ics")
    with pytest.raises(RulesError, match="not a file"):
        read_calendar(tmp_path / "pipe.ics")  # nobody writes to it: it would wait for ever


def test_a_file_with_a_mark_of_its_byte_order_is_read(tmp_path: Path) -> None:
    file = tmp_path / "site.ics"
    file.write_bytes(b"\xef\xbb\xbf" + calendar(event("DTSTART;VALUE=DATE:20261224")).encode())
    assert list(read_calendar(file)) == [date(2026, 12, 24).toordinal()]


def test_several_calendars_in_one_file_all_count() -> None:
    first = date(2026, 12, 24)
    texts = [
        calendar(event(f"DTSTART;VALUE=DATE:{first + timedelta(days=number):%Y%m%d}"))
        for number in range(3)
    ]
    assert len(days_of("".join(texts))) == 3
