"""What the timetable wants at a moment."""

from __future__ import annotations

import pytest

from edged.config.door import ModeSpan
from edged.door.timetable import Wish, noticed, wished

HOUR = 3600.0
YEAR = 365 * 86_400.0


class Days:
    """Schedules by name: from and to which hour of each day since 1970."""

    def __init__(self, **hours: tuple[int, int]) -> None:
        self._hours = hours

    def in_force(self, name: str, at: float) -> bool:
        begin, end = self._hours[name]
        return begin <= at % 86_400 / HOUR < end

    def began(self, name: str, at: float) -> float | None:
        begin, end = self._hours[name]
        if (begin, end) == (0, 24):
            return None
        return at // 86_400 * 86_400 + begin * HOUR

    def next_change(self, name: str, at: float) -> float | None:
        begin, end = self._hours[name]
        if (begin, end) == (0, 24):
            return None
        day = at // 86_400 * 86_400
        return day + (end if self.in_force(name, at) else begin) * HOUR


DAYS = Days(office=(8, 18), lunch=(12, 13), evening=(17, 22), always=(0, 24))


def span(mode: str, when: str, *first_in: str) -> ModeSpan:
    return ModeSpan.model_validate({"mode": mode, "when": when, "first_in": first_in})


def at(hour: float, *spans: ModeSpan, sure: bool = True, **seen: float) -> Wish:
    return wished(spans, DAYS, hour * HOUR, seen, sure=sure)


def test_outside_of_all_spans_it_wants_nothing() -> None:
    assert at(7, span("open", "office")) == Wish("normal")
    assert at(7) == Wish("normal")


def test_a_span_holds_until_its_schedule_changes() -> None:
    assert at(9, span("open", "office")) == Wish("open", 18 * HOUR)
    assert at(9, span("secured", "always")) == Wish("secured", None)


def test_of_several_spans_what_keeps_the_door_shut_wins_and_the_longest_counts() -> None:
    spans = (span("open", "office"), span("secured", "lunch"), span("open", "evening"))
    assert at(12.5, *spans) == Wish("secured", 13 * HOUR)
    assert at(17.5, *spans) == Wish("open", 22 * HOUR)
    assert at(9, span("secured", "office"), span("secured", "always")) == Wish("secured", None)


def test_without_knowing_the_time_no_span_opens_and_all_others_hold() -> None:
    spans = (span("open", "office"), span("locked_down", "lunch"))
    assert at(9, *spans, sure=False) == Wish("normal")
    assert at(12.5, *spans, sure=False).mode == "locked_down"


def test_it_opens_only_once_the_first_are_in() -> None:
    one = span("open", "office", "staff", "keyholders")
    assert at(9, one) == Wish("normal")
    seen = noticed([one], DAYS, ["visitors"], 9 * HOUR)
    assert seen == {}
    seen = noticed([one], DAYS, ["visitors", "staff"], 9 * HOUR)
    assert at(9, one, **seen).mode == "open"
    assert at(17.9, one, **seen).mode == "open"
    assert at(24 + 9, one, **seen).mode == "normal"  # the next day somebody comes first again
    assert noticed([one], DAYS, ["staff"], 7 * HOUR) == {}


@pytest.mark.parametrize("jump_s", [-YEAR, YEAR])
def test_a_clock_that_jumps_by_a_year_opens_nothing_by_who_came_before(jump_s: float) -> None:
    one = span("open", "office", "staff")
    now = 2 * YEAR + 9 * HOUR
    seen = noticed([one], DAYS, ["staff"], now)
    assert wished([one], DAYS, now, seen, sure=True).mode == "open"
    assert wished([one], DAYS, now + jump_s, seen, sure=True).mode == "normal"


def test_a_span_that_never_began_is_open_once_somebody_came() -> None:
    one = span("open", "always", "staff")
    seen = noticed([one], DAYS, ["staff"], 9 * HOUR)
    assert at(9000, one, **seen).mode == "open"
