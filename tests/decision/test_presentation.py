"""A person before the camera, from the first frame to the decision."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from edged.decision.attempt import Attempt
from edged.decision.hints import HintLog
from edged.decision.presentation import Kind, Phase, Rule
from edged.testing.builders import match, observation, policy
from edged.types import Defect, Instruction, Match
from tests.decision.fed import Fed, outcomes

STRONG, DOUBTFUL, WEAK = match(0.9), match(0.44), match(0.2)


def test_nothing_happens_while_nobody_is_there() -> None:
    steps = Fed().show(50, None, track_id=None)
    assert {(s.phase, s.instruction, s.outcome) for s in steps} == {(Phase.IDLE, None, None)}


def test_an_enrolled_person_is_granted_once_after_enough_frames() -> None:
    steps = Fed().show(30, STRONG)
    (outcome,) = outcomes(steps)
    assert outcome.kind is Kind.GRANTED
    assert (outcome.person_id, outcome.frames, outcome.reason) == ("p1", 3, "matched")
    assert outcome.rule is Rule.CLEAR_MATCH
    assert steps[2].outcome is outcome
    assert steps[-1].phase is Phase.GRANTED


def test_a_stranger_is_denied_only_after_more_evidence() -> None:
    (outcome,) = outcomes(Fed().show(30, WEAK))
    assert (outcome.kind, outcome.frames, outcome.reason) == (Kind.DENIED, 10, "not_enrolled")
    assert outcome.rule is Rule.BELOW_REVIEW
    assert outcome.person_id is None


def test_a_doubtful_similarity_goes_to_review_and_opens_nothing() -> None:
    (outcome,) = outcomes(Fed().show(30, DOUBTFUL))
    assert (outcome.kind, outcome.person_id) == (Kind.REVIEW, "p1")


def test_an_empty_gallery_says_so() -> None:
    (outcome,) = outcomes(Fed().show(30, Match((), 0)))
    assert (outcome.kind, outcome.reason) == (Kind.DENIED, "gallery_empty")
    assert outcome.rule is Rule.GALLERY_EMPTY
    assert outcome.similarity is None


def test_an_outcome_says_what_it_rests_on() -> None:
    (outcome,) = outcomes(Fed().show(5, STRONG))
    assert outcome.similarity == 0.9
    assert outcome.runner_up == 0.1
    assert outcome.people == 100
    assert outcome.threshold == pytest.approx(policy().thresholds(100).grant)
    assert outcome.review_threshold == pytest.approx(policy().thresholds(100).review)
    assert outcome.minimum_quality == policy().minimum_quality
    assert (outcome.seen, outcome.defects) == (3, {})
    assert outcome.implied_fpir is not None
    assert outcome.implied_fpir <= 0.0031


def test_low_quality_is_never_matched_and_asks_for_a_retake_whatever_the_similarity() -> None:
    steps = Fed().show(90, STRONG, quality=0.1)
    (outcome,) = outcomes(steps)
    assert (outcome.kind, outcome.reason) == (Kind.RETAKE, "retake")
    assert outcome.rule is Rule.NO_USABLE_VIEW
    assert steps[-1].instruction is Instruction.RETAKE


@pytest.mark.parametrize(
    ("defect", "instruction"),
    [
        (Defect.TOO_FAR, Instruction.COME_CLOSER),
        (Defect.TURNED, Instruction.FACE_CAMERA),
        (Defect.CUT_OFF, Instruction.CENTER_FACE),
    ],
)
def test_a_badly_placed_face_is_guided_and_not_matched(
    defect: Defect, instruction: Instruction
) -> None:
    steps = Fed().show(90, STRONG, defects=(defect,))
    assert [o.kind for o in outcomes(steps)] == [Kind.RETAKE]
    assert steps[-1].instruction is instruction


def test_bad_light_does_not_stop_a_view_that_the_network_trusts() -> None:
    steps = Fed().show(5, STRONG, defects=(Defect.BACKLIT, Defect.OVEREXPOSED))
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]


def test_a_retake_that_succeeds_is_granted_and_names_the_instruction() -> None:
    presentation = Fed()
    presentation.show(60, None, quality=0.1, defects=(Defect.TOO_DARK,))
    (outcome,) = outcomes(presentation.show(10, STRONG, start_s=4.0))
    assert outcome.kind is Kind.GRANTED
    assert outcome.instructions == (Instruction.MORE_LIGHT,)


def test_harmless_light_is_no_defect_of_the_presentation() -> None:
    seen = observation(0.0, defects=(Defect.BACKLIT, Defect.TOO_DARK))
    attempt = Attempt(1, 0.0, HintLog(0.0))
    attempt.see(replace(seen, gains=(0.03, 0.4)))
    attempt.see(replace(seen, gains=(nan, 0.0)))
    assert attempt.defects == {Defect.TOO_DARK: 1, Defect.BACKLIT: 1}


def test_a_second_face_blocks_only_where_one_person_is_demanded() -> None:
    crowd = {"defects": (Defect.SEVERAL_FACES,), "faces": 2}
    assert outcomes(Fed().show(5, STRONG, **crowd))[0].kind is Kind.GRANTED
    strict = Fed(one_person=True).show(60, STRONG, **crowd)
    assert [o.kind for o in outcomes(strict)] == [Kind.RETAKE]
    assert strict[-1].instruction is Instruction.ONE_PERSON_ONLY


def test_who_was_let_in_and_stays_is_not_served_again_until_gone() -> None:
    presentation = Fed(cool_down_s=2.0)
    steps = presentation.show(15 * 60, STRONG)
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]
    presentation.leave(60.0, 20)
    assert [o.kind for o in outcomes(presentation.show(5, STRONG, start_s=62.0))] == [Kind.GRANTED]


@pytest.mark.parametrize("found", [WEAK, DOUBTFUL])
def test_who_was_refused_and_stays_may_try_again_after_the_cool_down(found: Match) -> None:
    presentation = Fed(cool_down_s=2.0)
    assert len(outcomes(presentation.show(15 * 2, found))) == 1
    assert presentation.wants_evidence is False
    (outcome,) = outcomes(presentation.show(15, STRONG, start_s=3.0))
    assert outcome.kind is Kind.GRANTED


def test_who_was_lost_from_sight_for_a_moment_is_not_let_in_twice() -> None:
    presentation = Fed()
    presentation.show(10, STRONG)
    steps = presentation.show(10, STRONG, start_s=1.0, track_id=2)
    assert outcomes(steps) == []
    assert steps[-1].phase is Phase.GRANTED


def test_who_leaves_and_comes_back_is_let_in_again_at_once() -> None:
    presentation = Fed()
    presentation.show(10, STRONG)
    presentation.leave(0.7, 20)
    (outcome,) = outcomes(presentation.show(10, STRONG, start_s=2.1, track_id=2))
    assert outcome.kind is Kind.GRANTED


def test_who_was_let_in_and_stays_while_others_are_served_opens_nothing_a_second_time() -> None:
    presentation = Fed()
    presentation.show(5, STRONG)
    presentation.show(12, WEAK, start_s=0.4, track_id=2)
    presentation.show(5, match(0.9, "p2"), start_s=1.3, track_id=3)
    steps = presentation.show(5, STRONG, start_s=1.7, track_id=4)
    assert outcomes(steps) == []
    assert steps[-1].phase is Phase.GRANTED


def test_who_comes_back_after_a_while_in_a_crowd_is_let_in_however_long_the_cool_down() -> None:
    presentation = Fed(cool_down_s=3600.0)
    presentation.show(5, STRONG)
    presentation.show(15 * 9, match(0.9, "p2"), start_s=0.5, track_id=2)
    (outcome,) = outcomes(presentation.show(5, STRONG, start_s=9.6, track_id=3))
    assert (outcome.kind, outcome.person_id) == (Kind.GRANTED, "p1")


def test_whoever_stands_there_when_held_is_served_only_after_they_have_gone() -> None:
    presentation = Fed(cool_down_s=1.0)
    presentation.hold(100.0)
    presentation.leave(100.1, 2)
    steps = presentation.show(15 * 30, STRONG, start_s=100.3)
    assert {step.phase for step in steps} == {Phase.HELD}
    assert outcomes(steps) == []
    presentation.leave(131.0, 20)
    assert outcomes(presentation.show(5, STRONG, start_s=133.0, track_id=2))


def test_who_was_enrolled_and_lost_from_sight_for_a_moment_is_still_held() -> None:
    presentation = Fed()
    presentation.hold(10.0, "p1")
    presentation.leave(10.1, 3)
    steps = presentation.show(20, STRONG, start_s=10.4, track_id=5)
    assert outcomes(steps) == []
    assert steps[-1].phase is Phase.HELD
    (outcome,) = outcomes(presentation.show(5, match(0.9, "p2"), start_s=12.0, track_id=6))
    assert outcome.person_id == "p2"


def test_who_comes_back_while_others_stood_there_all_the_time_is_let_in() -> None:
    presentation = Fed()
    presentation.show(5, STRONG)
    presentation.show(15 * 20, None, start_s=0.5, track_id=2, quality=0.1)
    steps = presentation.show(5, STRONG, start_s=21.0, track_id=3)
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]


def test_evidence_starts_anew_with_a_face_an_attempt_and_after_being_gone() -> None:
    presentation = Fed()
    assert presentation.starts_anew(1)
    presentation.show(1, STRONG)
    assert not presentation.starts_anew(1)
    assert presentation.starts_anew(2)
    presentation.leave(0.1, 20)
    assert presentation.starts_anew(1)


def test_the_next_person_is_served_without_waiting() -> None:
    presentation = Fed()
    presentation.show(10, STRONG)
    (outcome,) = outcomes(presentation.show(10, match(0.9, "p2"), start_s=1.0, track_id=2))
    assert outcome.person_id == "p2"


def test_a_short_loss_of_the_face_keeps_the_decision() -> None:
    presentation = Fed()
    presentation.show(10, STRONG)
    presentation.leave(0.7, 5)
    assert presentation.phase is Phase.GRANTED
    presentation.leave(1.1, 30)
    assert presentation.phase is Phase.IDLE


def test_evidence_starts_anew_with_another_face() -> None:
    presentation = Fed()
    presentation.show(2, STRONG)
    steps = presentation.show(2, STRONG, start_s=0.2, track_id=2)
    assert outcomes(steps) == []


def test_a_clock_that_jumps_back_grants_nothing_and_breaks_nothing() -> None:
    presentation = Fed()
    presentation.show(2, STRONG, start_s=1000.0)
    steps = presentation.show(3, STRONG, start_s=0.0)
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]
    assert outcomes(steps)[0].duration_s >= 0


def test_no_embedding_is_asked_for_while_a_decision_holds() -> None:
    presentation = Fed()
    assert presentation.wants_evidence
    presentation.show(3, STRONG)
    assert not presentation.wants_evidence


def test_a_search_that_gives_nothing_decides_nothing() -> None:
    steps = Fed().show(60, None)
    assert outcomes(steps) == []
    assert {step.instruction for step in steps} == {None}
