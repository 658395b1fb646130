"""What is asked of people who are marked as resembling somebody else in the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.policy import (
    DUPLICATE_FPIR,
    LOOKALIKE_SHARE,
    false_positive_rate,
    fmr_at,
)
from edged.decision.presentation import Kind, Outcome, Phase, Presentation, Rule
from edged.testing.builders import CURVE, fused, observation, policy
from edged.types import Candidate, Match

if TYPE_CHECKING:
    from edged.decision.policy import Policy

PEOPLE = 100


def match(first: float, second: float | None, *, marked: bool = True) -> Match:
    """The best candidate, marked as a lookalike or not, and perhaps a second."""
    others = () if second is None else (Candidate("p2", second, marked),)
    return Match((Candidate("p1", first, marked), *others), PEOPLE)


def outcomes(rules: Policy, found: Match, frames: int = 40) -> list[Outcome]:
    """What a presentation comes to whose every frame says the same."""
    told, state = [], Presentation(rules)
    for number in range(frames):
        step = state.step(observation(number * 0.1, seq=number), fused(found, views=number + 1))
        if step.outcome is not None:
            told.append(step.outcome)
    return told


GRANT = policy().thresholds(PEOPLE).grant
CLEAR = GRANT + 0.2


def test_a_marked_person_is_let_in_with_the_wider_lead() -> None:
    rules = policy(margin=0.03, lookalikes="margin", lookalike_margin=0.1)
    (outcome,) = outcomes(rules, match(CLEAR, CLEAR - 0.11))
    assert (outcome.kind, outcome.reason, outcome.person_id) == (Kind.GRANTED, "matched", "p1")
    assert outcome.lookalike
    assert outcome.margin == 0.1


def test_a_marked_person_within_the_wider_lead_is_not_let_in_and_it_says_why() -> None:
    rules = policy(margin=0.03, lookalikes="margin", lookalike_margin=0.1)
    (outcome,) = outcomes(rules, match(CLEAR, CLEAR - 0.05))
    assert (outcome.kind, outcome.reason) == (Kind.REVIEW, "lookalike")
    assert outcome.lookalike
    assert outcome.margin == 0.1


def test_an_unmarked_person_needs_the_profiles_lead_only() -> None:
    rules = policy(margin=0.03, lookalikes="margin", lookalike_margin=0.1)
    (outcome,) = outcomes(rules, match(CLEAR, CLEAR - 0.05, marked=False))
    assert outcome.kind is Kind.GRANTED
    assert not outcome.lookalike
    assert outcome.margin == 0.03


def test_a_wider_lead_of_the_profile_holds_for_marked_people_too() -> None:
    rules = policy(margin=0.2, lookalikes="margin", lookalike_margin=0.1)
    (outcome,) = outcomes(rules, match(CLEAR, CLEAR - 0.15))
    assert (outcome.kind, outcome.margin) == (Kind.REVIEW, 0.2)


def test_a_marked_person_whose_double_is_gone_needs_no_lead() -> None:
    rules = policy(lookalikes="margin", lookalike_margin=0.1)
    (outcome,) = outcomes(rules, match(CLEAR, None))
    assert outcome.kind is Kind.GRANTED


@pytest.mark.parametrize("second", [CLEAR - 0.01, CLEAR - 0.15, None])
@pytest.mark.parametrize("doubtful", ["review", "retake", "second_factor"])
def test_a_marked_person_is_asked_for_the_second_factor(
    second: float | None, doubtful: str
) -> None:
    rules = policy(margin=0.03, lookalikes="second_factor", doubtful=doubtful)
    (outcome,) = outcomes(rules, match(CLEAR, second))
    assert (outcome.kind, outcome.reason) == (Kind.SECOND_FACTOR, "lookalike")
    close = second is not None and CLEAR - second < 0.03
    assert outcome.rule is (Rule.TOO_CLOSE if close else Rule.LOOKALIKE_FACTOR)
    assert outcome.person_id == "p1"
    assert outcome.lookalike
    assert outcome.margin == 0.03


def test_who_is_clearly_recognised_is_asked_for_the_second_factor_at_once() -> None:
    rules = policy(lookalikes="second_factor")
    state = Presentation(rules)
    for number in range(rules.evidence_frames):
        found = fused(match(CLEAR, 0.1), views=number + 1)
        step = state.step(observation(number * 0.1, seq=number), found)
    assert step.phase is Phase.SECOND_FACTOR


def test_without_the_rule_a_mark_changes_nothing() -> None:
    rules = policy(margin=0.03, lookalikes="off", lookalike_margin=0.1)
    (outcome,) = outcomes(rules, match(CLEAR, CLEAR - 0.05))
    assert outcome.kind is Kind.GRANTED
    assert not outcome.lookalike


def test_an_unmarked_person_is_asked_for_no_second_factor() -> None:
    (outcome,) = outcomes(policy(lookalikes="second_factor"), match(CLEAR, 0.1, marked=False))
    assert outcome.kind is Kind.GRANTED


@given(
    st.floats(-1.5, 1.5),
    st.floats(-1.5, 1.5),
    st.sampled_from(["margin", "second_factor"]),
    st.sampled_from(["review", "retake", "second_factor"]),
)
def test_a_mark_never_lets_in_whom_it_would_not_have_been_let_in_without(
    first: float, second: float, lookalikes: str, doubtful: str
) -> None:
    first, second = max(first, second), min(first, second)
    rules = policy(margin=0.03, lookalikes=lookalikes, lookalike_margin=0.1, doubtful=doubtful)
    granted = [
        any(
            one.kind is Kind.GRANTED for one in outcomes(rules, match(first, second, marked=marked))
        )
        for marked in (False, True)
    ]
    assert granted[0] or not granted[1]
    if granted[1]:
        assert lookalikes == "margin"
        assert first - second >= 0.1


@given(st.integers(0, 200_000))
def test_levels_follow_from_the_share_of_people_that_they_may_meet(people: int) -> None:
    levels = policy(floor_same=0.0).nearness(people)
    assert levels.duplicate >= levels.lookalike
    for level, share in (
        (levels.duplicate, DUPLICATE_FPIR),
        (levels.lookalike, LOOKALIKE_SHARE),
    ):
        met = false_positive_rate(fmr_at(level, CURVE), max(people, 1))
        assert met <= share * (1 + 1e-6) or level == 1.0


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_more_people_never_lower_a_level(a: int, b: int) -> None:
    few, many = (policy().nearness(people) for people in sorted((a, b)))
    assert few.duplicate <= many.duplicate
    assert few.lookalike <= many.lookalike


def test_no_level_is_laxer_than_the_rule_for_one_pair() -> None:
    levels = policy(floor_same=0.9).nearness(1)
    assert (levels.duplicate, levels.lookalike) == (0.9, 0.9)
