"""What each mode lets pass, and what is left of an order after a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.door.mode import (
    LONGEST_S,
    NORMAL,
    RULES,
    Mode,
    Moment,
    Order,
    opens,
    ordered,
    read_order,
    resumed,
    write_order,
)

NOW = Moment(unix_s=1_800_000_000.0, trusted=True, boot="this", up_s=5000.0)
MODES = st.sampled_from(list(RULES))
MOMENTS = st.builds(
    Moment,
    unix_s=st.floats(0, 4e9),
    trusted=st.booleans(),
    boot=st.sampled_from(["this", "other", ""]),
    up_s=st.floats(0, 1e8),
)


def order(mode: Mode, for_s: float | None, now: Moment = NOW) -> Order:
    return ordered(mode, for_s, now, command="c" * 8, key="site", cause=None)


def later(seconds: float, now: Moment = NOW) -> Moment:
    return replace(now, unix_s=now.unix_s + seconds, up_s=now.up_s + seconds)


def rebooted(seconds: float, *, trusted: bool) -> Moment:
    return Moment(NOW.unix_s + seconds, trusted, "next", 20.0)


@pytest.mark.parametrize(
    ("mode", "by_face", "by_order"),
    [
        ("normal", True, True),
        ("locked_down", False, False),
        ("secured", False, True),
        ("open", True, True),
    ],
)
def test_what_opens_the_door_in_each_mode(mode: Mode, by_face: bool, by_order: bool) -> None:
    assert (opens(mode, "recognised"), opens(mode, "ordered")) == (by_face, by_order)
    assert RULES[mode].held == (mode == "open")


def test_an_order_ends_when_its_time_is_up_and_not_before() -> None:
    given = order("open", 60)
    assert not given.is_over(later(59.9))
    assert given.is_over(later(60))
    assert given.until_s == NOW.unix_s + 60


def test_an_order_without_a_time_and_the_normal_mode_have_no_end() -> None:
    assert not order("locked_down", None).is_over(later(1e9))
    assert order("normal", 60).for_s is None


def test_a_wall_clock_that_is_set_ends_nothing_and_prolongs_nothing() -> None:
    given = order("open", 60)
    assert not given.is_over(replace(later(30), unix_s=4e9))
    assert given.is_over(replace(later(60), unix_s=0))


@pytest.mark.parametrize("mode", ["locked_down", "secured"])
@pytest.mark.parametrize("trusted", [True, False])
def test_what_keeps_the_door_shut_without_an_end_goes_on_for_ever(
    mode: Mode, trusted: bool
) -> None:
    given = order(mode, None)
    assert resumed(given, rebooted(1e8, trusted=trusted)) == given


def test_a_door_that_is_open_without_an_end_does_not_open_again() -> None:
    assert resumed(order("open", None), later(1)) == NORMAL


@pytest.mark.parametrize("mode", ["locked_down", "secured", "open"])
def test_within_one_start_of_the_machine_the_same_order_goes_on(mode: Mode) -> None:
    given = order(mode, 60)
    assert resumed(given, replace(later(59), trusted=False)) == given
    assert resumed(given, later(60)) == NORMAL


@pytest.mark.parametrize("mode", ["locked_down", "secured", "open"])
def test_after_a_power_cut_what_is_left_goes_on_by_a_trusted_clock(mode: Mode) -> None:
    now = rebooted(40, trusted=True)
    rest = resumed(order(mode, 60), now)
    assert rest.mode == mode
    assert not rest.is_over(later(19.9, now))
    assert rest.is_over(later(20.1, now))
    assert resumed(order(mode, 60), rebooted(61, trusted=True)) == NORMAL


def test_after_a_power_cut_with_an_unknown_time_an_open_door_stays_shut() -> None:
    assert resumed(order("open", 3600), rebooted(1, trusted=False)) == NORMAL


def test_after_a_power_cut_with_an_unknown_time_a_lockdown_goes_on_for_its_whole_time() -> None:
    now = rebooted(3000, trusted=False)
    rest = resumed(order("locked_down", 3600), now)
    assert not rest.is_over(later(3599, now))
    assert rest.is_over(later(3601, now))


def test_a_clock_that_was_far_ahead_does_not_prolong_an_order() -> None:
    ahead = replace(NOW, unix_s=NOW.unix_s + 1e8)
    rest = resumed(order("open", 60, ahead), rebooted(10, trusted=True))
    assert rest.is_over(replace(rebooted(10, trusted=True), up_s=20.0 + 60))


def test_an_end_by_a_clock_that_nobody_trusted_is_none_after_a_power_cut() -> None:
    ago = replace(NOW, unix_s=NOW.unix_s - 2 * 86_400, trusted=False)  # no network since Friday
    left = resumed(order("locked_down", 86_400, ago), rebooted(60, trusted=True))
    assert (left.mode, left.over_s) == ("locked_down", 20.0 + 86_400)
    assert resumed(order("open", 86_400, ago), rebooted(60, trusted=True)) == NORMAL
    ahead = replace(NOW, unix_s=NOW.unix_s + 86_400, trusted=False)
    assert resumed(order("open", 600, ahead), rebooted(599, trusted=True)) == NORMAL
    # from then on it is counted by the clock that is trusted
    again = resumed(left, Moment(NOW.unix_s + 60 + 80_000, True, "third", 5.0))
    assert again.over_s == pytest.approx(5.0 + 6_400)


def test_nobody_knows_which_start_it_is_so_it_is_taken_for_another() -> None:
    nameless = replace(NOW, boot="", trusted=False)
    assert resumed(order("open", 60, nameless), nameless) == NORMAL


@given(MODES, st.none() | st.floats(1, LONGEST_S), MOMENTS, MOMENTS)
def test_a_restart_never_opens_what_was_shut_and_never_prolongs_an_opening(
    mode: Mode, for_s: float | None, then: Moment, now: Moment
) -> None:
    given = order(mode, for_s, then)
    rest = resumed(given, now)
    assert rest.mode in (mode, "normal")
    if rest.mode == "open":
        assert for_s is not None
        assert rest.over_s is not None
        assert rest.over_s - now.up_s <= for_s + then.up_s
        assert now.trusted or now.boot == then.boot != ""


@given(MODES, st.none() | st.floats(1, LONGEST_S), MOMENTS)
def test_an_order_survives_being_written(mode: Mode, for_s: float | None, then: Moment) -> None:
    assert read_order(write_order(order(mode, for_s, then))) == order(mode, for_s, then)


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(write_order(order("open", 60))) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"v": 1}',
        "[" * 100_000,
        changed(v=2),
        changed(mode="ajar"),
        changed(mode=["open"]),
        changed(more=1),
        changed(until_s="soon"),
        changed(over_s=float("nan")),
        changed(for_s=True),
        changed(for_s=1e9),
        changed(for_s=-1),
        changed(boot=7),
        changed(sure=1),
        changed(cause={}),
    ],
)
def test_a_damaged_note_is_no_order(text: str) -> None:
    assert read_order(text) is None
