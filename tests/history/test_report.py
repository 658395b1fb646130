"""Counts with their bounds, and a sentence where a hint does not help."""

from __future__ import annotations

import json
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.history.report import Share, report
from edged.history.store import Kept, Shown


def kept(ended: str, *hints: Shown) -> Kept:
    return Kept(ended, hints)


def dark(gain: float | None, *, rose: bool = False) -> Shown:
    return Shown("more_light", gain, rose)


def test_the_bounds_are_those_of_wilson() -> None:
    low, high = Share(8, 10).bounds
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert Share(0, 0).bounds == (0.0, 1.0)
    assert Share(0, 0).value is None
    assert (str(Share(0, 0)), str(Share(8, 10))) == ("-", "80% (49%-94%)")


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_share_lies_within_its_bounds(events: int, others: int) -> None:
    share = Share(events, events + others)
    low, high = share.bounds
    assert 0 <= low <= high <= 1
    if share.value is not None:
        assert low - 1e-12 <= share.value <= high + 1e-12
    json.dumps(share.document(), allow_nan=False)


def test_what_was_shown_most_comes_first_and_each_presentation_counts_once() -> None:
    still = Shown("hold_still", 0.1, rose=True)
    found = report(
        [
            kept("granted", dark(0.2, rose=True), dark(0.0)),
            kept("left", dark(None)),
            kept("denied", still),
            kept("granted"),
        ]
    )
    assert found.presentations == 4
    assert (found.without.events, found.without.of) == (1, 1)
    light, other = found.hints
    assert (light.code, light.shown, light.gain) == ("more_light", 3, pytest.approx(0.1))
    assert (light.rose.events, light.rose.of) == (1, 2)
    assert (light.granted.events, light.granted.of) == (1, 2)
    assert other.code == "hold_still"


def test_a_hint_that_does_not_help_is_named_with_what_to_do() -> None:
    found = report([kept("left", dark(0.0)) for _ in range(20)])
    (sentence,) = found.sentences
    assert sentence.startswith("more_light does not help here: after 20 the quality rose 0 times")
    assert "put a lamp above the door" in sentence


def test_a_few_times_prove_nothing_and_half_is_no_failure() -> None:
    assert report([kept("left", dark(0.0)) for _ in range(19)]).sentences == []
    half = [kept("left", dark(0.2 * (n % 2), rose=bool(n % 2))) for n in range(40)]
    assert report(half).sentences == []


def test_a_hint_without_a_known_cause_gets_general_advice() -> None:
    found = report([kept("left", Shown("retake", 0.0, rose=False))] * 25)
    assert "installer's page" in found.sentences[0]


def test_an_empty_history_is_no_fault() -> None:
    found = report([])
    assert (found.presentations, found.hints, found.sentences) == (0, (), [])


@given(
    st.lists(
        st.builds(
            Kept,
            st.sampled_from(["granted", "denied", "left"]),
            st.lists(
                st.builds(
                    Shown,
                    st.sampled_from(["more_light", "retake"]),
                    st.none() | st.floats(-1, 1),
                    st.booleans(),
                ),
                max_size=4,
            ).map(tuple),
        )
    )
)
def test_nothing_is_counted_twice(presentations: list[Kept]) -> None:
    found = report(presentations)
    assert sum(h.shown for h in found.hints) == sum(len(one.hints) for one in presentations)
    for hint in found.hints:
        assert hint.rose.events <= hint.rose.of <= hint.shown
        assert hint.granted.of <= len(presentations)
        assert hint.gain is None or isfinite(hint.gain)
