"""Which punch a presentation is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.attendance.choose import Choice, choose, next_of
from edged.attendance.punch import STATES, Punch
from tests.attendance.makers import WHO, at, identity

if TYPE_CHECKING:
    from edged.config.attendance import PunchState

NOON = 1_900_000_000_000
MINUTE = 60_000


def chosen(last: Punch | None = None, after_ms: int = 0, **more: Any) -> Choice:
    given_: dict[str, Any] = {
        "key": None,
        "timetable": None,
        "role": "toggle",
        "fold_ms": MINUTE,
    } | more
    return choose(NOON + after_ms, last, **given_)


def test_a_key_goes_over_the_timetable_and_that_over_the_role() -> None:
    assert chosen(key="field", timetable="break", role="out") == Choice("field", "key")
    assert chosen(timetable="break", role="out") == Choice("break", "timetable")
    assert chosen(role="out") == Choice("out", "role")
    assert chosen() == Choice("in", "role")


@pytest.mark.parametrize(
    ("last", "following"),
    [
        (None, "in"),
        ("in", "out"),
        ("out", "in"),
        ("break", "return"),
        ("return", "out"),
        ("field", "return"),
        ("overtime", "out"),
    ],
)
def test_toggle_is_what_follows_the_last_punch(
    last: PunchState | None, following: PunchState
) -> None:
    assert next_of(last) == following
    before = None if last is None else at(1, last, NOON)
    assert chosen(before, 2 * MINUTE).state == following


@pytest.mark.parametrize("after_ms", [-2000, 0, 1, MINUTE - 1])
def test_who_comes_again_soon_means_the_same(after_ms: int) -> None:
    last = at(7, "break", NOON, count=3)
    again = Choice("break", "repeat", identity(7), 4)
    assert chosen(last, after_ms) == again
    assert chosen(last, after_ms, key="break") == again
    assert chosen(last, after_ms, timetable="in", role="in") == again


@pytest.mark.parametrize("after_ms", [-2001, MINUTE, 365 * 86_400_000, -365 * 86_400_000])
def test_later_or_before_a_clock_that_jumped_it_is_a_punch_of_its_own(after_ms: int) -> None:
    assert chosen(at(7, "in", NOON), after_ms) == Choice("out", "role")


def test_a_key_for_something_else_is_never_folded() -> None:
    assert chosen(at(7, "in", NOON), 1, key="break") == Choice("break", "key")


def test_nothing_is_folded_where_that_is_switched_off() -> None:
    assert chosen(at(7, "in", NOON), 1, fold_ms=0) == Choice("out", "role")


@given(
    st.lists(
        st.tuples(st.integers(0, 90_000), st.sampled_from([None, *STATES])), min_size=1, max_size=60
    ),
    st.sampled_from(["in", "out", "toggle"]),
    st.sampled_from([0, 1, 5_000, MINUTE, 3_600_000]),
)
def test_folding_loses_no_presentation(
    steps: list[tuple[int, PunchState | None]], role: str, fold_ms: int
) -> None:
    """The counts of all punches make up as many as came, and each punch is within its window."""
    now, last = NOON, None
    punches: dict[str, list[int]] = {}
    for number, (later_ms, key) in enumerate(steps):
        now += later_ms
        one = choose(now, last, key=key, timetable=None, role=role, fold_ms=fold_ms)  # type: ignore[arg-type]
        if one.folds is None:
            assert one.count == 1
            last = Punch(identity(number), WHO, one.state, now)
        else:
            assert last is not None
            assert one.folds == last.id
            assert one.count == last.count + 1
            last = Punch(last.id, WHO, one.state, last.ms, one.count)
        punches.setdefault(last.id, []).append(now)
        assert last.count == len(punches[last.id])
    assert sum(map(len, punches.values())) == len(steps)
    assert all(times[-1] - times[0] < max(1, fold_ms) for times in punches.values())
