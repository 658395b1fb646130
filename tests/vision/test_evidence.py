"""Several views become one template, and what it is worth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edged.vision.evidence import CORRELATION, Evidence, Fused

doubts = st.floats(-15, 15)
vectors = arrays(np.float32, 8, elements=st.floats(-1, 1, width=32)).filter(
    lambda v: float(np.linalg.norm(v)) > 0.1
)


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def fused(*views: tuple[np.ndarray, float]) -> Fused:
    evidence = Evidence()
    found = None
    for vector, log_variance in views:
        found = evidence.add(1, vector, log_variance)
    assert found is not None
    return found


def test_one_view_is_its_own_template_and_worth_what_it_is_worth() -> None:
    alone = fused((unit(3, 4), 0.7))
    assert alone.template == pytest.approx([0.6, 0.8])
    assert alone.template.dtype == np.float32
    assert alone.log_variance == pytest.approx(0.7)
    assert alone.views == 1


def test_views_count_by_the_inverse_of_their_variance() -> None:
    both = fused((unit(1, 0), 0.0), (unit(0, 1), math.log(3)))
    assert both.template == pytest.approx(unit(3, 1))
    assert both.views == 2


def test_another_face_starts_anew() -> None:
    evidence = Evidence()
    evidence.add(1, unit(1, 0), 0.0)
    other = evidence.add(2, unit(0, 1), 0.0)
    assert other is not None
    assert other.template == pytest.approx([0, 1])
    assert other.views == 1


def test_what_was_forgotten_does_not_count() -> None:
    evidence = Evidence()
    evidence.add(1, unit(1, 0), -5.0)
    evidence.clear()
    assert evidence.track_id is None
    found = evidence.add(1, unit(0, 1), 0.0)
    assert found is not None
    assert found.template == pytest.approx([0, 1])
    assert found.log_variance == pytest.approx(0)


def test_neither_the_views_given_nor_a_template_that_was_handed_out_change_later() -> None:
    view, evidence = unit(1, 0), Evidence()
    first = evidence.add(1, view, 0.0)
    evidence.add(1, unit(0, 1), 0.0)
    assert first is not None
    assert first.template.tolist() == [1, 0]
    assert view.tolist() == [1, 0]


def test_equal_views_are_worth_more_but_never_more_than_what_they_share() -> None:
    few = fused(*[(unit(1, 0), 0.0)] * 2).log_variance
    many = fused(*[(unit(1, 0), 0.0)] * 10_000).log_variance
    assert few == pytest.approx(math.log((1 - CORRELATION) / 2 + CORRELATION))
    assert math.log(CORRELATION) < many < few < 0


@given(st.lists(doubts, min_size=1, max_size=20))
def test_evidence_is_worth_no_more_than_its_best_view_allows(log_variances: list[float]) -> None:
    found = fused(*[(unit(1, 0), log_variance) for log_variance in log_variances])
    assert found.log_variance >= min(log_variances) + math.log(CORRELATION) - 1e-6
    assert found.log_variance <= max(log_variances) + 1e-6


@given(st.lists(st.tuples(vectors, doubts), min_size=1, max_size=8))
def test_the_order_of_the_views_does_not_matter(views: list[tuple[np.ndarray, float]]) -> None:
    given_views = [(unit(*vector), doubt) for vector, doubt in views]
    one, other = Evidence(), Evidence()
    for vector, doubt in given_views:
        first = one.add(1, vector, doubt)
    for vector, doubt in reversed(given_views):
        second = other.add(1, vector, doubt)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert second.log_variance == pytest.approx(first.log_variance, abs=1e-6)
        assert float(first.template @ second.template) == pytest.approx(1, abs=1e-3)


@given(st.lists(st.tuples(vectors, st.floats()), min_size=1, max_size=20))
def test_a_template_is_always_of_unit_length(views: list[tuple[np.ndarray, float]]) -> None:
    evidence = Evidence()
    for vector, log_variance in views:
        found = evidence.add(1, unit(*vector), log_variance)
        if found is not None:
            assert np.linalg.norm(found.template) == pytest.approx(1, abs=1e-5)
            assert math.isfinite(found.log_variance)


@pytest.mark.parametrize(
    ("vector", "log_variance"),
    [
        ([1, 0], math.nan),
        ([1, 0], math.inf),
        ([1, 0], -math.inf),
        ([math.nan, 0], 0.0),
        ([math.inf, 0], 0.0),
        ([0, 0], 0.0),
    ],
)
def test_what_is_no_embedding_says_nothing_and_spoils_nothing(
    vector: list[float], log_variance: float
) -> None:
    evidence = Evidence()
    bad = np.array(vector, np.float32)
    assert evidence.add(1, bad, log_variance) is None
    evidence.add(1, unit(3, 4), 0.5)
    assert evidence.add(1, bad, log_variance) is None
    found = evidence.add(1, unit(3, 4), 0.5)
    assert found is not None
    assert found.views == 2
    assert found.template == pytest.approx([0.6, 0.8])


def test_a_view_of_another_face_that_is_no_embedding_still_ends_the_first() -> None:
    evidence = Evidence()
    evidence.add(1, unit(1, 0), 0.0)
    assert evidence.add(2, np.zeros(2, np.float32), 0.0) is None
    found = evidence.add(2, unit(0, 1), 0.0)
    assert found is not None
    assert found.template == pytest.approx([0, 1])


def test_a_longer_vector_counts_no_more() -> None:
    both = fused((unit(1, 0) * 1000, 0.0), (unit(0, 1), 0.0))
    assert both.template == pytest.approx(unit(1, 1))


def test_views_that_cancel_out_say_nothing() -> None:
    evidence = Evidence()
    evidence.add(1, unit(1, 0), 0.0)
    assert evidence.add(1, unit(-1, 0), 0.0) is None
    found = evidence.add(1, unit(0, 1), 0.0)
    assert found is not None
    assert found.template == pytest.approx([0, 1])


@pytest.mark.parametrize("log_variance", [1e300, -1e300, 800.0, -800.0])
def test_a_log_variance_beyond_all_sense_neither_overflows_nor_vanishes(
    log_variance: float,
) -> None:
    found = fused((unit(1, 0), log_variance), (unit(1, 0), log_variance))
    assert found.template == pytest.approx([1, 0])
    assert math.isfinite(found.log_variance)


def test_the_last_of_many_views_counts_as_much_as_the_first() -> None:
    """A running sum in float32 rounds late views to coarser steps than early ones."""
    evidence, early, late = Evidence(), unit(1, 0), unit(1, 2)
    for _ in range(20_000):
        evidence.add(1, early, -6.1)
    for _ in range(20_000):
        found = evidence.add(1, late, -6.1)
    assert found is not None
    exact = early.astype(np.float64) + late
    assert np.abs(found.template - exact / np.linalg.norm(exact)).max() < 1e-7
    assert found.views == 40_000
