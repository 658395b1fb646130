"""A person before the camera, from the first frame to the decision."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.presentation import Kind, Outcome, Phase, Presentation, Step
from edged.testing.builders import fused, match, observation, policy
from edged.types import Defect, Instruction, Match, Observation

FRAME_S = 1 / 15
STRONG, DOUBTFUL, WEAK = match(0.9), match(0.44), match(0.2)


def show(
    presentation: Presentation,
    frames: int,
    found: Match | None,
    start_s: float = 0.0,
    **view: object,
) -> list[Step]:
    """Feed the same view for some frames."""
    return [
        presentation.step(observation(start_s + n * FRAME_S, **view), found and fused(found))  # type: ignore[arg-type]
        for n in range(frames)
    ]


def outcomes(steps: list[Step]) -> list[Outcome]:
    return [step.outcome for step in steps if step.outcome]


def test_nothing_happens_while_nobody_is_there() -> None:
    steps = show(Presentation(policy()), 50, None, track_id=None)
    assert {(s.phase, s.instruction, s.outcome) for s in steps} == {(Phase.IDLE, None, None)}


def test_an_enrolled_person_is_granted_once_after_enough_frames() -> None:
    steps = show(Presentation(policy()), 30, STRONG)
    (outcome,) = outcomes(steps)
    assert outcome.kind is Kind.GRANTED
    assert (outcome.person_id, outcome.frames, outcome.reason) == ("p1", 3, "matched")
    assert steps[2].outcome is outcome
    assert steps[-1].phase is Phase.GRANTED


def test_a_stranger_is_denied_only_after_more_evidence() -> None:
    (outcome,) = outcomes(show(Presentation(policy()), 30, WEAK))
    assert (outcome.kind, outcome.frames, outcome.reason) == (Kind.DENIED, 10, "not_enrolled")
    assert outcome.person_id is None


def test_a_doubtful_similarity_goes_to_review_and_opens_nothing() -> None:
    (outcome,) = outcomes(show(Presentation(policy()), 30, DOUBTFUL))
    assert (outcome.kind, outcome.person_id) == (Kind.REVIEW, "p1")


def test_an_empty_gallery_says_so() -> None:
    (outcome,) = outcomes(show(Presentation(policy()), 30, Match((), 0)))
    assert (outcome.kind, outcome.reason) == (Kind.DENIED, "gallery_empty")
    assert outcome.similarity is None


def test_an_outcome_says_what_it_rests_on() -> None:
    (outcome,) = outcomes(show(Presentation(policy()), 5, STRONG))
    assert outcome.similarity == 0.9
    assert outcome.runner_up == 0.1
    assert outcome.people == 100
    assert outcome.threshold == pytest.approx(policy().thresholds(100).grant)
    assert outcome.implied_fpir is not None
    assert outcome.implied_fpir <= 0.0031


def test_low_quality_is_never_matched_and_asks_for_a_retake_whatever_the_similarity() -> None:
    steps = show(Presentation(policy()), 90, STRONG, quality=0.1)
    (outcome,) = outcomes(steps)
    assert (outcome.kind, outcome.reason) == (Kind.RETAKE, "retake")
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
    steps = show(Presentation(policy()), 90, STRONG, defects=(defect,))
    assert [o.kind for o in outcomes(steps)] == [Kind.RETAKE]
    assert steps[-1].instruction is instruction


def test_bad_light_does_not_stop_a_view_that_the_network_trusts() -> None:
    steps = show(Presentation(policy()), 5, STRONG, defects=(Defect.BACKLIT, Defect.OVEREXPOSED))
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]


def test_a_retake_that_succeeds_is_granted_and_names_the_instruction() -> None:
    presentation = Presentation(policy())
    show(presentation, 60, None, quality=0.1, defects=(Defect.TOO_DARK,))
    (outcome,) = outcomes(show(presentation, 10, STRONG, start_s=4.0))
    assert outcome.kind is Kind.GRANTED
    assert outcome.instructions == (Instruction.MORE_LIGHT,)


def test_a_second_face_blocks_only_where_one_person_is_demanded() -> None:
    crowd = {"defects": (Defect.SEVERAL_FACES,), "faces": 2}
    assert outcomes(show(Presentation(policy()), 5, STRONG, **crowd))[0].kind is Kind.GRANTED
    strict = show(Presentation(policy(one_person=True)), 60, STRONG, **crowd)
    assert [o.kind for o in outcomes(strict)] == [Kind.RETAKE]
    assert strict[-1].instruction is Instruction.ONE_PERSON_ONLY


def test_who_was_let_in_and_stays_is_not_served_again_until_gone() -> None:
    presentation = Presentation(policy(cool_down_s=2.0))
    steps = show(presentation, 15 * 60, STRONG)
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]
    show(presentation, 20, None, start_s=60.0, track_id=None)
    assert [o.kind for o in outcomes(show(presentation, 5, STRONG, start_s=62.0))] == [Kind.GRANTED]


@pytest.mark.parametrize("found", [WEAK, DOUBTFUL])
def test_who_was_refused_and_stays_may_try_again_after_the_cool_down(found: Match) -> None:
    presentation = Presentation(policy(cool_down_s=2.0))
    assert len(outcomes(show(presentation, 15 * 2, found))) == 1
    assert presentation.wants_evidence is False
    (outcome,) = outcomes(show(presentation, 15, STRONG, start_s=3.0))
    assert outcome.kind is Kind.GRANTED


def test_who_was_lost_from_sight_for_a_moment_is_not_let_in_twice() -> None:
    presentation = Presentation(policy())
    show(presentation, 10, STRONG)
    steps = show(presentation, 10, STRONG, start_s=1.0, track_id=2)
    assert outcomes(steps) == []
    assert steps[-1].phase is Phase.GRANTED


def test_who_leaves_and_comes_back_is_let_in_again_at_once() -> None:
    presentation = Presentation(policy())
    show(presentation, 10, STRONG)
    show(presentation, 20, None, start_s=0.7, track_id=None)
    (outcome,) = outcomes(show(presentation, 10, STRONG, start_s=2.1, track_id=2))
    assert outcome.kind is Kind.GRANTED


def test_another_person_in_between_makes_it_another_visit() -> None:
    presentation = Presentation(policy())
    show(presentation, 5, STRONG)
    show(presentation, 12, WEAK, start_s=0.4, track_id=2)
    (outcome,) = outcomes(show(presentation, 5, STRONG, start_s=1.3, track_id=3))
    assert outcome.kind is Kind.GRANTED


def test_whoever_stands_there_when_held_is_served_only_after_they_have_gone() -> None:
    presentation = Presentation(policy(cool_down_s=1.0))
    presentation.hold(100.0)
    show(presentation, 2, None, start_s=100.1, track_id=None)
    steps = show(presentation, 15 * 30, STRONG, start_s=100.3)
    assert {step.phase for step in steps} == {Phase.HELD}
    assert outcomes(steps) == []
    show(presentation, 20, None, start_s=131.0, track_id=None)
    assert outcomes(show(presentation, 5, STRONG, start_s=133.0, track_id=2))


def test_who_was_enrolled_and_lost_from_sight_for_a_moment_is_still_held() -> None:
    presentation = Presentation(policy())
    presentation.hold(10.0, "p1")
    show(presentation, 3, None, start_s=10.1, track_id=None)
    steps = show(presentation, 20, STRONG, start_s=10.4, track_id=5)
    assert outcomes(steps) == []
    assert steps[-1].phase is Phase.HELD
    (outcome,) = outcomes(show(presentation, 5, match(0.9, "p2"), start_s=12.0, track_id=6))
    assert outcome.person_id == "p2"


def test_who_comes_back_while_others_stood_there_all_the_time_is_let_in() -> None:
    presentation = Presentation(policy())
    show(presentation, 5, STRONG)
    show(presentation, 15 * 20, None, start_s=0.5, track_id=2, quality=0.1)
    steps = show(presentation, 5, STRONG, start_s=21.0, track_id=3)
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]


def test_evidence_starts_anew_with_a_face_an_attempt_and_after_being_gone() -> None:
    presentation = Presentation(policy())
    assert presentation.starts_anew(1)
    show(presentation, 1, STRONG)
    assert not presentation.starts_anew(1)
    assert presentation.starts_anew(2)
    show(presentation, 20, None, start_s=0.1, track_id=None)
    assert presentation.starts_anew(1)


def test_the_next_person_is_served_without_waiting() -> None:
    presentation = Presentation(policy())
    show(presentation, 10, STRONG)
    (outcome,) = outcomes(show(presentation, 10, match(0.9, "p2"), start_s=1.0, track_id=2))
    assert outcome.person_id == "p2"


def test_a_short_loss_of_the_face_keeps_the_decision() -> None:
    presentation = Presentation(policy())
    show(presentation, 10, STRONG)
    show(presentation, 5, None, start_s=0.7, track_id=None)
    assert presentation.phase is Phase.GRANTED
    show(presentation, 30, None, start_s=1.1, track_id=None)
    assert presentation.phase is Phase.IDLE


def test_evidence_starts_anew_with_another_face() -> None:
    presentation = Presentation(policy())
    show(presentation, 2, STRONG)
    steps = show(presentation, 2, STRONG, start_s=0.2, track_id=2)
    assert outcomes(steps) == []


def test_a_clock_that_jumps_back_grants_nothing_and_breaks_nothing() -> None:
    presentation = Presentation(policy())
    show(presentation, 2, STRONG, start_s=1000.0)
    steps = show(presentation, 3, STRONG, start_s=0.0)
    assert [o.kind for o in outcomes(steps)] == [Kind.GRANTED]
    assert outcomes(steps)[0].duration_s >= 0


def test_no_embedding_is_asked_for_while_a_decision_holds() -> None:
    presentation = Presentation(policy())
    assert presentation.wants_evidence
    show(presentation, 3, STRONG)
    assert not presentation.wants_evidence


def test_a_search_that_gives_nothing_decides_nothing() -> None:
    steps = show(Presentation(policy()), 60, None)
    assert outcomes(steps) == []
    assert {step.instruction for step in steps} == {None}


VIEWS = st.builds(
    observation,
    t_s=st.floats(0, 20),
    quality=st.one_of(st.none(), st.just(nan), st.floats(0, 1)),
    track_id=st.sampled_from([None, 1, 1, 1, 2]),
    defects=st.sets(st.sampled_from(list(Defect)), max_size=2).map(tuple),
)
MATCHES = st.one_of(
    st.none(),
    st.just(Match((), 0)),
    st.builds(match, st.one_of(st.just(nan), st.floats(-1, 1)), st.sampled_from(["p1", "p2"])),
)


@given(st.lists(st.tuples(VIEWS, MATCHES), max_size=120))
def test_no_grant_without_trusted_evidence_above_the_threshold(
    frames: list[tuple[Observation, Match | None]],
) -> None:
    presentation = Presentation(policy())
    for view, found in frames:
        step = presentation.step(view, found)
        if step.outcome is not None and step.outcome.kind is Kind.GRANTED:
            assert presentation.usable(view)
            assert found is not None
            assert found.candidates[0].similarity >= policy().thresholds(found.people).grant
            assert step.outcome.frames >= policy().evidence_frames
            assert step.outcome.person_id == found.candidates[0].person_id


@given(st.lists(st.tuples(VIEWS, MATCHES), max_size=60))
def test_the_same_frames_give_the_same_decisions(
    frames: list[tuple[Observation, Match | None]],
) -> None:
    first, second = Presentation(policy()), Presentation(policy())
    for view, found in frames:
        assert first.step(view, found) == second.step(view, found)
