"""One steady instruction at a time: the most useful one."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice, pairwise
from math import inf, nan
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.guidance import Guidance, Need, needs
from edged.testing.builders import observation
from edged.types import Defect, Instruction, Pose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

A = Need(Instruction.COME_CLOSER, 0.3)
B = Need(Instruction.MORE_LIGHT, 0.6)
C = Need(Instruction.HOLD_STILL, 0.9)
NOTHING: tuple[Need, ...] = ()
NEEDS = st.builds(Need, st.sampled_from(Instruction), st.floats())
WANTED = st.lists(NEEDS, max_size=4).map(tuple)
RATES_HZ = pytest.mark.parametrize("rate_hz", [3, 5, 10, 15, 30, 60])
Shown = list[tuple[float, Instruction | None]]


def play(
    rate_hz: float,
    frames: Iterable[Sequence[Need]],
    guidance: Guidance | None = None,
    start_s: float = 0.0,
) -> Shown:
    """What is shown after each frame."""
    guidance = guidance or Guidance(0.3, 1.0)
    times = (start_s + n / rate_hz for n in range(10**9))
    return [(t, guidance.update(t, tuple(f))) for t, f in zip(times, frames, strict=False)]


def changes(shown: Shown) -> Shown:
    """When what is shown changed, and into what."""
    first = [(shown[0][0], shown[0][1])] if shown[0][1] is not None else []
    return first + [new for old, new in pairwise(shown) if new[1] is not old[1]]


def asked(*defects: Defect, gains: tuple[float, ...] = (), pose: Pose | None = None) -> list[str]:
    seen = observation(0.0, defects=defects)
    assert seen.face is not None
    face = replace(seen.face, pose=pose) if pose else seen.face
    return [need.instruction.value for need in needs(replace(seen, gains=gains, face=face))]


# -- what would help ------------------------------------------------------------------------------


def test_without_measured_gains_size_goes_before_light_and_light_before_sharpness() -> None:
    defects = (Defect.BLURRED, Defect.TOO_DARK, Defect.TOO_FAR)
    assert asked(*defects) == ["come_closer", "more_light", "hold_still"]


def test_what_mends_most_goes_first() -> None:
    defects = (Defect.TOO_FAR, Defect.TOO_DARK, Defect.BLURRED)
    assert asked(*defects, gains=(0.2, 0.5, 0.3)) == ["more_light", "hold_still", "come_closer"]


def test_what_mends_next_to_nothing_is_not_asked_for_unless_the_view_is_never_matched() -> None:
    assert asked(Defect.TOO_DARK, Defect.BLURRED, gains=(0.04, 0.3)) == ["hold_still"]
    assert asked(Defect.TOO_DARK, gains=(0.0,)) == ["retake"]
    assert asked(Defect.TOO_FAR, gains=(0.0,)) == ["come_closer"]


@pytest.mark.parametrize("gain", [nan, inf, -inf])
def test_a_gain_that_is_no_number_counts_as_not_measured(gain: float) -> None:
    assert asked(Defect.BLURRED, Defect.TOO_DARK, gains=(gain, 0.55)) == [
        "more_light",
        "hold_still",
    ]


def test_gains_that_are_missing_count_as_not_measured() -> None:
    assert asked(Defect.TOO_DARK, Defect.BLURRED, gains=(0.4,)) == ["hold_still", "more_light"]


def test_two_defects_with_one_remedy_are_one_need() -> None:
    assert needs(observation(0.0, defects=(Defect.OFF_CENTRE, Defect.CUT_OFF))) == (
        Need(Instruction.CENTER_FACE, 0.8),
    )


def test_a_low_quality_without_a_known_cause_asks_for_a_retake() -> None:
    assert asked() == ["retake"]


def test_nobody_is_asked_for_anything_where_nobody_is() -> None:
    assert needs(observation(0.0, track_id=None)) == ()
    assert asked(Defect.NO_FACE, Defect.TOO_DARK) == []


@given(st.sets(st.sampled_from(sorted(Defect)), min_size=1), st.lists(st.floats(), max_size=12))
def test_every_defect_has_a_remedy_and_every_gain_is_a_share(
    defects: set[Defect], gains: list[float]
) -> None:
    seen = replace(observation(0.0, defects=tuple(sorted(defects))), gains=tuple(gains))
    found = needs(seen)
    assert bool(found) is (Defect.NO_FACE not in defects)
    assert all(0 <= need.gain <= 1 for need in found)
    assert [need.gain for need in found] == sorted((n.gain for n in found), reverse=True)
    assert len({need.instruction for need in found}) == len(found)


@pytest.mark.parametrize(
    ("pose", "way"),
    [
        (Pose(45, 0, 0), "turn_right"),  # the nose to the image's right is the person's left
        (Pose(-45, 5, 0), "turn_left"),
        (Pose(0, 40, 0), "lower_head"),
        (Pose(10, -40, 0), "raise_head"),
        (Pose(0, 0, 45), "face_camera"),
        (Pose(45, 40, 0), "face_camera"),
        (Pose(0, nan, 45), "face_camera"),
        (Pose(inf, 0, 0), "face_camera"),
    ],
)
def test_whoever_looks_away_is_told_which_way_to_turn(pose: Pose, way: str) -> None:
    assert asked(Defect.TURNED, pose=pose) == [way]


def test_a_turned_view_whose_face_was_not_kept_asks_to_face_the_camera() -> None:
    seen = replace(observation(0.0, defects=(Defect.TURNED,)), face=None)
    assert [need.instruction for need in needs(seen)] == [Instruction.FACE_CAMERA]


# -- what is shown --------------------------------------------------------------------------------


@RATES_HZ
def test_the_right_instruction_is_up_within_half_a_second_of_the_defect(rate_hz: int) -> None:
    guidance = Guidance(0.3, 1.0)
    before = play(rate_hz, [NOTHING] * 2 * rate_hz, guidance)
    assert changes(before) == []
    shown = changes(play(rate_hz, [(A, B)] * rate_hz, guidance, 2.0))
    assert [what for _, what in shown] == [B.instruction]
    assert shown[0][0] - 2.0 <= 0.5


@RATES_HZ
def test_the_text_goes_when_the_defect_has_been_gone_for_as_long_as_a_text_stays(
    rate_hz: int,
) -> None:
    shown = changes(play(rate_hz, [(A,)] * 2 * rate_hz + [NOTHING] * 3 * rate_hz))
    assert [what for _, what in shown] == [A.instruction, None]
    assert 1.0 - 1 / rate_hz <= shown[1][0] - 2.0 <= 1.0 + 1 / rate_hz


@RATES_HZ
def test_a_single_frame_says_nothing(rate_hz: int) -> None:
    assert changes(play(rate_hz, [NOTHING] * 5 + [(A,)] + [NOTHING] * 5)) == []


@RATES_HZ
@pytest.mark.parametrize(
    ("pattern", "settled"),
    [
        (((A,), (B,)), B.instruction),
        (((A,), NOTHING), A.instruction),
        (((A, C), (A,)), C.instruction),
        (((A,), (Need(Instruction.RETAKE, 0.0),)), A.instruction),
    ],
)
def test_needs_that_alternate_with_every_frame_settle_on_the_most_useful(
    rate_hz: int, pattern: tuple[tuple[Need, ...], ...], settled: Instruction
) -> None:
    shown = changes(play(rate_hz, islice(cycle(pattern), 20 * rate_hz)))
    assert len(shown) <= 2
    assert shown[-1][1] is settled
    assert shown[-1][0] <= 3.5


@pytest.mark.parametrize("rate_hz", [5, 10, 15, 30, 60])
def test_needs_of_every_third_frame_settle_too(rate_hz: int) -> None:
    shown = changes(play(rate_hz, islice(cycle([(A,), (B,), NOTHING]), 20 * rate_hz)))
    assert len(shown) <= 2
    assert shown[-1][1] is B.instruction


@RATES_HZ
def test_two_needs_of_the_same_worth_do_not_take_turns(rate_hz: int) -> None:
    same = replace(B, gain=A.gain)
    shown = changes(play(rate_hz, islice(cycle([(A,), (same,)]), 20 * rate_hz)))
    assert len(shown) == 1


def test_what_is_worth_a_little_more_does_not_replace_what_is_shown() -> None:
    little = replace(B, gain=A.gain * 1.2)
    assert len(changes(play(15, [(A,)] * 15 + [(A, little)] * 150))) == 1


def test_what_is_worth_clearly_more_does_once_the_text_could_be_read() -> None:
    shown = changes(play(15, [(A,)] * 15 + [(A, B)] * 45))
    assert [what for _, what in shown] == [A.instruction, B.instruction]
    assert shown[1][0] - shown[0][0] >= 1.0
    assert shown[1][0] <= 1.0 + 0.7


def test_what_remains_to_be_mended_follows_within_half_a_second() -> None:
    shown = changes(play(15, [(A, B)] * 30 + [(A,)] * 30))
    assert [what for _, what in shown] == [B.instruction, A.instruction]
    assert shown[1][0] - 2.0 <= 0.5


def test_the_same_hint_does_not_flash() -> None:
    """Needed for a while, mended for a while: on and off, but never faster than it is read."""
    slow = ([(A,)] * 6 + [NOTHING] * 18) * 20
    shown = changes(play(15, slow))
    assert all(later - earlier >= 1.0 - 1e-6 for (earlier, _), (later, _) in pairwise(shown))


def test_a_frame_that_says_nothing_changes_nothing() -> None:
    guidance = Guidance(0.3, 1.0)
    assert play(15, [(A,)] * 10, guidance)[-1][1] is A.instruction
    assert {guidance.keep(1 + n / 15) for n in range(100)} == {A.instruction}
    assert changes(play(15, [(A,)] * 10, guidance, 8.0)) == [(8.0, A.instruction)]


def test_clearing_is_immediate_and_forgets_everything() -> None:
    guidance = Guidance(0.3, 9.0)
    play(15, [(A,)] * 15, guidance)
    guidance.clear()
    assert guidance.shown is None
    assert guidance.update(1.0, (A,)) is None
    assert guidance.update(1.31, (A,)) is A.instruction


def test_without_delay_and_hold_each_frame_gets_what_it_needs() -> None:
    shown = play(15, [(A, B), NOTHING, (A,), NOTHING], Guidance(0.0, 0.0))
    assert [what for _, what in shown] == [B.instruction, None, A.instruction, None]


def test_time_that_stands_still_shows_nothing_and_takes_nothing_down() -> None:
    guidance = Guidance(0.3, 1.0)
    assert {guidance.update(5.0, (A,)) for _ in range(1000)} == {None}
    play(15, [(A,)] * 15, guidance, 5.0)
    assert {guidance.update(5.9, NOTHING) for _ in range(1000)} == {A.instruction}


@pytest.mark.parametrize("t_s", [nan, inf, -inf, -1e9])
def test_time_that_is_no_time_does_no_harm(t_s: float) -> None:
    guidance = Guidance(0.3, 1.0)
    play(15, [(A,)] * 15, guidance)
    assert guidance.update(t_s, (A,)) is A.instruction
    start_s = t_s if t_s == -1e9 else 1.0
    shown = changes(play(15, [NOTHING] * 30, guidance, start_s))
    assert [what for _, what in shown] == [A.instruction, None]


def test_a_gap_counts_for_no_more_than_half_a_second_of_need() -> None:
    guidance = Guidance(1.0, 1.0)
    guidance.update(0.0, (A,))
    assert guidance.update(3600.0, (A,)) is None


SEQUENCES = st.lists(st.tuples(st.floats(0, 1.0), WANTED), max_size=120)


@given(SEQUENCES, st.floats(0, 1), st.floats(0, 3))
def test_whatever_comes_each_text_stays_as_long_as_promised(
    frames: list[tuple[float, tuple[Need, ...]]], delay_s: float, hold_s: float
) -> None:
    guidance = Guidance(delay_s, hold_s)
    now, shown, since, gone = 0.0, None, 0.0, dict[Instruction, float]()
    for passed_s, wanted in frames:
        now += passed_s
        current = guidance.update(now, wanted)
        assert current is guidance.shown
        assert current is None or current in Instruction
        if current is shown:
            continue
        if shown is not None:
            assert now - since >= hold_s - 1e-6
            gone[shown] = now
        if current is not None:
            assert now - gone.get(current, -inf) >= hold_s - 1e-6
        shown, since = current, now


@given(SEQUENCES)
def test_the_same_frames_show_the_same(frames: list[tuple[float, tuple[Need, ...]]]) -> None:
    runs = []
    for _ in range(2):
        guidance, now, shown = Guidance(0.3, 1.0), 0.0, []
        for passed_s, wanted in frames:
            now += passed_s
            shown.append(guidance.update(now, wanted))
        runs.append(shown)
    assert runs[0] == runs[1]


@given(st.lists(st.tuples(st.floats(), WANTED), max_size=60))
def test_garbage_times_and_gains_are_borne_and_kept_in_bounds(
    frames: list[tuple[float, tuple[Need, ...]]],
) -> None:
    guidance = Guidance(0.3, 1.0)
    for t_s, wanted in frames:
        guidance.update(t_s, wanted)
    assert len(guidance._traces) == len(Instruction)
    assert all(0 <= trace.charge <= 1.2 for trace in guidance._traces.values())
