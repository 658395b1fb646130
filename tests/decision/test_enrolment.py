"""Gathering good views of one person."""

from edged.decision.enrolment import Enrolment, Progress
from edged.testing.builders import observation
from edged.types import Defect, Instruction


def run(enrolment: Enrolment, frames: int, start_s: float = 0.0, **view: object) -> list[Progress]:
    return [
        enrolment.step(observation(start_s + n / 15, **view)).progress  # type: ignore[arg-type]
        for n in range(frames)
    ]


def test_three_views_apart_in_time_complete_it() -> None:
    seen = run(Enrolment(3, 0.6, 60), 13)
    taken = [n for n, progress in enumerate(seen) if progress is not Progress.WAITING]
    assert taken == [0, 6, 12]
    assert seen[12] is Progress.COMPLETED


def test_a_poor_view_is_not_kept_and_is_explained() -> None:
    enrolment = Enrolment(1, 0.6, 60, delay_s=0.0)
    step = enrolment.step(observation(0.0, quality=0.5, defects=(Defect.TOO_DARK,)))
    assert step.progress is Progress.WAITING
    assert step.instruction is Instruction.MORE_LIGHT


def test_a_second_face_stops_an_enrolment() -> None:
    enrolment = Enrolment(1, 0.6, 60, delay_s=0.0)
    step = enrolment.step(observation(0.0, faces=2, defects=(Defect.SEVERAL_FACES,)))
    assert (step.progress, step.instruction) == (Progress.WAITING, Instruction.ONE_PERSON_ONLY)


def test_views_of_two_people_are_never_mixed() -> None:
    enrolment = Enrolment(2, 0.6, 60)
    assert enrolment.step(observation(0.0)).progress is Progress.TAKEN
    assert enrolment.step(observation(1.0, track_id=2)).progress is Progress.RESTARTED
    assert enrolment.step(observation(2.0, track_id=2)).progress is Progress.TAKEN
    assert enrolment.step(observation(3.0, track_id=2)).progress is Progress.COMPLETED


def test_nobody_coming_times_out() -> None:
    enrolment = Enrolment(3, 0.6, timeout_s=5)
    assert enrolment.step(observation(0.0, track_id=None)).progress is Progress.WAITING
    assert enrolment.step(observation(5.0, track_id=None)).progress is Progress.TIMED_OUT


def test_garbage_scores_are_not_kept() -> None:
    assert set(run(Enrolment(1, 0.6, 60), 20, quality=float("nan"))) == {Progress.WAITING}
    assert set(run(Enrolment(1, 0.6, 60), 20, quality=None)) == {Progress.WAITING}


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
