"""Frames that come late, twice, without a time or not at all; and how a presentation ends."""

from __future__ import annotations

from math import inf, nan

import pytest

from edged.decision.presentation import Kind, Phase
from edged.testing.builders import match, observation
from edged.types import Defect, Instruction
from tests.decision.fed import FRAME_S, Fed, outcomes, summaries

STRONG, WEAK = match(0.9), match(0.2)
YEAR_S = 365.25 * 86400


@pytest.mark.parametrize("again", [3, 1])
def test_a_frame_that_comes_again_or_late_changes_nothing(again: int) -> None:
    it = Fed(evidence_frames=5)
    steps = [it.see(observation(n * FRAME_S, seq=n), STRONG) for n in range(4)]
    late = observation(again * FRAME_S, seq=again)
    assert not it.usable(late)
    assert it.see(late, STRONG) == steps[-1]
    assert it.see(observation(4 * FRAME_S, seq=4), STRONG).outcome is not None


def test_a_decision_is_told_once_though_its_frame_comes_twice() -> None:
    it = Fed(evidence_frames=1)
    view = observation(1.0, seq=1)
    first, again = it.see(view, STRONG), it.see(view, STRONG)
    assert (first.phase, again.phase) == (Phase.GRANTED, Phase.GRANTED)
    assert first.outcome
    assert first.summary
    assert (again.outcome, again.summary) == (None, None)


@pytest.mark.parametrize("t_s", [nan, inf, -inf, 1e300])
def test_a_frame_without_a_time_changes_nothing(t_s: float) -> None:
    it = Fed(evidence_frames=2)
    garbage = observation(t_s, seq=7)
    assert it.see(garbage, STRONG).phase is Phase.IDLE
    it.see(observation(1.0, seq=1), STRONG)
    assert not it.usable(garbage)
    assert it.see(garbage, STRONG).phase is Phase.GATHERING
    it.hold(t_s)
    assert it.phase is Phase.HELD


def test_while_time_stands_still_views_count_and_nobody_is_refused() -> None:
    refused, granted = Fed(), Fed()
    assert outcomes([refused.see(observation(5.0, seq=n), WEAK) for n in range(99)]) == []
    (outcome,) = outcomes([granted.see(observation(5.0, seq=n), STRONG) for n in range(9)])
    assert outcome.kind is Kind.GRANTED


def test_after_the_clock_was_set_back_time_goes_on() -> None:
    it = Fed(cool_down_s=2.0)
    assert len(outcomes(it.show(15, WEAK, YEAR_S))) == 1
    assert outcomes(it.show(15, WEAK, 0.0)) == []
    (outcome,) = outcomes(it.show(30, STRONG, 2.0))
    assert outcome.kind is Kind.GRANTED
    assert 0 <= outcome.duration_s < 1
    assert {step.phase for step in it.leave(4.0)[-3:]} == {Phase.IDLE}


def test_after_a_jump_ahead_whoever_is_not_seen_has_gone() -> None:
    it = Fed()
    it.show(5, STRONG)
    assert it.phase is Phase.GRANTED
    it.leave(YEAR_S, 1)
    assert it.phase is Phase.IDLE


def test_a_presentation_is_summed_up_once_when_it_is_decided() -> None:
    it = Fed()
    dark = it.show(60, None, quality=0.1, defects=(Defect.TOO_DARK,))
    steps = [*dark, *it.show(20, STRONG, 4.0), *it.leave(6.0)]
    (summary,) = summaries(steps)
    assert (summary.ended, summary.frames, summary.views) == ("granted", 63, 3)
    assert summary.defects == {Defect.TOO_DARK: 60}
    assert summary.best_quality == 0.9
    assert [hint.instruction for hint in summary.hints] == [Instruction.MORE_LIGHT]


def test_a_hint_is_judged_by_the_frame_that_decides_too() -> None:
    it = Fed(evidence_frames=1)
    it.show(30, None, quality=0.1, defects=(Defect.TOO_DARK,))
    (summary,) = summaries(it.show(1, STRONG, 2.0))
    assert summary.ended == "granted"
    (hint,) = summary.hints
    assert hint.best_after is not None


def test_who_leaves_undecided_has_left() -> None:
    it = Fed()
    it.show(30, None, quality=0.1)
    (summary,) = summaries(it.leave(2.0))
    assert (summary.ended, summary.frames, summary.views) == ("left", 30, 0)


def test_who_is_replaced_by_another_face_has_left() -> None:
    it = Fed()
    it.show(10, None, quality=0.1)
    steps = it.show(10, STRONG, 1.0, track_id=2)
    assert [(s.ended, s.frames) for s in summaries(steps)] == [("left", 10), ("granted", 3)]


def test_a_passer_by_is_no_presentation() -> None:
    it = Fed()
    it.show(2, None, quality=0.1)
    assert summaries(it.leave(0.2)) == []


def test_whoever_is_held_is_no_presentation() -> None:
    it = Fed()
    it.hold(0.0, "p1")
    assert summaries([*it.show(20, STRONG, 0.1), *it.leave(2.0)]) == []


def test_nothing_is_gathered_of_whoever_is_held_or_was_decided() -> None:
    it = Fed()
    it.hold(0.0)
    assert not it.usable(observation(0.1, seq=1))
    it.reset()
    it.show(3, STRONG, 0.1)
    assert it.phase is Phase.GRANTED
    assert not it.usable(observation(0.5, seq=99))
    assert it.usable(observation(0.5, seq=99, track_id=2))
    assert not it.usable(observation(0.5, seq=99, track_id=None))


def test_a_stale_frame_after_a_reset_shows_nobody() -> None:
    it = Fed()
    it.show(3, STRONG)
    it.reset()
    assert it.see(observation(0.0, seq=0), STRONG).phase is Phase.IDLE


def test_an_instruction_stays_while_the_face_is_lost_for_a_moment() -> None:
    it = Fed()
    it.show(30, None, quality=0.1, defects=(Defect.TOO_DARK,))
    assert {s.instruction for s in it.leave(2.0, 3)} == {Instruction.MORE_LIGHT}
    assert it.leave(2.2, 30)[-1].instruction is None


def test_frames_without_an_embedding_say_nothing_about_the_view() -> None:
    it = Fed()
    it.show(30, None, quality=0.1, defects=(Defect.TOO_DARK,))
    assert {s.instruction for s in it.show(5, None, 2.0, quality=None)} == {Instruction.MORE_LIGHT}


def test_only_what_helps_much_is_said_while_the_view_is_good_enough() -> None:
    close = Fed(denial_after_s=60, denial_frames=200)
    steps = close.show(40, WEAK, defects=(Defect.TOO_CLOSE,))
    assert steps[-1].instruction is Instruction.STEP_BACK
    plain = Fed(denial_after_s=60, denial_frames=200).show(40, WEAK)
    assert {s.instruction for s in plain} == {None}


def test_a_bystander_is_no_reason_for_an_instruction_where_one_may_stand() -> None:
    steps = Fed().show(90, None, quality=0.1, defects=(Defect.SEVERAL_FACES,), faces=2)
    assert {s.instruction for s in steps} == {None, Instruction.RETAKE}
