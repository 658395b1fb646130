"""What becomes of a case in doubt, of a lookalike, and of evidence that cannot be trusted."""

from __future__ import annotations

from math import inf, nan

import pytest

from edged.decision.presentation import Kind, Phase, Rule
from edged.testing.builders import fused, match, observation
from edged.types import Candidate, Instruction, Match
from tests.decision.fed import FRAME_S, Fed, outcomes, summaries

STRONG, DOUBTFUL, WEAK = match(0.9), match(0.44), match(0.2)


def twins(first: float, second: float) -> Match:
    return Match((Candidate("p1", first), Candidate("p2", second)), 100)


@pytest.mark.parametrize(
    ("choice", "kind", "phase"),
    [
        ("review", Kind.REVIEW, Phase.REVIEW),
        ("second_factor", Kind.SECOND_FACTOR, Phase.SECOND_FACTOR),
    ],
)
@pytest.mark.parametrize(
    ("found", "reason", "rule"),
    [
        (DOUBTFUL, "doubtful", Rule.BELOW_THRESHOLD),
        (twins(0.9, 0.85), "lookalike", Rule.TOO_CLOSE),
    ],
)
def test_doubt_and_lookalikes_are_for_somebody_else_to_decide(
    choice: str, kind: Kind, phase: Phase, found: Match, reason: str, rule: Rule
) -> None:
    steps = Fed(doubtful=choice, margin=0.1).show(30, found)
    (outcome,) = outcomes(steps)
    assert (outcome.kind, outcome.reason, outcome.person_id) == (kind, reason, "p1")
    assert (outcome.rule, outcome.margin) == (rule, 0.1)
    assert steps[-1].phase is phase
    assert [s.ended for s in summaries(steps)] == [phase.value]


def test_a_margin_is_the_distance_that_is_needed_and_no_more() -> None:
    assert outcomes(Fed(margin=0.25).show(5, twins(0.875, 0.625)))[0].kind is Kind.GRANTED
    assert outcomes(Fed(margin=0.25).show(5, twins(0.875, 0.626))) == []
    alone = Match((Candidate("p1", 0.9),), 1)
    assert outcomes(Fed(margin=0.25).show(5, alone))[0].kind is Kind.GRANTED


def test_who_is_clearly_ahead_only_later_is_granted_until_then_nobody_is_bothered() -> None:
    it = Fed(margin=0.1)
    assert outcomes(it.show(8, twins(0.9, 0.85))) == []
    (outcome,) = outcomes(it.show(1, twins(0.9, 0.7), 8 * FRAME_S))
    assert (outcome.kind, outcome.person_id) == (Kind.GRANTED, "p1")


@pytest.mark.parametrize("broken", [nan, inf, -inf, 1.5])
@pytest.mark.parametrize("place", [0, 1])
def test_a_similarity_that_is_no_cosine_lets_nobody_in_and_is_not_told(
    broken: float, place: int
) -> None:
    found = twins(broken, 0.1) if place == 0 else twins(0.9, broken)
    (outcome,) = outcomes(Fed().show(30, found))
    assert outcome.kind in (Kind.DENIED, Kind.REVIEW)
    assert (outcome.similarity if place == 0 else outcome.runner_up) is None
    below = place == 0 and not broken >= 0.9
    assert outcome.rule is (Rule.BELOW_REVIEW if below else Rule.IMPLAUSIBLE)


def test_a_second_best_that_is_better_than_the_best_lets_nobody_in() -> None:
    assert outcomes(Fed(margin=0.0).show(30, twins(0.8, 0.9)))[0].kind is Kind.REVIEW


def test_a_retake_comes_before_anybody_is_bothered_and_is_told_long_enough_to_be_read() -> None:
    it = Fed(doubtful="retake", instruction_hold_s=1.0, instruction_delay_s=0.2)
    steps = it.show(90, DOUBTFUL)
    first, second = outcomes(steps)
    assert (first.kind, first.reason, first.person_id) == (Kind.RETAKE, "doubtful", None)
    assert first.rule is second.rule is Rule.BELOW_THRESHOLD
    assert (second.kind, second.person_id) == (Kind.REVIEW, "p1")
    told = [step for step in steps if step.instruction is Instruction.RETAKE]
    assert len(told) * FRAME_S >= 1.0
    assert second.instructions == (Instruction.RETAKE,)


