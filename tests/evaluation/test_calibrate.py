"""Curves find a probability that is known, and stay probabilities whatever comes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import special

from edged.bundle.manifest import Quality
from edged.errors import EvaluationError
from edged.evaluation.calibrate import (
    Curve,
    Isotonic,
    calibration_error,
    fit_curve,
    fit_isotonic,
)
from edged.evaluation.quality import LEVELS, MINIMUM

REST = {"meaning": "a test", "levels": LEVELS, "minimum": MINIMUM}


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and outcomes of which a share 1 / (1 + exp(2 (score - 0.5))) pass."""
    random = np.random.default_rng(seed)
    score = random.normal(0, 1, count).astype(np.float32)
    return score, (random.random(count) < special.expit(-2 * (score - 0.5))).astype(float)


@pytest.mark.parametrize("scale", [1e-3, 1, 1e4])
def test_the_logistic_that_made_the_outcomes_is_found_at_any_scale(scale: float) -> None:
    score, passed = drawn(20_000)
    curve = fit_curve(score * np.float32(scale), passed)
    assert curve.midpoint == pytest.approx(0.5 * scale, abs=0.05 * scale)
    assert curve.slope == pytest.approx(2 / scale, rel=0.05)


@pytest.mark.parametrize("fit", [fit_curve, fit_isotonic])
def test_a_calibrated_score_has_next_to_no_error_on_others(fit) -> None:  # type: ignore[no-untyped-def]
    quality = fit(*drawn(20_000)).quality(drawn(20_000, 1)[0])
    assert calibration_error(quality, drawn(20_000, 1)[1]) < 0.02


def test_a_step_is_isotonic_and_no_logistic() -> None:
    random = np.random.default_rng(0)
    score = random.uniform(0, 1, 20_000).astype(np.float32)
    passed = (random.random(20_000) < np.where(score < 0.5, 0.9, 0.2)).astype(float)
    errors = [
        calibration_error(fit(score, passed).quality(score), passed)
        for fit in (fit_curve, fit_isotonic)
    ]
    assert errors[1] < 0.02 < errors[0]


@pytest.mark.parametrize("fit", [fit_curve, fit_isotonic])
def test_a_score_that_points_the_wrong_way_is_refused(fit) -> None:  # type: ignore[no-untyped-def]
    score, passed = drawn(2000)
    with pytest.raises((RuntimeError, EvaluationError), match=r"rises with|does not fall"):
        fit(-score, passed)


@pytest.mark.parametrize("fit", [fit_curve, fit_isotonic])
def test_a_score_or_an_outcome_that_never_differs_is_refused(fit) -> None:  # type: ignore[no-untyped-def]
    score, passed = drawn(200)
    for scores, outcomes in (
        (np.zeros_like(score), passed),
        (score, np.ones_like(passed)),
        (np.full_like(score, np.nan), passed),
    ):
        with pytest.raises((RuntimeError, EvaluationError)):
            fit(scores, outcomes)


@pytest.mark.parametrize("curve", [Curve(0.5, 2), Isotonic(((0.0, 0.9), (1.0, 0.1)))])
def test_a_score_that_is_not_finite_has_no_quality(curve: Curve | Isotonic) -> None:
    worst = curve.quality(np.array([np.nan, np.inf, -np.inf, 1e30], np.float32))
    assert worst[:3].tolist() == [0, 0, 0]
    assert worst[3] <= 0.1 + 1e-6


@pytest.mark.parametrize("fit", [fit_curve, fit_isotonic])
def test_the_manifest_says_the_same_as_the_curve(fit) -> None:  # type: ignore[no-untyped-def]
    curve = fit(*drawn(5000))
    said = TypeAdapter(Quality).validate_python(curve.as_manifest() | REST)
    for score in (-5.0, -0.5, 0.0, 0.4321, 3.0, float("nan")):
        expected = float(curve.quality(np.array([score]))[0])
        assert said.quality(score) == pytest.approx(expected, abs=1e-5)


def test_knots_are_few_and_fall_strictly() -> None:
    points = fit_isotonic(*drawn(20_000)).points
    assert 10 <= len(points) <= 20
    for (x, y), (after_x, after_y) in itertools.pairwise(points):
        assert x < after_x
        assert y > after_y


def brute(values: list[float]) -> list[float]:
    """Falling least squares by the min-max formula."""
    n = len(values)
    return [
        min(
            max(float(np.mean(values[low : high + 1])) for high in range(i, n))
            for low in range(i + 1)
        )
        for i in range(n)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=12))
def test_pooling_is_least_squares_under_the_order(values: list[int]) -> None:
    shares = [v / 4 for v in values]
    expected = brute(shares)
    score = np.repeat(np.arange(len(shares), dtype=np.float32), 20)
    passed = np.repeat(shares, 20)
    if max(expected) - min(expected) < 1e-3:
        with pytest.raises(EvaluationError):
            fit_isotonic(score, passed)
        return
    # Twenty views a score and at most twelve scores: every score may have its own knot.
    found = {int(x): y for x, y in fit_isotonic(score, passed).points if x == int(x)}
    for x, y in found.items():
        assert y == pytest.approx(expected[x], abs=2e-3)  # level stretches fall a little
    assert 0 in found


def test_equal_scores_get_one_quality_whatever_order_they_come_in() -> None:
    score = np.array([0.0] * 30 + [1.0] * 30, np.float32)
    passed = np.array([1.0] * 15 + [0.0] * 15 + [0.0] * 30)
    for order in (np.arange(60), np.arange(60)[::-1]):
        assert fit_isotonic(score[order], passed[order]).points == ((0.0, 0.5), (1.0, 0.0))


def test_the_error_of_a_promise_that_is_off_is_how_much_it_is_off() -> None:
    quality = np.full(1000, 0.8, np.float32)
    passed = (np.arange(1000) % 10 < 7).astype(float)
    assert calibration_error(quality, passed) == pytest.approx(0.1, abs=1e-6)
    weights = np.where(passed > 0, 1.0, 0.0)
    assert calibration_error(quality, passed, weights=weights) == pytest.approx(0.2, abs=1e-6)
