"""The index gives what a plain, slow search would give, also while it changes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.errors import GalleryError
from edged.gallery.search import Index
from edged.types import Match
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from edged.types import Floats

SIZE = 8


def naive(templates: dict[int, tuple[str, Floats]], probe: Floats, k: int) -> list[float]:
    """The best similarity of each person, the best k."""
    best: dict[str, float] = {}
    for person_id, embedding in templates.values():
        similarity = float(embedding @ probe)
        best[person_id] = max(best.get(person_id, -2), similarity)
    return sorted(best.values(), reverse=True)[: max(k, 0)]


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 12), st.integers(0, 10_000)),
        st.tuples(st.just("remove"), st.integers(0, 300), st.just(0)),
    ),
    max_size=250,
)


@settings(max_examples=150, deadline=None)
@given(CHANGES, st.integers(0, 15), st.integers(0, 1000))
def test_the_best_persons_are_those_of_a_naive_search(
    changes: list[tuple[str, int, int]], k: int, seed: int
) -> None:
    index = Index("model", SIZE)
    templates: dict[int, tuple[str, Floats]] = {}
    for number, (change, which, seed_) in enumerate(changes):
        if change == "add":
            templates[number] = (f"person {which}", embeddings(1, SIZE, seed_)[0])
            index.add(number, *templates[number])
        else:
            index.remove([which])
            templates.pop(which, None)
    probe = embeddings(1, SIZE, seed)[0]
    match = index.search(probe, k)

    assert len(index) == len(templates)
    assert index.numbers() == set(templates)
    assert match.people == index.people == len({who for who, _ in templates.values()})
    found = [candidate.similarity for candidate in match.candidates]
    assert found == sorted(found, reverse=True)
    np.testing.assert_allclose(found, naive(templates, probe, k), atol=1e-6)
    assert len({candidate.person_id for candidate in match.candidates}) == len(found)
    for candidate in match.candidates:
        own = {n: pair for n, pair in templates.items() if pair[0] == candidate.person_id}
        np.testing.assert_allclose(candidate.similarity, naive(own, probe, 1), atol=1e-6)


def test_an_empty_gallery_has_no_candidate() -> None:
    index = Index("model", SIZE)
    probe = embeddings(1, SIZE)[0]
    assert index.search(probe, 5) == Match((), 0)
    index.add(1, "a", probe)
    index.remove([1])
    assert index.search(probe, 5) == Match((), 0)


def test_one_person_with_many_templates_is_one_candidate() -> None:
    index = Index("model", SIZE)
    probe = embeddings(1, SIZE)[0]
    for number in range(500):
        index.add(number, "a", probe)
    index.add(500, "b", -probe)
    match = index.search(probe, 2)
    assert [candidate.person_id for candidate in match.candidates] == ["a", "b"]
    assert match.people == 2


@pytest.mark.parametrize("k", [0, -1])
def test_no_candidate_is_given_when_none_is_asked_for(k: int) -> None:
    index = Index("model", SIZE)
    index.add(1, "a", embeddings(1, SIZE)[0])
    assert index.search(embeddings(1, SIZE)[0], k) == Match((), 1)


def test_a_similarity_is_a_cosine_even_after_rounding() -> None:
    index = Index("model", 192)
    rows = embeddings(200, 192)
    for number, row in enumerate(rows):
        index.add(number, f"{number}", row)
    for number, row in enumerate(rows):
        best = index.search(row, 1).candidates[0]
        assert best.person_id == f"{number}"
        assert 0.999 < best.similarity <= 1


@pytest.mark.parametrize(
    "probe",
    [
        embeddings(1, 7)[0],
        np.full(SIZE, np.nan, np.float32),
        np.zeros(SIZE, np.float32),
        np.ones(SIZE, np.float32),
        embeddings(1, SIZE)[0].astype(np.float64),
    ],
)
def test_a_probe_that_is_no_embedding_is_refused(probe: Floats) -> None:
    index = Index("model", SIZE)
    index.add(1, "a", embeddings(1, SIZE)[0])
    with pytest.raises(GalleryError):
        index.search(probe, 1)
    with pytest.raises(GalleryError):
        index.add(2, "b", probe)
    assert len(index) == 1


def test_a_known_template_is_not_added_twice_and_an_unknown_one_not_removed() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.extend([1, 2], ["a", "b"], rows[:2])
    index.extend([2, 3], ["b", "c"], rows[1:])
    index.remove([99])
    assert index.numbers() == {1, 2, 3}
    assert index.search(rows[2], 1).candidates[0].person_id == "c"


def test_nothing_of_a_removed_template_stays_in_the_matrix() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.extend([1, 2, 3], ["a", "b", "c"], rows)
    index.remove([1, 3])
    kept = {row.tobytes() for row in index._matrix}
    assert kept == {rows[1].tobytes(), bytes(4 * SIZE)}


def test_a_removal_copies_no_matrix_and_growing_is_rare() -> None:
    index = Index("model", SIZE)
    matrices = set()
    for number, row in enumerate(embeddings(5000, SIZE)):
        index.add(number, f"{number}", row)
        matrices.add(len(index._matrix))
    assert len(matrices) < 15
    before = index._matrix
    index.remove(range(0, 5000, 2))
    assert index._matrix is before


def test_a_person_who_stays_is_found_while_others_come_and_go() -> None:
    index = Index("model", 32)
    rows = embeddings(3000, 32)
    index.add(0, "resident", rows[0])
    ended = threading.Event()

    def change() -> None:
        for _ in range(3):
            for number in range(1, 3000, 100):
                chunk = range(number, min(number + 100, 3000))
                index.extend(list(chunk), [f"{n}" for n in chunk], rows[chunk.start : chunk.stop])
            index.remove(range(1, 3000))
        ended.set()

    changer = threading.Thread(target=change)
    changer.start()
    searches = 0
    while not ended.is_set() or searches < 10:
        match = index.search(rows[0], 3)
        assert match.candidates[0].person_id == "resident"
        assert match.candidates[0].similarity > 0.999
        assert match.people >= len(match.candidates)
        searches += 1
    changer.join()
    assert index.people == 1
