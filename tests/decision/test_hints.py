"""What followed each hint."""

from __future__ import annotations

from math import inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.hints import MOST_HINTS, Hint, HintLog
from edged.types import Instruction

DARK = Instruction.MORE_LIGHT


def played(
    *spells: tuple[float, Instruction | None, float | None], rate_hz: int = 10
) -> list[Hint]:
    """The hints of a presentation: so many seconds each, what was shown, the quality."""
    log, frame = HintLog(0.0), 0
    for seconds, shown, quality in spells:
        for _ in range(round(seconds * rate_hz)):
            log.update(frame / rate_hz, shown, quality)
            frame += 1
    return log.hints


def test_a_hint_after_which_the_quality_rose_helped() -> None:
    (hint,) = played((1, None, 0.2), (0.3, DARK, 0.2), (1, DARK, 0.8))
    assert (hint.instruction, hint.after_s, hint.before) == (DARK, 1.0, pytest.approx(0.2))
    assert hint.best_after == pytest.approx(0.8)
    assert hint.gain == pytest.approx(0.6)
    assert hint.helped


def test_a_view_that_is_never_matched_has_no_quality_to_lose() -> None:
    (hint,) = played((1, None, None), (0.3, DARK, None), (1, DARK, 0.5))
    assert (hint.before, hint.helped) == (0.0, True)


def test_what_comes_later_than_a_second_is_not_the_hints_merit() -> None:
    (hint,) = played((1, None, 0.2), (1.2, DARK, 0.2), (2, None, 0.9))
    assert not hint.helped


def test_the_text_may_be_gone_before_the_second_is_over() -> None:
    (hint,) = played((1, None, 0.2), (0.2, DARK, 0.2), (1, None, 0.9))
    assert hint.helped


def test_a_single_good_frame_is_no_rise() -> None:
    (hint,) = played((1, None, 0.2), (0.4, DARK, 0.2), (0.1, DARK, 0.4), (1, DARK, 0.2))
    assert hint.best_after == pytest.approx(0.24)
    assert not hint.helped


def test_a_rise_within_the_noise_of_before_is_none() -> None:
    log = HintLog(0.0)
    for n in range(10):
        log.update(n / 10, None, 0.2 if n % 2 else 0.6)
    for n in range(10, 20):
        log.update(n / 10, DARK, 0.55)
    assert log.hints[0].noise == pytest.approx(0.2, abs=0.02)
    assert not log.hints[0].helped


def test_a_decision_soon_after_the_hint_leaves_what_was_seen_till_then() -> None:
    (hint,) = played((1, None, 0.2), (0.1, DARK, 0.2), (0.2, DARK, 0.9))
    assert hint.best_after == pytest.approx(0.9)


def test_without_a_later_frame_nobody_knows_whether_it_helped() -> None:
    (hint,) = played((1, None, 0.2), (0.1, DARK, 0.2))
    assert (hint.best_after, hint.gain, hint.helped) == (None, None, False)


def test_the_next_hint_ends_the_one_before() -> None:
    first, second = played(
        (1, None, 0.2), (0.5, DARK, 0.2), (0.1, Instruction.HOLD_STILL, 0.2), (1, None, 0.9)
    )
    assert (first.helped, second.helped) == (False, True)


def test_the_same_hint_again_is_another() -> None:
    assert len(played((0.5, DARK, 0.2), (0.5, None, 0.2), (0.5, DARK, 0.2))) == 2


def test_only_so_many_hints_are_kept_and_the_last_one_is_not_mixed_with_the_rest() -> None:
    spells = [(0.1, DARK, 0.2), (0.2, None, 0.2)] * MOST_HINTS
    hints = played(*spells, (0.1, DARK, 0.2), (1, DARK, 1.0))
    assert len(hints) == MOST_HINTS
    assert not hints[-1].helped


@pytest.mark.parametrize("t_s", [nan, inf, -inf])
def test_a_time_that_is_none_is_left_out(t_s: float) -> None:
    log = HintLog(0.0)
    log.update(t_s, DARK, 0.5)
    assert log.hints == []
    log = HintLog(t_s)
    log.update(1.0, DARK, 0.5)
    assert log.hints[0].after_s == 0.0


@given(
    st.lists(
        st.tuples(
            st.floats(),
            st.sampled_from([None, *Instruction]),
            st.none() | st.floats(0, 1) | st.sampled_from([nan, inf]),
        ),
        max_size=300,
    )
)
def test_whatever_comes_the_log_stays_small_and_its_numbers_are_numbers(
    frames: list[tuple[float, Instruction | None, float | None]],
) -> None:
    log = HintLog(0.0)
    for t_s, shown, quality in frames:
        log.update(t_s, shown, quality)
    assert len(log.hints) <= MOST_HINTS
    assert len(log._recent) <= 64
    for hint in log.hints:
        assert isfinite(hint.after_s)
        assert 0 <= hint.before <= 1
        assert 0 <= hint.noise <= 0.5 + 1e-9
        assert hint.best_after is None or 0 <= hint.best_after <= 1 + 1e-9


@pytest.mark.parametrize("quality", [1e308, -1e308, 1.5, -0.1])
def test_a_quality_that_is_none_counts_as_none(quality: float) -> None:
    log = HintLog(0.0)
    for n in range(10):
        log.update(n / 15, Instruction.HOLD_STILL if n > 4 else None, quality)
    (hint,) = log.hints
    assert (hint.before, hint.best_after) == (0.0, 0.0)
