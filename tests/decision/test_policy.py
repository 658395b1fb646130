"""From tolerated risk to thresholds, and the 1:1 rule."""

from dataclasses import replace
from math import isclose, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.policy import (
    LOOKS,
    Policy,
    Verdict,
    false_accepts_per_year,
    false_match_rate,
    false_positive_rate,
    fmr_at,
    similarity_at,
    verify,
)
from edged.testing.builders import CURVE

POLICY = Policy(CURVE, 0.003, floor_same=0.45, floor_different=0.35, minimum_quality=0.5)


@given(st.floats(1e-6, 0.1), st.integers(1, 1_000_000))
def test_fmr_and_fpir_are_each_others_inverse(fpir: float, people: int) -> None:
    assert isclose(false_positive_rate(false_match_rate(fpir, people), people), fpir, rel_tol=1e-6)


def test_the_fmr_for_one_person_is_the_fpir_itself() -> None:
    assert isclose(false_match_rate(0.01, 1), 0.01)
    assert isclose(false_match_rate(0.01, 0), 0.01)


@given(st.floats(1e-12, 0.5), st.floats(1e-12, 0.5))
def test_a_smaller_risk_never_lowers_the_threshold(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert similarity_at(low, CURVE) >= similarity_at(high, CURVE)


def test_thresholds_pass_through_the_calibrated_points_and_go_on_beyond_them() -> None:
    assert similarity_at(1e-4, CURVE) == pytest.approx(0.42)
    assert similarity_at(1e-5, CURVE) == pytest.approx(0.485)
    assert similarity_at(1e-10, CURVE) == pytest.approx(0.75)
    assert similarity_at(0.5, CURVE) == 0.30
    assert similarity_at(1e-30, CURVE) == 1.0


@given(st.floats(0.31, 0.95))
def test_the_risk_of_a_fixed_threshold_is_read_off_the_same_curve(similarity: float) -> None:
    assert similarity_at(fmr_at(similarity, CURVE), CURVE) == pytest.approx(similarity, abs=1e-6)


def test_the_door_is_never_laxer_than_the_rule_for_one_pair() -> None:
    assert POLICY.thresholds(1).grant == 0.45
    assert POLICY.thresholds(1).review >= 0.35


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_a_larger_gallery_never_lowers_the_threshold(a: int, b: int) -> None:
    small, large = sorted((a, b))
    assert POLICY.thresholds(large).grant >= POLICY.thresholds(small).grant
    assert POLICY.thresholds(large).review <= POLICY.thresholds(large).grant


def test_five_thousand_people_need_more_than_the_rule_for_one_pair() -> None:
    assert POLICY.thresholds(5000).grant > 0.55


def test_a_fixed_similarity_replaces_the_derived_one_and_its_risk_is_stated() -> None:
    fixed = Policy(CURVE, 0.003, 0.45, 0.35, 0.5, similarity=0.45)
    assert fixed.thresholds(5000).grant == 0.45
    assert fixed.implied_fpir(5000) > 0.1
    assert Policy(CURVE, 0.003, 0.45, 0.35, 0.5, similarity=0.2).thresholds(5000).grant == 0.45
    assert POLICY.implied_fpir(5000) == pytest.approx(0.003, rel=1e-3)


def test_the_tolerated_risk_is_that_of_a_presentation_with_all_its_looks() -> None:
    fmr = fmr_at(POLICY.thresholds(5000).grant, CURVE)
    assert LOOKS * false_positive_rate(fmr, 5000) == pytest.approx(POLICY.fpir, rel=1e-3)
    certain = Policy(CURVE, 0.003, 0.2, 0.1, 0.5, similarity=0.2)
    assert certain.implied_fpir(50_000) == 1.0


@pytest.mark.parametrize(
    ("similarity", "qualities", "verdict"),
    [
        (0.46, (0.9, 0.9), Verdict.SAME),
        (0.45, (0.9, 0.9), Verdict.DOUBTFUL),
        (0.35, (0.9, 0.9), Verdict.DOUBTFUL),
        (0.34, (0.9, 0.9), Verdict.DIFFERENT),
        (0.99, (0.9, 0.1), Verdict.RETAKE),
        (0.10, (0.1, 0.9), Verdict.RETAKE),
        (nan, (0.9, 0.9), Verdict.RETAKE),
        (0.99, (nan, 0.9), Verdict.RETAKE),
    ],
)
def test_quality_comes_before_similarity(
    similarity: float, qualities: tuple[float, float], verdict: Verdict
) -> None:
    result = verify(similarity, qualities, same=0.45, different=0.35, minimum_quality=0.5)
    assert result is verdict


def test_the_risk_of_a_year_is_that_of_a_presentation_times_the_strangers() -> None:
    assert false_accepts_per_year(0.003, 100) == pytest.approx(109.6, abs=0.1)
    assert false_accepts_per_year(0.0, 1e6) == 0


@given(st.integers(0, 200_000), st.floats(1e-6, 0.1))
def test_a_derived_threshold_is_never_laxer_than_asked_unless_no_cosine_is_strict_enough(
    people: int, fpir: float
) -> None:
    policy = replace(POLICY, fpir=fpir)
    assert not policy.above_target(people) or policy.thresholds(people).grant == 1.0


def test_a_fixed_similarity_may_be_laxer_than_asked_and_says_so() -> None:
    fixed = replace(POLICY, similarity=0.5)
    assert not fixed.above_target(100)
    assert fixed.above_target(10_000)


def test_a_view_needs_the_quality_of_the_evidence_unless_told_otherwise() -> None:
    assert POLICY.view_floor == 0.5
    assert replace(POLICY, view_quality=0.2).view_floor == 0.2


def test_a_risk_at_or_below_the_lax_end_of_the_calibration_is_that_of_its_first_point() -> None:
    assert fmr_at(-1.0, CURVE) == fmr_at(0.30, CURVE) == 1e-2
    assert fmr_at(0.70, CURVE) == pytest.approx(1e-9)
