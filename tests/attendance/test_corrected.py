"""What corrections make of punches, in whatever order they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.attendance.corrected import Corrections, effective
from edged.attendance.punch import (
    STATES,
    Correction,
    Punch,
    Repeat,
    read_correction,
    read_punch,
)
from tests.attendance.makers import WHO, at, identity, said

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

DAY = (1_000_000, 2_000_000)
OTHER_DAY = (2_000_000, 3_000_000)


def now(
    told: Iterable[Punch | Repeat], *corrections: Correction, span: tuple[int, int] = DAY
) -> list[tuple[str, str, int, int]]:
    """Id, state, time and count of what counts."""
    found, _ = effective(told, Corrections(corrections), *span)
    return [(one.id, one.state, one.ms, one.count) for one in found]


def test_repeats_are_counted_and_are_no_punches() -> None:
    told = [at(1, "in", DAY[0]), Repeat(WHO, identity(1)), Repeat(WHO, identity(1))]
    assert now(told) == [(identity(1), "in", DAY[0], 3)]
    assert now([Repeat(WHO, identity(1))]) == []  # of the day before


def test_a_repeat_that_was_recorded_late_counts_too() -> None:
    late = said(9, 9, "add", "in", DAY[1] + 5, folds=identity(1))
    told = [at(1, "in", DAY[0]), Repeat(WHO, identity(1))]
    assert now(told, late) == [(identity(1), "in", DAY[0], 3)]
    assert now([], late, span=OTHER_DAY) == []


def test_a_punch_is_replaced_moved_away_added_and_made_void() -> None:
    told = [at(1, "in", DAY[0]), at(2, "out", DAY[0] + 10)]
    replaced = said(5, 1, "replace", "in", DAY[0] + 5)
    assert now(told, replaced) == [
        (identity(1), "in", DAY[0] + 5, 1),
        (identity(2), "out", DAY[0] + 10, 1),
    ]
    moved = said(6, 1, "replace", "in", OTHER_DAY[0])
    assert now(told, replaced, moved) == [(identity(2), "out", DAY[0] + 10, 1)]
    assert now([], replaced, moved, span=OTHER_DAY) == [(identity(1), "in", OTHER_DAY[0], 1)]
    void = said(7, 1, "void")
    assert now(told, replaced, void) == [(identity(2), "out", DAY[0] + 10, 1)]
    back = said(8, 1, "replace", "overtime", DAY[0])
    assert now(told, void, back)[0] == (identity(1), "overtime", DAY[0], 1)
    added = said(9, 9, "add", "break", DAY[0] + 7)
    assert now(told, added)[1] == (identity(9), "break", DAY[0] + 7, 1)
    assert now(told, added, said(10, 9, "void")) == now(told)
    assert now(told, added, said(10, 9, "replace", "field", DAY[0] + 8))[1][:3] == (
        identity(9),
        "field",
        DAY[0] + 8,
    )


def test_what_took_a_punch_away_is_told_on_its_day_and_what_brought_it_on_the_other() -> None:
    told = [at(1, "in", DAY[0], synced=False), at(2, "out", DAY[0] + 10)]
    moved, void = said(6, 1, "replace", "in", OTHER_DAY[0]), said(7, 2, "void")
    _, gone = effective(told, Corrections([moved, void]), *DAY)
    assert gone == [moved, void]
    found, gone = effective([], Corrections([moved, void]), *OTHER_DAY)
    assert [one.made for one in found] == [moved]
    assert gone == []


def test_a_corrected_punch_keeps_how_the_clock_was() -> None:
    told = [at(1, "in", DAY[0], synced=False)]
    found, _ = effective(told, Corrections([said(5, 1, "replace", "out", DAY[0])]), *DAY)
    assert [one.synced for one in found] == [False]


PUNCHES = [
    at(n, STATES[n % 6], DAY[0] + 1000 * n, person=("a", "b", "c")[n % 3]) for n in range(12)
]


@st.composite
def histories(draw: st.DrawFn) -> list[Correction]:
    told: list[Correction] = []
    for seq in range(20, 20 + draw(st.integers(0, 12))):
        roots = [*range(12), *(int(one.id, 16) for one in told if one.action == "add")]
        action = draw(st.sampled_from(["add", "replace", "void"]))
        root = seq if action == "add" else draw(st.sampled_from(roots))
        known = {int(one.id, 16): one.person for one in [*PUNCHES, *told]}
        person = known.get(root, "a")
        if action == "void":
            told.append(said(seq, root, action, person=person))
        else:
            state = draw(st.sampled_from(STATES))
            when = draw(st.integers(DAY[0], DAY[1] - 1))
            told.append(said(seq, root, action, state, when, person=person))
    return told


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_in_which_corrections_are_told_changes_nothing(
    told: list[Correction], dice: random.Random
) -> None:
    mixed = list(told)
    dice.shuffle(mixed)
    assert effective(PUNCHES, Corrections(mixed), *DAY) == effective(
        PUNCHES, Corrections(told), *DAY
    )


@given(histories())
def test_of_each_punch_the_last_correction_counts_and_none_is_invented(
    told: list[Correction],
) -> None:
    standing: dict[str, tuple[str, str, int]] = {
        one.id: (one.person, one.state, one.ms) for one in PUNCHES
    }
    for one in told:
        if one.state is None or one.ms is None:
            standing.pop(one.root, None)
        else:
            standing[one.root] = one.person, one.state, one.ms
    found, _ = effective(PUNCHES, Corrections(told), *DAY)
    assert {one.id: (one.person, one.state, one.ms) for one in found} == standing
    assert [(one.person, one.ms) for one in found] == sorted((one.person, one.ms) for one in found)


SAID: dict[str, Any] = {
    "person_id": WHO,
    "action": "replace",
    "punch": identity(1),
    "state": "in",
    "time": "2026-03-02T07:00:00.000Z",
    "by": "command",
    "who": "hr-7",
    "why": "forgot",
    "command": "jti",
    "key": "controller",
}


def test_a_correction_is_read_with_who_made_it() -> None:
    read = read_correction(identity(5), 5, SAID)
    assert read is not None
    assert (read.root, read.by, read.why) == (identity(1), "hr-7, controller", "forgot")
    added = read_correction(
        identity(6),
        6,
        {**SAID, "action": "add", "punch": None, "who": None, "key": None, "by": "terminal"}
        | {"folds": identity(2)},
    )
    assert added is not None
    assert (added.root, added.by, added.folds) == (identity(6), "terminal", identity(2))
    void = read_correction(identity(7), 7, {**SAID, "action": "void", "state": None, "time": None})
    assert void is not None
    assert (void.state, void.ms) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"person_id": None},
        {"person_id": 7},
        {"action": "erase"},
        {"action": []},
        {"state": "asleep"},
        {"time": "yesterday"},
        {"time": None},
    ],
)
def test_garbage_is_no_correction(change: dict[str, Any]) -> None:
    assert read_correction(identity(5), 5, SAID | change) is None
    assert read_correction(identity(5), 5, {}) is None


def test_a_punch_is_read_and_garbage_is_none() -> None:
    data = {"person_id": WHO, "state": "in", "count": 1}
    assert read_punch(identity(1), 5, False, data) == at(1, "in", 5, synced=False)
    assert read_punch(identity(2), 5, True, {**data, "folds": identity(1)}) == Repeat(
        WHO, identity(1)
    )
    assert read_punch(identity(1), 5, True, {}) is None
    assert read_punch(identity(1), 5, True, {**data, "state": "asleep"}) is None
