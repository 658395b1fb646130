"""A switch is believed when it is at rest, and what never rests is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.door.debounce import QUIET_S, TURNS, Bounce, look, waits_s

DEBOUNCE_S = 0.05


def watched(
    looks: list[tuple[float, bool]], debounce_s: float = DEBOUNCE_S
) -> tuple[Bounce, list[bool | None]]:
    """What is believed in the end, and all that was told on the way."""
    bounce, told = Bounce(), []
    for t_s, raw in looks:
        before = bounce.value
        bounce = look(bounce, raw, t_s, debounce_s)
        if bounce.value is not before:
            told.append(bounce.value)
    return bounce, told


def test_a_switch_is_believed_after_its_time_and_from_when_it_changed() -> None:
    bounce, told = watched([(1.0, True), (1.04, True)])
    assert told == []
    bounce = look(bounce, True, 1.05, DEBOUNCE_S)
    assert (bounce.value, bounce.since_s) == (True, 1.0)


def test_bouncing_of_a_contact_is_one_change() -> None:
    looks = [(0.0, False), (0.06, False)]
    looks += [(1 + n / 1000, n % 2 == 0) for n in range(15)]
    _, told = watched([*looks, (1.014, True), (1.2, True)])
    assert told == [False, True]


def test_what_flickers_at_1_khz_is_told_once_and_believed_when_it_is_quiet() -> None:
    looks = [(n / 2000, n % 2 == 0) for n in range(20_000)]
    bounce, told = watched([(-1.0, False), (-0.5, False), *looks])
    assert told == [False, None]
    assert bounce.flickers
    last_s = looks[-1][0]
    bounce = look(bounce, False, last_s + QUIET_S - 0.1, DEBOUNCE_S)
    assert bounce.value is None
    bounce = look(bounce, False, last_s + QUIET_S + 0.1, DEBOUNCE_S)
    assert (bounce.value, bounce.flickers) == (False, False)


def test_what_is_believed_too_often_flickers_too() -> None:
    looks = [(n / 40, n // 4 % 2 == 0) for n in range(1200)]  # ten changes a second
    bounce, told = watched(looks)
    assert bounce.flickers
    assert len(told) == TURNS + 1
    assert told[-1] is None


def test_a_door_that_is_used_often_does_not_flicker() -> None:
    looks = [(n / 10, n // 10 % 2 == 0) for n in range(600)]  # opened or shut every second
    bounce, told = watched(looks)
    assert not bounce.flickers
    assert len(told) == 60


def test_it_is_looked_at_again_when_it_may_be_believed() -> None:
    assert waits_s(Bounce(), 0.0, DEBOUNCE_S) is None
    bounce = look(Bounce(), True, 1.0, DEBOUNCE_S)
    assert waits_s(bounce, 1.02, DEBOUNCE_S) == 1.0 + DEBOUNCE_S - 1.02
    assert waits_s(bounce, 9.0, DEBOUNCE_S) == 0.0
    bounce = look(bounce, True, 1.1, DEBOUNCE_S)
    assert waits_s(bounce, 1.1, DEBOUNCE_S) is None
    assert waits_s(bounce._replace(flickers=True), 1.1, DEBOUNCE_S) == 1.0 + QUIET_S - 1.1


@given(st.lists(st.tuples(st.floats(0.0001, 3), st.booleans()), max_size=60), st.floats(0.001, 2))
def test_nothing_is_believed_that_did_not_last(
    steps: list[tuple[float, bool]], debounce_s: float
) -> None:
    bounce, t_s = Bounce(), 0.0
    since_s, raw_before = 0.0, None
    for pause_s, raw in steps:
        t_s += pause_s
        if raw != raw_before:
            since_s, raw_before = t_s, raw
        before = bounce
        bounce = look(bounce, raw, t_s, debounce_s)
        if bounce.value != before.value and bounce.value is not None:
            assert bounce.value == raw
            assert t_s - since_s >= debounce_s
            assert bounce.since_s == since_s
        assert bounce.flickers is False or bounce.value is None


@given(st.booleans(), st.floats(0.001, 2))
def test_what_rests_is_believed_in_the_end(raw: bool, debounce_s: float) -> None:
    bounce, t_s = Bounce(), 0.0
    for n in range(5000):
        t_s = n / 1000
        bounce = look(bounce, n % 2 == 0, t_s, debounce_s)
    bounce = look(bounce, raw, t_s + 0.001, debounce_s)
    bounce = look(bounce, raw, t_s + 5.0, debounce_s)
    assert bounce.value is raw
