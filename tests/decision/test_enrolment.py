"""Asking one person to agree, and gathering good views of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.decision.agreement import Asked
from edged.decision.enrolment import Enrolment, Failure, Progress, View
from edged.testing.builders import observation
from edged.types import Defect, Instruction

FRAME_S = 1 / 15
SIDE = {Asked.TURN_LEFT: 1, Asked.TURN_RIGHT: -1}


class Scene:
    """Somebody before the camera of an enrolment; time goes on from one act to the next."""

    def __init__(self, views: int = 3, timeout_s: float = 60, **settings: Any) -> None:
        self.enrolment = Enrolment(views, 0.6, timeout_s, **settings)
        self.frames = 0
        self.steps: list[Any] = []
        self.over = False

    def see(self, seconds: float = FRAME_S, **view: Any) -> Any:
        """The same view for so long, or until the enrolment is over; the last step."""
        for _ in range(max(1, round(seconds / FRAME_S))):
            if self.over:
                break
            self.steps.append(self.enrolment.step(observation(self.frames * FRAME_S, **view)))
            self.frames += 1
            self.over = self.steps[-1].progress in (Progress.COMPLETED, Progress.FAILED)
        return self.steps[-1]

    def turn(self, side: float, deg: float = 20.0, **view: Any) -> Any:
        """Turn the head to one side for a second, and back."""
        self.see(1, yaw_deg=side * deg, **view)
        return self.see(1, **view)

    @property
    def views(self) -> list[View]:
        return [step.view for step in self.steps if step.view is not None]

    @property
    def progress(self) -> list[Progress]:
        return [s.progress for s in self.steps if s.progress is not Progress.WAITING]

    @property
    def failure(self) -> Failure | None:
        return self.steps[-1].failure


# Views.


def test_a_frontal_view_and_two_turned_ones_complete_it() -> None:
    it = Scene()
    assert it.see().view is View.FRONTAL
    assert it.see(1).instruction is Instruction.TURN_LEFT
    assert it.see(yaw_deg=15).view is View.LEFT
    assert it.see(1).instruction is Instruction.TURN_RIGHT
    step = it.see(yaw_deg=-15)
    assert (step.progress, step.view, step.share) == (Progress.COMPLETED, View.RIGHT, 1.0)


def test_who_turns_to_the_other_side_first_is_as_welcome() -> None:
    it = Scene()
    it.see()
    it.see(1, yaw_deg=-15)
    it.see(1, yaw_deg=15)
    assert it.views == [View.FRONTAL, View.RIGHT, View.LEFT]


def test_who_cannot_turn_is_enrolled_with_frontal_views_after_a_while() -> None:
    it = Scene()
    it.see(9)
    assert it.views == [View.FRONTAL, View.FRONTAL]
    assert it.see(3).progress is Progress.COMPLETED
    assert it.views == [View.FRONTAL] * 3


def test_who_can_turn_to_one_side_only_gives_that_one() -> None:
    it = Scene()
    it.see(7)
    it.see(1, yaw_deg=-15)
    assert it.views == [View.FRONTAL, View.FRONTAL, View.RIGHT]


def test_nobody_loses_their_turn_while_the_light_is_bad() -> None:
    it = Scene()
    it.see()
    it.see(20, quality=0.3, defects=(Defect.TOO_DARK,))
    assert it.see(3).instruction is Instruction.TURN_LEFT
    assert it.views == [View.FRONTAL]


def test_a_short_enrolment_does_not_spend_its_time_waiting_for_turns() -> None:
    it = Scene(timeout_s=5)
    it.see(3)
    assert it.steps[-1].progress is Progress.COMPLETED


def test_a_camera_that_hangs_aside_sees_turns_from_how_the_head_is_held() -> None:
    it = Scene()
    it.see(yaw_deg=12)
    it.see(2, yaw_deg=18)
    assert it.views == [View.FRONTAL]
    it.see(1, yaw_deg=0)
    it.see(1, yaw_deg=24)
    assert it.views == [View.FRONTAL, View.RIGHT, View.LEFT]


def test_who_looks_past_the_camera_all_along_is_taken_as_they_are() -> None:
    it = Scene(2)
    it.see(1, yaw_deg=20)
    assert it.views == [View.LEFT]
    assert it.steps[-1].instruction is Instruction.FACE_CAMERA
    it.see(6, yaw_deg=20)
    assert it.views == [View.LEFT, View.LEFT]


def test_views_are_apart_in_time() -> None:
    it = Scene(3)
    it.see()
    for frame in range(12):
        it.see(yaw_deg=15 if frame < 6 else -15)
    taken = [n for n, step in enumerate(it.steps) if step.view is not None]
    assert taken == [0, 6, 12]


@pytest.mark.parametrize("quality", [0.5, None, float("nan"), float("inf"), float("-inf")])
def test_a_view_without_a_good_quality_is_not_kept(quality: float | None) -> None:
    it = Scene(1)
    it.see(3, quality=quality)
    assert it.progress == []


def test_a_poor_view_is_explained() -> None:
    it = Scene(1)
    it.see(1, quality=0.5, defects=(Defect.TOO_DARK,))
    assert it.steps[-1].instruction is Instruction.MORE_LIGHT


def test_a_head_whose_pose_is_no_number_is_not_enrolled() -> None:
    it = Scene(1)
    it.see(3, yaw_deg=float("nan"))
    assert it.progress == []


def test_a_second_face_stops_an_enrolment() -> None:
    it = Scene(1)
    step = it.see(1, faces=2, defects=(Defect.SEVERAL_FACES,))
    assert (step.progress, step.instruction) == (Progress.WAITING, Instruction.ONE_PERSON_ONLY)


def test_views_of_two_people_are_never_mixed() -> None:
    it = Scene(2)
    it.see()
    assert it.see(track_id=2).progress is Progress.RESTARTED
    it.see(track_id=2)
    assert it.see(1, yaw_deg=15, track_id=2).progress is Progress.COMPLETED
    taken, restarted, *rest = it.progress
    assert (taken, restarted, len(rest)) == (Progress.TAKEN, Progress.RESTARTED, 2)


def test_nobody_coming_times_out() -> None:
    it = Scene(timeout_s=5)
    it.see(4.9, track_id=None)
    assert it.progress == []
    it.see(1, track_id=None)
    assert it.failure is Failure.TIMED_OUT


def test_a_clock_that_gives_no_number_neither_ends_nor_starts_it() -> None:
    enrolment = Enrolment(1, 0.6, timeout_s=5)
    assert enrolment.step(observation(float("nan"))).progress is Progress.WAITING
    assert enrolment.step(observation(100.0, track_id=None)).progress is Progress.WAITING
    assert enrolment.step(observation(float("inf"), track_id=None)).progress is Progress.WAITING
    assert enrolment.step(observation(104.0)).progress is Progress.COMPLETED


def test_a_clock_that_jumps_back_ends_nothing() -> None:
    enrolment = Enrolment(1, 0.6, timeout_s=5)
    enrolment.step(observation(100.0, track_id=None))
    assert enrolment.step(observation(0.0)).progress is Progress.COMPLETED


def test_the_hint_goes_with_the_view_that_is_taken() -> None:
    enrolment = Enrolment(2, 0.6, 60, delay_s=0.0)
    enrolment.step(observation(0.0, quality=0.3, defects=(Defect.TOO_DARK,)))
    assert enrolment.step(observation(0.1)).progress is Progress.TAKEN
    assert enrolment.step(observation(0.2)).instruction is None


# Agreement.

TURNS = [Asked.TURN_LEFT, Asked.TURN_RIGHT]


@pytest.mark.parametrize("asked", TURNS)
def test_a_turn_to_the_asked_side_and_back_agrees(asked: Asked) -> None:
    it = Scene(1, asked=asked)
    it.see(2)
    assert it.steps[-1].asked is asked
    it.see(1, yaw_deg=SIDE[asked] * 20)
    assert (it.steps[-1].instruction, it.steps[-1].share) == (Instruction.FACE_CAMERA, 0.5)
    it.see(1)
    assert it.progress == [Progress.AGREED, Progress.COMPLETED]


@pytest.mark.parametrize("asked", TURNS)
def test_a_turn_to_the_other_side_does_not_agree(asked: Asked) -> None:
    it = Scene(asked=asked)
    it.see(2)
    for _ in range(4):
        it.turn(-SIDE[asked])
    assert it.progress == []
    it.turn(SIDE[asked])
    assert it.progress[0] is Progress.AGREED


@pytest.mark.parametrize("asked", TURNS)
def test_a_shake_of_the_head_does_not_agree(asked: Asked) -> None:
    it = Scene(timeout_s=20, asked=asked)
    it.see(2)
    for _ in range(10):
        it.see(0.3, yaw_deg=25)
        it.see(0.3, yaw_deg=-25)
    it.see(20)
    assert it.failure is Failure.NOT_CONFIRMED


@pytest.mark.parametrize("yaw_deg", [-30.0, -12.0, 0.0, 12.0, 30.0])
@pytest.mark.parametrize("asked", TURNS)
def test_a_still_picture_does_not_agree_however_it_looks(asked: Asked, yaw_deg: float) -> None:
    it = Scene(timeout_s=30, asked=asked)
    it.see(40, yaw_deg=yaw_deg)
    assert it.progress == [Progress.FAILED]
    assert it.failure is Failure.NOT_CONFIRMED


def test_who_looked_aside_does_not_agree_by_looking_up() -> None:
    it = Scene(asked=Asked.TURN_LEFT)
    it.see(2, yaw_deg=-11)
    it.see(1, yaw_deg=2)
    it.see(1, yaw_deg=-11)
    assert it.progress == []


def test_a_turn_beyond_what_is_matched_agrees_too() -> None:
    it = Scene(1, asked=Asked.TURN_LEFT)
    it.see(2)
    it.see(1, yaw_deg=50, defects=(Defect.TURNED,))
    it.see(1)
    assert it.progress[0] is Progress.AGREED


def test_who_passes_by_is_asked_nothing_and_refuses_nothing() -> None:
    it = Scene(asked=Asked.TURN_LEFT)
    it.see(0.5, track_id=1)
    it.see(3, track_id=None)
    it.see(0.5, track_id=2)
    assert {step.asked for step in it.steps} == {None}
    it.see(2, track_id=3)
    assert it.steps[-1].asked is Asked.TURN_LEFT
    it.turn(1, track_id=3)
    assert it.progress[0] is Progress.AGREED


@pytest.mark.parametrize("after", [{"track_id": None}, {"track_id": 2}])
def test_leaving_is_a_refusal_whoever_comes_next(after: dict[str, Any]) -> None:
    it = Scene(asked=Asked.TURN_LEFT)
    it.see(2)
    it.turn(1, **after)
    it.turn(1, **after)
    assert it.failure is Failure.NOT_CONFIRMED


def test_who_is_hidden_for_a_moment_has_not_left() -> None:
    it = Scene(1, asked=Asked.TURN_LEFT)
    it.see(2)
    it.see(2, track_id=None)
    it.turn(1)
    assert it.progress[0] is Progress.AGREED


def test_doing_nothing_is_a_refusal() -> None:
    it = Scene(timeout_s=10, asked=Asked.TURN_RIGHT)
    it.see(11)
    assert it.failure is Failure.NOT_CONFIRMED


def test_nobody_agrees_while_somebody_stands_beside_them() -> None:
    it = Scene(asked=Asked.TURN_LEFT)
    it.see(2)
    it.turn(1, faces=2, defects=(Defect.SEVERAL_FACES,))
    assert it.progress == []
    assert it.steps[-1].instruction is Instruction.ONE_PERSON_ONLY
    it.see(1)
    it.turn(1)
    assert it.progress[0] is Progress.AGREED


def test_who_is_too_far_is_called_before_they_are_asked() -> None:
    it = Scene(asked=Asked.PAGE)
    it.see(2, defects=(Defect.TOO_FAR,))
    assert (it.steps[-1].asked, it.steps[-1].instruction) == (None, Instruction.COME_CLOSER)


def test_a_pose_that_is_no_number_is_no_turn() -> None:
    it = Scene(asked=Asked.TURN_LEFT)
    it.see(2)
    it.see(1, yaw_deg=float("inf"))
    it.see(1)
    assert it.progress == []


def test_a_button_agrees_for_who_was_asked() -> None:
    it = Scene(1, asked=Asked.PAGE)
    it.see(1)
    it.enrolment.answer(agreed=True)
    it.see(0.2, track_id=2)
    it.see(0.2, defects=(Defect.CUT_OFF,))
    assert it.progress == []
    it.see(0.5)
    assert it.progress == [Progress.AGREED, Progress.COMPLETED]


def test_a_button_declines_at_once() -> None:
    it = Scene(asked=Asked.PAGE)
    it.see(1)
    it.enrolment.answer(agreed=False)
    it.see(track_id=None)
    assert it.failure is Failure.DECLINED


def test_a_turn_does_not_press_a_button_and_a_button_turns_no_head() -> None:
    it = Scene(asked=Asked.PAGE)
    it.see(1)
    it.turn(1)
    it.turn(-1)
    assert it.progress == []
    it = Scene(asked=Asked.TURN_LEFT)
    it.see(2)
    it.enrolment.answer(agreed=True)
    it.see(1)
    assert it.progress == []


def test_a_button_that_is_pressed_after_the_agreement_changes_nothing() -> None:
    it = Scene(2, asked=Asked.PAGE)
    it.see(1)
    it.enrolment.answer(agreed=True)
    it.see(1)
    it.enrolment.answer(agreed=False)
    it.see(1, yaw_deg=15)
    assert it.steps[-1].progress is Progress.COMPLETED


def agreed(**settings: Any) -> Scene:
    it = Scene(asked=Asked.PAGE, **settings)
    it.see(1)
    it.enrolment.answer(agreed=True)
    it.see()
    assert it.progress == [Progress.AGREED]
    return it


def test_only_who_agreed_is_enrolled() -> None:
    it = agreed()
    it.see(1)
    it.see(10, track_id=2)
    assert it.failure is Failure.ANOTHER_PERSON
    assert it.views == [View.FRONTAL]


def test_who_agreed_and_leaves_is_not_waited_for() -> None:
    it = agreed()
    it.see(10, track_id=None)
    assert it.failure is Failure.GONE


def test_a_guard_who_leans_in_for_a_moment_ends_nothing() -> None:
    it = agreed()
    it.see(1)
    it.see(2, track_id=2)
    it.see(1, yaw_deg=15)
    it.see(1, yaw_deg=-15)
    assert it.views == [View.FRONTAL, View.LEFT, View.RIGHT]


def test_who_agreed_and_cannot_be_seen_well_times_out() -> None:
    it = agreed(timeout_s=10)
    it.see(11, quality=0.2)
    assert it.failure is Failure.TIMED_OUT


# Whatever comes.

ANGLES = st.floats(-90, 90) | st.sampled_from([float("nan"), 0.0, 20.0, -20.0])
GLANCES = st.lists(
    st.fixed_dictionaries(
        {
            "yaw_deg": ANGLES,
            "track_id": st.sampled_from([1, 1, 1, 2, None]),
            "quality": st.sampled_from([0.9, 0.9, 0.3, None, float("nan")]),
            "defects": st.sampled_from([(), (), (Defect.SEVERAL_FACES,), (Defect.TURNED,)]),
        }
    ),
    max_size=60,
)
TIMES = st.floats(-1, 3) | st.just(float("nan"))


@settings(deadline=None)
@given(GLANCES, st.data(), st.integers(1, 6), st.sampled_from([None, *Asked]))
def test_views_are_of_one_person_who_agreed(
    glances: list[dict[str, Any]], data: st.DataObject, wanted: int, asked: Asked | None
) -> None:
    enrolment = Enrolment(wanted, 0.6, 60, asked=asked)
    t_s, has_agreed, people = 0.0, asked is None, []
    for glance in glances:
        t_s += data.draw(TIMES)
        if data.draw(st.booleans()):
            enrolment.answer(data.draw(st.booleans()))
        step = enrolment.step(observation(t_s, **glance))
        has_agreed |= step.progress is Progress.AGREED
        if step.progress is Progress.RESTARTED:
            people = []
        if step.view is not None:
            assert has_agreed
            assert glance["quality"] == 0.9
            people.append(glance["track_id"])
        assert len(set(people)) <= 1
        assert step.views == len(people)
        assert 0 <= step.share <= 1
        if step.progress in (Progress.COMPLETED, Progress.FAILED):
            assert (len(people) == wanted) == (step.progress is Progress.COMPLETED)
            break


@settings(deadline=None)
@given(st.floats(-60, 60), st.sampled_from(TURNS), st.floats(-4, 4), st.integers(2, 8))
def test_a_pose_that_hardly_changes_never_agrees(
    yaw_deg: float, asked: Asked, sway_deg: float, rate_hz: int
) -> None:
    enrolment = Enrolment(3, 0.6, 20, asked=asked)
    for frame in range(25 * rate_hz):
        sway = sway_deg if frame % 7 > 3 else -sway_deg
        step = enrolment.step(observation(frame / rate_hz, yaw_deg=yaw_deg + sway))
        assert step.progress is not Progress.AGREED
        if step.progress is Progress.FAILED:
            return
    raise AssertionError("it did not end")


@settings(deadline=None)
@given(st.floats(-8, 8), st.floats(14, 40), st.sampled_from(TURNS), st.integers(5, 30))
def test_a_clear_turn_agrees_at_any_frame_rate(
    rest_deg: float, turn_deg: float, asked: Asked, rate_hz: int
) -> None:
    enrolment = Enrolment(3, 0.6, 60, asked=asked)
    away_deg = rest_deg + SIDE[asked] * max(turn_deg, 8.5 - SIDE[asked] * rest_deg)
    seen = []
    for frame in range(9 * rate_hz):
        yaw_deg = away_deg if 3 <= frame / rate_hz < 6 else rest_deg
        seen.append(enrolment.step(observation(frame / rate_hz, yaw_deg=yaw_deg)).progress)
    assert Progress.AGREED in seen
