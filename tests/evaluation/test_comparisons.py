"""Comparisons are counted as by hand, whatever is among the rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.errors import EvaluationError
from edged.evaluation.comparisons import (
    auroc,
    genuine_pairs,
    impostors,
    impostors_between,
    rows_of,
    unit,
)
from tests.evaluation.people import faces


def test_every_pair_of_two_people_is_compared_once_and_the_tail_is_kept() -> None:
    outputs, people = faces(7, 3, size=8)
    vectors = unit(outputs.embeddings)
    expected = {
        (i, j): float(vectors[i] @ vectors[j])
        for i, j in itertools.combinations(range(len(people)), 2)
        if people[i] != people[j]
    }
    found = impostors(outputs.embeddings, people, 0.1)
    assert found.count == len(expected)
    kept = {
        (int(i), int(j)): float(s)
        for (i, j), s in zip(found.pairs, found.similarities, strict=True)
    }
    assert kept == pytest.approx({ij: s for ij, s in expected.items() if s >= 0.1}, abs=1e-6)


def test_blocks_do_not_change_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, people = faces(20, 2, size=8)
    whole = impostors(outputs.embeddings, people, -1)
    monkeypatch.setattr("edged.evaluation.comparisons.BLOCK", 7)
    parts = impostors(outputs.embeddings, people, -1)
    assert (parts.histogram == whole.histogram).all()
    assert len(parts.pairs) == len(whole.pairs) == whole.count


def test_the_similarity_at_a_rate_lets_no_more_than_that_rate_pass() -> None:
    outputs, people = faces(40, 3)
    found = impostors(outputs.embeddings, people, -1)
    for fmr in (0.3, 0.1, 1e-2, 1e-3):
        limit = found.similarity_at(fmr)
        assert (found.similarities >= limit).mean() <= fmr
        assert (found.similarities >= limit - 2e-3).mean() > fmr * 0.5


def test_a_view_that_is_not_finite_is_compared_with_nobody() -> None:
    outputs, people = faces(6, 2)
    broken = outputs.embeddings.copy()
    broken[0, 0], broken[3] = np.nan, 0
    kept = np.delete(np.arange(12), [0, 3])
    expected = impostors(outputs.embeddings[kept], people[kept], -1)
    assert (impostors(broken, people, -1).histogram == expected.histogram).all()


def test_two_sets_are_compared_across_people_only() -> None:
    outputs, people = faces(5, 2)
    left = (outputs.embeddings[::2], people[::2])
    found = impostors_between(left, (outputs.embeddings, people), -1)
    assert found.count == 5 * 8
    assert all(people[2 * i] != people[j] for i, j in found.pairs)


def test_one_person_alone_has_no_impostors() -> None:
    outputs, people = faces(1, 5)
    with pytest.raises(EvaluationError, match="nothing to compare"):
        impostors(outputs.embeddings, people)


def test_identical_views_of_different_people_stay_within_a_cosine() -> None:
    people = np.array(["a", "b", "c"])
    found = impostors(np.ones((3, 8), np.float32), people, -1)
    assert found.count == 3
    assert found.similarity_at(1e-3) == 1.0


def test_genuine_pairs_are_a_persons_first_images_and_none_of_single_ones() -> None:
    people = np.array(["b", "a", "b", "a", "b", "c"])
    assert genuine_pairs(people, 2).tolist() == [[1, 3], [0, 2]]
    assert len(genuine_pairs(people, 10)) == 4
    assert genuine_pairs(np.array(["a", "b"]), 10).shape == (0, 2)
    assert rows_of(np.array([], dtype=str)) == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
)
def test_auroc_is_the_share_of_pairs_in_the_right_order(clean: list[int], bad: list[int]) -> None:
    wins = sum((b > c) + (b == c) / 2 for c in clean for b in bad)
    found = auroc(np.array(clean, float), np.array(bad, float))
    assert found == pytest.approx(wins / (len(clean) * len(bad)))


def test_auroc_takes_a_nan_for_the_worst_and_refuses_an_empty_side() -> None:
    assert auroc(np.array([1.0, 2.0]), np.array([np.nan])) == 1
    with pytest.raises(EvaluationError, match="0 clean and 1 bad"):
        auroc(np.array([]), np.array([1.0]))