def test_evidence_of_before_a_retake_does_not_count_after_it() -> None:
    it = Fed(doubtful="retake")
    steps = it.show(10, DOUBTFUL)
    assert outcomes(steps)[-1].kind is Kind.RETAKE
    assert steps[-1].progress == 0
    assert not it.usable(observation(1.0, seq=99))
    assert it.starts_anew(1)
    rest = it.show(30, STRONG, 10 * FRAME_S)
    (outcome,) = outcomes(rest)
    assert (outcome.kind, outcome.frames) == (Kind.GRANTED, 3)
    granted = next(n for n, step in enumerate(rest) if step.outcome)
    assert granted * FRAME_S >= 1.3  # delay and hold of the instruction


def test_a_stranger_is_denied_without_a_retake() -> None:
    assert [o.kind for o in outcomes(Fed(doubtful="retake").show(60, WEAK))] == [Kind.DENIED]


@pytest.mark.parametrize("quality", [nan, inf, -1.0, 0.0, 0.49, 1.1])
def test_evidence_that_cannot_be_trusted_decides_nothing_and_the_person_is_told(
    quality: float,
) -> None:
    steps = Fed(view_quality=0.1).show(90, STRONG, quality=0.2, fused_quality=quality)
    (outcome,) = outcomes(steps)
    assert (outcome.kind, outcome.reason) == (Kind.RETAKE, "retake")
    assert outcome.rule is Rule.WEAK_EVIDENCE
    assert outcome.fused_quality in (None, quality)


def test_views_below_the_bar_of_the_evidence_count_where_the_installer_says_so() -> None:
    (outcome,) = outcomes(Fed(view_quality=0.1).show(5, STRONG, quality=0.2, fused_quality=0.6))
    assert (outcome.kind, outcome.quality, outcome.fused_quality) == (Kind.GRANTED, 0.2, 0.6)


@pytest.mark.parametrize("quality", [nan, inf, -inf, 1.5, -0.5])
def test_a_view_whose_quality_is_no_share_is_no_evidence(quality: float) -> None:
    it = Fed(minimum_quality=0.0)
    assert not it.usable(observation(0.0, quality=quality))
    steps = it.show(60, STRONG, quality=quality)
    assert [o.kind for o in outcomes(steps)] == [Kind.RETAKE]
    assert outcomes(steps)[0].quality is None


def test_evidence_with_more_views_than_the_attempt_has_had_is_somebody_elses() -> None:
    it = Fed()
    steps = [
        it.step(observation(n * FRAME_S, seq=n), fused(STRONG, views=n + 2)) for n in range(20)
    ]
    assert outcomes(steps) == []
    assert it.starts_anew(1)  # and is thrown away, so that the next can be this person's own
    assert [o.kind for o in outcomes(it.show(3, STRONG, 20 * FRAME_S))] == [Kind.GRANTED]


def test_more_evidence_can_be_asked_for_and_less() -> None:
    for frames in (1, 5):
        steps = Fed(evidence_frames=frames).show(10, STRONG)
        assert [n for n, step in enumerate(steps) if step.outcome] == [frames - 1]


def test_nobody_is_refused_before_there_was_enough_evidence_or_time() -> None:
    slow = Fed(denial_frames=200, denial_after_s=1.0).show(30, WEAK)
    assert [n for n, step in enumerate(slow) if step.outcome] == [15]
    fast = Fed(denial_frames=4, denial_after_s=60.0).show(30, WEAK)
    assert [n for n, step in enumerate(fast) if step.outcome] == [3]
    for steps in (slow, fast):
        progress = [step.progress for step in steps]
        assert progress == sorted(progress)
        assert (progress[0] < 0.5, progress[-1]) == (True, 1.0)


def test_views_that_follow_at_once_are_no_independent_ones() -> None:
    it = Fed(denial_frames=5, denial_after_s=60.0)
    burst = [it.see(observation(0.001 * n, seq=n), WEAK) for n in range(40)]
    assert outcomes(burst) == []


def test_who_was_granted_and_stays_is_served_again_where_the_installer_says_so() -> None:
    it = Fed(serve_again_after_s=5.0)
    steps = it.show(15 * 11, STRONG)
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED] * 3
    assert len(summaries(steps)) == 3
