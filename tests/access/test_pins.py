"""Whoever guesses rests, each time longer, over a restart too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.access.pins import Guard, LockedOut

READER, ADA, BOB = "reader/keypad", "person/ada", "person/bob"


def test_of_unknown_cards_it_takes_five_times_as_many() -> None:
    guard = Guard(3, 15, 3600)
    for second in range(14):
        assert guard.wrong(["reader"], float(second), card=True) == []
    assert not guard.resting(["reader"], 14.0)
    (began,) = guard.wrong(["reader"], 14.0, card=True)
    assert began.rest_s == 15
    assert guard.resting(["reader"], 15.0)


def guard(tries: int = 3, rest_s: float = 15, longest_rest_s: float = 3600) -> Guard:
    return Guard(tries, rest_s, longest_rest_s)


def lock_out(it: Guard, now_s: float, *whose: str, tries: int = 3) -> list[LockedOut]:
    for _ in range(tries - 1):
        assert it.wrong(whose, now_s) == []
    return it.wrong(whose, now_s)


def test_so_many_wrong_ones_begin_a_rest_of_each_that_is_told_once() -> None:
    it = guard()
    assert not it.resting([READER, ADA], 0)
    assert lock_out(it, 0, READER, ADA) == [LockedOut(READER, 15, 0), LockedOut(ADA, 15, 0)]
    assert it.resting([READER], 14.9)
    assert it.resting([BOB, ADA], 14.9)
    assert not it.resting([BOB], 0)
    assert not it.resting([READER, ADA], 15)


def test_each_rest_is_twice_as_long_up_to_the_longest() -> None:
    it, now_s = guard(longest_rest_s=100), 0.0
    lengths = []
    for _ in range(5):
        (rest,) = lock_out(it, now_s, READER)
        lengths.append(rest.rest_s)
        now_s += rest.rest_s
    assert lengths == [15, 30, 60, 100, 100]


def test_tries_during_a_rest_are_told_of_with_the_next_one() -> None:
    it = guard()
    lock_out(it, 0, READER)
    for _ in range(7):
        assert it.resting([READER], 5)
    assert lock_out(it, 20, READER) == [LockedOut(READER, 30, 7)]


def test_who_was_not_wrong_for_long_begins_anew() -> None:
    it = guard(longest_rest_s=100)
    lock_out(it, 0, READER)
    assert lock_out(it, 115, READER)[0].rest_s == 15
    it.wrong([ADA], 200)
    it.wrong([ADA], 200)
    assert it.wrong([ADA], 300) == []


def test_a_right_one_clears_the_person_and_eases_the_reader_only_a_little() -> None:
    it = guard()
    it.wrong([READER, ADA], 0)
    it.wrong([READER, ADA], 0)
    assert it.right(ADA, READER)
    assert it.wrong([READER, ADA], 1) == []
    assert it.wrong([READER, ADA], 1) == [LockedOut(READER, 15, 0)]


def test_nobody_guesses_for_ever_with_a_pin_of_their_own_in_between() -> None:
    it = guard()
    began = 0
    for now_s in range(0, 2000, 100):
        if it.resting([READER, ADA], now_s):
            continue
        began += len(it.wrong([READER, ADA], now_s))
        began += len(it.wrong([READER, ADA], now_s))
        it.right(BOB, READER)
    assert began


def test_right_ones_shorten_the_next_rest_of_a_reader() -> None:
    it = guard()
    lock_out(it, 0, READER)
    lock_out(it, 20, READER)
    assert it.right(ADA, READER)
    assert lock_out(it, 60, READER)[0].rest_s == 30
    for _ in range(3):
        it.right(ADA, READER)
    assert not it.right(ADA, READER)
    assert lock_out(it, 200, READER)[0].rest_s == 15


def test_a_right_one_of_whom_nothing_is_known_changes_nothing() -> None:
    it = guard()
    assert not it.right(ADA, READER)
    it.wrong([ADA], 0)
    assert it.right(ADA, READER)


@pytest.mark.parametrize(("wall_s", "left_s"), [(1010.0, 5), (900.0, 15), (None, 15), (9e9, 0)])
def test_a_rest_goes_on_after_a_restart(wall_s: float | None, left_s: float) -> None:
    before, after = guard(), guard()
    lock_out(before, 500, READER)
    assert after.read(before.written(500, 1000.0), 3.0, wall_s)
    assert after.resting([READER], 3.0) is (left_s > 0)
    assert not after.resting([READER], 3.0 + left_s)
    assert lock_out(after, 3.0 + left_s, READER)[0].rest_s == (30 if left_s else 15)


def test_wrong_ones_count_on_after_a_restart() -> None:
    before, after = guard(), guard()
    before.wrong([ADA], 500)
    before.wrong([ADA], 500)
    assert after.read(before.written(500, 1000.0), 3.0, 1001.0)
    assert after.wrong([ADA], 3.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        '{"v":1,"wall":0}',
        '{"v":1,"wall":0,"counts":[]}',
        '{"v":1,"wall":"x","counts":{"a":[1,1,1]}}',
        '{"v":1,"wall":NaN,"counts":{"a":[1,1,1]}}',
        '{"v":1,"wall":0,"counts":{"a":[1,1]}}',
        '{"v":1,"wall":0,"counts":{"a":[1,1,"x"]}}',
        '{"v":1,"wall":0,"counts":{"a":[1,1,NaN]}}',
        '{"v":1,"wall":0,"counts":{"a":[1.5,1,1]}}',
        '{"v":1,"wall":0,"counts":{"a":[true,1,1]}}',
        '{"v":1,"wall":0,"counts":{"a":[-1,1,1]}}',
        '{"v":1,"wall":0,"counts":{"a":[1,-1,1]}}',
        "[" * 100_000,
    ],
)
def test_garbage_is_refused_and_changes_nothing(text: str) -> None:
    it = guard()
    lock_out(it, 0, READER)
    assert not it.read(text, 0, 0.0)
    assert it.resting([READER], 5)


def test_no_note_has_anybody_rest_for_longer_than_the_longest() -> None:
    it = guard(longest_rest_s=100)
    text = json.dumps({"v": 1, "wall": 0, "counts": {READER: [0, 1, 1e12]}})
    assert it.read(text, 0, 0.0)
    assert it.resting([READER], 99)
    assert not it.resting([READER], 100)


def test_counts_are_bounded_and_the_oldest_go_first() -> None:
    it = guard()
    lock_out(it, 0, READER)
    it.resting([READER], 1)
    for number in range(2000):
        it.wrong([f"person/{number}"], 1)
    assert not it.resting([READER], 1)
    assert len(it.written(1, 0)) < 65_536 * 2


moves: Any = st.lists(
    st.tuples(st.sampled_from(["wrong", "right", "wait"]), st.floats(0, 200)), max_size=60
)


@given(moves)
def test_so_many_wrong_ones_within_the_longest_rest_always_begin_one(
    steps: list[tuple[str, float]],
) -> None:
    it, now_s, last_s, looked = guard(longest_rest_s=60), 0.0, 0.0, 0
    for what, after_s in steps:
        now_s += after_s
        if it.resting([ADA], now_s):
            continue
        if what == "right":
            it.right(ADA, READER)
            looked = 0
        elif what == "wrong":
            looked = 1 if now_s - last_s >= 60 else looked + 1
            last_s = now_s
            began = it.wrong([ADA], now_s)
            assert bool(began) is (looked == 3)
            if began:
                assert 15 <= began[0].rest_s <= 60
                assert it.resting([ADA], now_s)
                looked, last_s = 0, now_s + began[0].rest_s
