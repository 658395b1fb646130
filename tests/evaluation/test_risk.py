"""Thresholds cover a risk that is known, and say how sure they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from edged.errors import EvaluationError
from edged.evaluation import risk
from edged.evaluation.comparisons import BIN, Counts, impostors
from tests.evaluation.people import faces

MEAN, DEVIATION = 0.05, 0.12


def known(count: int) -> Counts:
    """What `count` comparisons of normal similarities would be expected to count."""
    edges = np.arange(20003) * BIN - 1
    histogram = count * np.diff(stats.norm.cdf(edges, MEAN, DEVIATION))
    return Counts(histogram)


def truth(fmr: float) -> float:
    return float(MEAN + DEVIATION * stats.norm.isf(fmr))


def test_a_counted_threshold_is_the_true_one() -> None:
    table = risk.false_match_table(known(10**8), risk.fit_tail(known(10**8)))
    measured = [row for row in table if row["basis"] == "measured"]
    assert [row["fmr"] for row in measured] == list(risk.MEASURED_FMR)
    for row in measured:
        assert row["similarity"] == pytest.approx(truth(float(str(row["fmr"]))), abs=2e-4)


def test_the_tail_of_a_known_distribution_is_found() -> None:
    tail = risk.fit_tail(known(10**8))
    for fmr in (1e-6, 1e-8):
        assert tail.normal(fmr) == pytest.approx(truth(fmr), abs=1e-3)
    # The Pareto tail ends too soon for a normal one: that is why the two are averaged.
    assert tail.pareto(1e-8) < tail.similarity_at(1e-8) < tail.normal(1e-8)


def test_a_small_set_counts_what_it_can_and_extrapolates_the_rest_strictly() -> None:
    counts = known(10_875)  # 30 people with five photos
    table = risk.false_match_table(counts, risk.fit_tail(counts, risk.window(counts.count)))
    bases = {row["fmr"]: row["basis"] for row in table}
    assert [fmr for fmr, basis in bases.items() if basis == "measured"] == [1e-2, 3e-3, 1e-3]
    assert bases[1e-6] == "extrapolated"
    for row in table:
        assert float(str(row["similarity"])) >= truth(float(str(row["fmr"]))) - 1e-3


def test_too_few_comparisons_are_refused_with_their_number() -> None:
    counts = known(435)
    with pytest.raises(EvaluationError, match=r"435 comparisons .* it takes 1,000"):
        risk.false_match_table(counts, risk.fit_tail(counts, risk.window(435)))


def test_similarities_that_do_not_differ_are_refused() -> None:
    histogram = np.zeros(20002)
    histogram[15000] = 10**6
    with pytest.raises(EvaluationError, match="does not tell people apart"):
        risk.fit_tail(Counts(histogram))


def test_a_table_always_rises_and_ends_before_one() -> None:
    rows = [(1e-2, 0.5, "measured"), (1e-3, 0.5, "measured"), (1e-4, 0.4, "measured")]
    rows += [(1e-5, 0.8, "extrapolated"), (1e-6, 1.2, "extrapolated")]
    table = risk.rising(rows)
    found = [float(str(row["similarity"])) for row in table]
    assert all(b > a for a, b in itertools.pairwise(found))
    assert found[-1] == 0.8
    with pytest.raises(EvaluationError, match="does not tell people apart"):
        risk.rising([(1e-2, 0.999, "measured"), (1e-3, 1.0, "measured")])


def test_everybody_drawn_once_counts_what_was_counted() -> None:
    outputs, people = faces(20, 3)
    found = impostors(outputs.embeddings, people, 0.0)
    names = np.unique(people)
    again = risk.Resampled.of(found, names, people).counts(np.ones(20, np.int64))
    assert again.count == found.count
    assert again.similarity_at(1e-2) == found.similarity_at(1e-2)


def test_a_person_drawn_twice_is_no_impostor_of_themselves() -> None:
    outputs, people = faces(3, 2)
    found = impostors(outputs.embeddings, people, -1)
    weight = np.array([2, 1, 0])
    again = risk.Resampled.of(found, np.unique(people), people).counts(weight)
    assert again.count == 2 * 2 * 2


def test_a_door_asks_more_of_a_larger_gallery() -> None:
    table = [dict(r) for r in risk.false_match_table(known(10**8), risk.fit_tail(known(10**8)))]
    small, large = (risk.threshold(table, people, 0.003) for people in (100, 10_000))
    assert small < large
    assert large == pytest.approx(truth(3e-7), abs=0.02)
