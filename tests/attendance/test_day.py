"""A working day out of punches: what counts, and what somebody has to look at."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.attendance.day import ANOMALIES, Day, summarise
from edged.attendance.punch import STATES
from tests.attendance.makers import WHO, at, days, ms, said, walked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.config.attendance import PunchState

HOUR = 3_600_000


def sums(day: Day) -> tuple[float, float, float, float]:
    """Hours of work, breaks, overtime and field work."""
    parts = day.worked_ms, day.break_ms, day.overtime_ms, day.field_ms
    return tuple(ms / HOUR for ms in parts)  # type: ignore[return-value]


def test_an_ordinary_day() -> None:
    day = walked(("in", "08:00"), ("break", "12:00"), ("return", "12:30"), ("out", "17:00"))
    assert sums(day) == (8.5, 0.5, 0, 0)
    assert (day.first_in_ms, day.last_out_ms) == (
        ms("2026-03-02T08:00+01:00"),
        ms("2026-03-02T17:00+01:00"),
    )
    assert (day.breaks, day.anomalies, day.present, day.presentations) == (1, (), False, 4)


@pytest.mark.parametrize(
    ("told", "hours", "anomalies"),
    [
        ([("in", "08:00")], (0, 0, 0, 0), ["in_without_out"]),
        ([("out", "17:00")], (0, 0, 0, 0), ["out_without_in"]),
        ([("in", "08:00"), ("out", "12:00"), ("out", "17:00")], (4, 0, 0, 0), ["out_without_in"]),
        (
            [("in", "08:00"), ("in", "12:00"), ("out", "17:00")],
            (9, 0, 0, 0),
            ["in_without_out"],
        ),
        (
            [("in", "08:00"), ("break", "12:00"), ("out", "17:00")],
            (4, 5, 0, 0),
            ["break_without_return"],
        ),
        (
            [("in", "08:00"), ("break", "12:00")],
            (4, 0, 0, 0),
            ["in_without_out", "break_without_return"],
        ),
        (
            [("in", "08:00"), ("break", "12:00"), ("in", "13:00"), ("out", "17:00")],
            (8, 1, 0, 0),
            ["break_without_return"],
        ),
        (
            [
                ("in", "08:00"),
                ("break", "10:00"),
                ("break", "11:00"),
                ("return", "12:00"),
                ("out", "13:00"),
            ],
            (3, 2, 0, 0),
            ["break_without_return"],
        ),
        (
            [("in", "08:00"), ("return", "09:00"), ("out", "10:00")],
            (2, 0, 0, 0),
            ["return_without_break"],
        ),
        ([("return", "09:00"), ("out", "10:00")], (1, 0, 0, 0), ["punch_while_away"]),
        (
            [("break", "09:00"), ("return", "10:00"), ("out", "11:00")],
            (1, 1, 0, 0),
            ["punch_while_away"],
        ),
        ([("field", "09:00"), ("out", "11:00")], (2, 0, 0, 2), ["punch_while_away"]),
        (
            [("in", "08:00"), ("field", "10:00"), ("return", "15:00"), ("out", "16:00")],
            (8, 0, 0, 5),
            [],
        ),
        ([("in", "08:00"), ("field", "10:00"), ("out", "15:00")], (7, 0, 0, 5), []),
        ([("overtime", "08:00"), ("out", "12:00")], (4, 0, 4, 0), []),
        (
            [
                ("in", "08:00"),
                ("overtime", "17:00"),
                ("break", "18:00"),
                ("return", "18:30"),
                ("out", "20:00"),
            ],
            (11.5, 0.5, 2.5, 0),
            [],
        ),
        (
            [
                ("overtime", "08:00"),
                ("out", "09:00"),
                ("break", "10:00"),
                ("return", "11:00"),
                ("out", "12:00"),
            ],
            (2, 1, 1, 0),  # another coming: what follows is no overtime any more
            ["punch_while_away"],
        ),
        ([("in", "05:00"), ("out", "21:00")], (16, 0, 0, 0), []),
        ([("in", "05:00"), ("out", "21:01")], (16 + 1 / 60, 0, 0, 0), ["over_16_h"]),
        ([("in", "08:00"), ("out", "08:00")], (0, 0, 0, 0), []),
        ([], (0, 0, 0, 0), []),
    ],
)
def test_what_counts_and_what_is_wrong(
    told: list[tuple[str, str]], hours: tuple[float, ...], anomalies: list[str]
) -> None:
    day = walked(*told)
    assert sums(day) == pytest.approx(hours)
    assert list(day.anomalies) == anomalies


@pytest.mark.parametrize(
    ("told", "day", "hours"),
    [
        # summer time begins on March 29, and ends on October 25
        (("2026-03-28T22:00+01:00", "2026-03-29T03:30+02:00"), "2026-03-28", 4.5),
        (("2026-10-24T22:00+02:00", "2026-10-25T03:30+01:00"), "2026-10-24", 6.5),
        (("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"), "2026-10-24", 1),
        (("2024-02-28T23:00+01:00", "2024-02-29T03:00+01:00"), "2024-02-28", 4),
        (("2024-02-29T08:00+01:00", "2024-03-01T00:30+01:00"), "2024-02-29", 16.5),
        (("2026-02-28T20:00+01:00", "2026-03-01T03:00+01:00"), "2026-02-28", 7),
        (("2016-12-31T23:00+00:00", "2017-01-01T01:00+00:00"), "2016-12-31", 2),
    ],
)
def test_time_that_really_passed_counts(told: tuple[str, str], day: str, hours: float) -> None:
    came, left = told
    found = walked(("in", came), ("out", left), day=day)
    assert found.worked_ms == hours * HOUR
    assert days().of(ms(came)) == days().of(ms(left)) == date.fromisoformat(day)


def test_a_day_that_is_not_over_may_be_open() -> None:
    day = walked(("in", "08:00"), ("break", "12:00"), now="2026-03-02T12:10+01:00")
    assert (day.present, day.anomalies, day.worked_ms) == (True, (), 4 * HOUR)
    late = walked(("in", "05:00"), now="2026-03-02T23:00+01:00")
    assert (late.present, late.anomalies) == (True, ("over_16_h",))
    left = walked(("in", "05:00"), ("out", "06:00"), now="2026-03-02T23:00+01:00")
    assert (left.present, left.anomalies) == (False, ())


def test_a_clock_that_was_not_known_to_be_right_is_told() -> None:
    day = date(2026, 3, 2)
    _, end = days().span(day)
    punches = [at(1, "in", end - 2), at(2, "out", end - 1, synced=False)]
    assert summarise(WHO, day, punches, end, end).anomalies == ("clock_unsynced",)


def test_every_correction_of_the_day_is_told_in_its_order() -> None:
    day = date(2026, 3, 2)
    _, end = days().span(day)
    added = said(9, 9, "add", "in", end - 5)
    gone = said(4, 3, "void")
    found = summarise(WHO, day, [at(9, "in", end - 5, made=added)], end, end, [gone])
    assert found.corrections == (gone, added)


def brute(told: Sequence[tuple[int, PunchState]]) -> dict[str, int]:
    """Second by second, by rules written down anew: what was somebody doing, and was it known
    until when?"""
    seconds = {"work": 0, "break": 0, "field": 0, "overtime": 0}
    if not told:
        return seconds
    for second in range(told[0][0], told[-1][0]):
        doing, mode = "away", "work"
        for when, state in told:
            if when > second:
                break
            if state == "out":
                doing, mode = "away", "work"
            elif state == "return":
                doing = mode if doing != "away" else "work"
            elif state in ("break", "field"):
                doing = state
            else:
                doing = mode = "overtime" if state == "overtime" else "work"
        if doing != "away":
            seconds[doing] += 1
    return seconds


@given(
    st.lists(st.tuples(st.integers(0, 1200), st.sampled_from(STATES)), max_size=14).map(sorted),
    st.integers(0, 3_000_000_000),
)
def test_the_sums_are_those_of_counting_every_second(
    told: list[tuple[int, PunchState]], start_s: int
) -> None:
    day, begin = date(2026, 3, 2), start_s * 1000
    punches = [at(n, state, begin + 1000 * s) for n, (s, state) in enumerate(told)]
    found = summarise(WHO, day, punches, begin + 86_400_000, begin + 86_400_000)
    seconds = brute(told)
    assert found.worked_ms == 1000 * (seconds["work"] + seconds["field"] + seconds["overtime"])
    assert found.break_ms == 1000 * seconds["break"]
    assert found.field_ms == 1000 * seconds["field"]
    assert found.overtime_ms == 1000 * seconds["overtime"]
    assert set(found.anomalies) <= set(ANOMALIES)
    for before, after in pairwise(found.spans):
        assert before.end_ms <= after.begin_ms
        assert before.begin_ms < before.end_ms
