"""What repeats every year, held against a library that knows all of the standard."""

from __future__ import annotations

from datetime import date, datetime
from itertools import takewhile
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.access.yearly import LAST_YEAR, Budget, repeated
from edged.errors import RulesError


def parts(text: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for part in text.split(";"):
        name, _, values = part.partition("=")
        found[name] = list(values.split(","))
    if "UNTIL" in found:
        found["UNTIL"] = [datetime.strptime(found["UNTIL"][0], "%Y%m%d").date()]  # noqa: DTZ007
    return found


def expected(start: date, rule: str) -> list[date]:
    begin = datetime(start.year, start.month, start.day)  # noqa: DTZ001
    found = rrulestr(rule, dtstart=begin)
    return [one.date() for one in takewhile(lambda one: one.year <= LAST_YEAR, found)]


RULES = [
    "FREQ=YEARLY",
    "FREQ=YEARLY;INTERVAL=4",
    "FREQ=YEARLY;COUNT=5",
    "FREQ=YEARLY;UNTIL=20331231",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
    "FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO;WKST=SU",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;INTERVAL=4",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYDAY=-1SU,1MO",
    "FREQ=YEARLY;BYMONTHDAY=-1",
    "FREQ=YEARLY;BYMONTHDAY=1,15;COUNT=30",
    "FREQ=YEARLY;BYMONTH=2",
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("start", [date(2026, 1, 1), date(2024, 2, 29), date(2026, 11, 26)])
def test_a_rule_means_what_the_standard_says(start: date, rule: str) -> None:
    found = list(repeated(start, parts(rule), Budget(200_000)))
    wanted = expected(start, rule)
    if start in wanted:
        assert found == wanted
    else:  # the first day counts in any case, and as the first of COUNT
        assert found[0] == start
        assert found[1:] == wanted[: len(found) - 1]
        assert len(found) - 1 == len(wanted) - ("COUNT" in rule)


days = st.dates(date(1990, 1, 1), date(2060, 1, 1))


@st.composite
def rules(draw: st.DrawFn) -> str:
    found = ["FREQ=YEARLY"]
    months = draw(st.lists(st.integers(1, 12), max_size=3, unique=True))
    # The library would look for a 30 February until the year 9999.
    monthdays = draw(st.lists(st.integers(-28, 28).filter(bool), max_size=3, unique=True))
    # A mixture of both is a union, which the library takes for an intersection.
    counted = not monthdays and draw(st.booleans())
    numbers = ["1", "2", "-1", "+3"] if counted else [""]
    weekdays = draw(
        st.lists(
            st.builds(
                lambda n, d: f"{n}{d}",
                st.sampled_from(numbers),
                st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]),
            ),
            max_size=2,
            unique=True,
        )
    )
    for name, values in (("BYMONTH", months), ("BYMONTHDAY", monthdays), ("BYDAY", weekdays)):
        if values:
            found.append(f"{name}={','.join(map(str, values))}")
    if draw(st.booleans()):
        found.append(f"INTERVAL={draw(st.integers(1, 5))}")
    if draw(st.booleans()):
        found.append(f"UNTIL={draw(days):%Y%m%d}")
    return ";".join(found)


@given(days, rules())
@settings(max_examples=40, deadline=None)
def test_any_yearly_rule_means_what_the_standard_says(start: date, rule: str) -> None:
    wanted = expected(start, rule)
    found = list(repeated(start, parts(rule), Budget(1_000_000)))
    assert found == sorted({start, *wanted})


def test_the_work_for_one_file_is_bounded() -> None:
    budget = Budget(1000)
    with pytest.raises(RulesError, match="too many days"):
        list(repeated(date(1, 1, 1), parts("FREQ=YEARLY;BYDAY=MO"), budget))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"FREQ": ["YEARLY", "DAILY"]}, "repeats YEARLY, DAILY"),
        ({}, "repeats nothing"),
        ({"FREQ": ["YEARLY"], "COUNT": ["many"]}, "COUNT of its RRULE is no number"),
        ({"FREQ": ["YEARLY"], "COUNT": [None]}, "COUNT of its RRULE is no number"),
        ({"FREQ": ["YEARLY"], "COUNT": [0]}, "COUNT of its RRULE is out of bounds"),
        ({"FREQ": ["YEARLY"], "INTERVAL": [10**9]}, "INTERVAL of its RRULE is out of bounds"),
        ({"FREQ": ["YEARLY"], "UNTIL": ["soon"]}, "UNTIL of its RRULE is no date"),
        ({"FREQ": ["YEARLY"], "BYDAY": ["XX"]}, "BYDAY of its RRULE is no weekday"),
        ({"FREQ": ["YEARLY"], "BYDAY": ["9999MO"]}, "BYDAY of its RRULE is no weekday"),
        ({"FREQ": ["YEARLY"], "BYDAY": ["--MO"]}, "BYDAY of its RRULE is no weekday"),
        ({"FREQ": ["YEARLY"], "X" * 900: [1]}, "X is not understood"),
    ],
)
def test_what_is_no_rule_is_told_briefly(rule: dict[str, list[Any]], text: str) -> None:
    with pytest.raises(RulesError) as caught:
        list(repeated(date(2026, 1, 1), rule, Budget(1000)))
    assert text in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_rule_that_ends_at_a_moment_ends_on_its_day() -> None:
    rule = {"FREQ": ["YEARLY"], "UNTIL": [datetime(2028, 1, 1, 12)]}  # noqa: DTZ001
    found = list(repeated(date(2026, 1, 1), rule, Budget(1000)))
    assert found == [date(2026, 1, 1), date(2027, 1, 1), date(2028, 1, 1)]
