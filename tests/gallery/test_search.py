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


def naive(people: dict[str, Floats], probe: Floats, k: int) -> list[float]:
    """The best k similarities."""
    return sorted((float(row @ probe) for row in people.values()), reverse=True)[:k]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put_many", "remove"]),
        st.integers(0, 90),
        st.integers(0, 10_000),
    ),
    max_size=250,
)


@settings(max_examples=150, deadline=None)
@given(CHANGES, st.integers(0, 100), st.integers(0, 1000))
def test_the_best_people_are_those_of_a_naive_search(
    changes: list[tuple[str, int, int]], k: int, seed: int
) -> None:
    index = Index("model", SIZE)
    people: dict[str, Floats] = {}
    for change, which, seed_ in changes:
        if change == "remove":
            index.remove([f"{which}"])
            people.pop(f"{which}", None)
            continue
        names = [f"{which + n}" for n in range(1 if change == "put" else 7)]
        rows = embeddings(len(names), SIZE, seed_)
        people.update(zip(names, rows, strict=True))
        if change == "put":
            index.put(names[0], rows[0])
        else:
            index.put_many(names, rows)
    probe = embeddings(1, SIZE, seed)[0]
    match = index.search(probe, k)

    assert match.people == index.people == len(index) == len(people)
    assert index.ids() == set(people)
    found = [candidate.similarity for candidate in match.candidates]
    assert found == sorted(found, reverse=True)
    np.testing.assert_allclose(found, naive(people, probe, k), atol=1e-6)
    assert len({candidate.person_id for candidate in match.candidates}) == len(found)
    for candidate in match.candidates:
        own = float(people[candidate.person_id] @ probe)
        np.testing.assert_allclose(candidate.similarity, own, atol=1e-6)


def test_an_empty_gallery_has_no_candidate() -> None:
    index = Index("model", SIZE)
    probe = embeddings(1, SIZE)[0]
    assert index.search(probe, 5) == Match((), 0)
    index.put("a", probe)
    index.remove(["a"])
    assert index.search(probe, 5) == Match((), 0)


def test_a_person_put_again_has_the_new_row_only() -> None:
    index = Index("model", SIZE)
    old, new, other = embeddings(3, SIZE)
    index.put_many(["a", "b"], np.stack([old, other]))
    index.put("a", new)
    match = index.search(new, 5)
    assert (match.people, match.candidates[0].person_id) == (2, "a")
    assert match.candidates[0].similarity > 0.999
    assert old.tobytes() not in index._matrix.tobytes()


@pytest.mark.parametrize("k", [0, -1])
def test_no_candidate_is_given_when_none_is_asked_for(k: int) -> None:
    index = Index("model", SIZE)
    index.put("a", embeddings(1, SIZE)[0])
    assert index.search(embeddings(1, SIZE)[0], k) == Match((), 1)


def test_a_similarity_is_a_cosine_even_after_rounding() -> None:
    index = Index("model", 192)
    rows = embeddings(200, 192)
    for number, row in enumerate(rows):
        index.put(f"{number}", row)
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
    index.put("a", embeddings(1, SIZE)[0])
    with pytest.raises(GalleryError):
        index.search(probe, 1)
    with pytest.raises(GalleryError):
        index.put("b", probe)
    assert len(index) == 1


def test_an_unknown_person_is_not_removed() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.put_many(["a", "b", "c"], rows)
    index.remove(["nobody", "b", "b"])
    assert index.ids() == {"a", "c"}
    assert index.search(rows[2], 1).candidates[0].person_id == "c"


def test_nothing_of_a_removed_person_stays_in_the_matrix() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.put_many(["a", "b", "c"], rows)
    index.remove(["a", "c"])
    kept = {row.tobytes() for row in index._matrix}
    assert kept == {rows[1].tobytes(), bytes(4 * SIZE)}


def test_a_removal_copies_no_matrix_and_growing_is_rare() -> None:
    index = Index("model", SIZE)
    matrices = set()
    for number, row in enumerate(embeddings(5000, SIZE)):
        index.put(f"{number}", row)
        matrices.add(len(index._matrix))
    assert len(matrices) < 15
    before = index._matrix
    index.remove([f"{number}" for number in range(0, 5000, 2)])
    assert index._matrix is before


def test_a_person_who_stays_is_found_while_others_come_and_go() -> None:
    index = Index("model", 32)
    rows = embeddings(3000, 32)
    index.put("resident", rows[0])
    ended = threading.Event()

    def change() -> None:
        for _ in range(3):
            for number in range(1, 3000, 100):
                chunk = range(number, min(number + 100, 3000))
                index.put_many([f"{n}" for n in chunk], rows[chunk.start : chunk.stop])
            index.remove([f"{number}" for number in range(1, 3000)])
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


def test_a_row_tells_since_which_revision_it_is_theirs() -> None:
    first, second, third = embeddings(3, SIZE, seed=1)
    index = Index("m", SIZE)
    assert (index.row("a"), index.revision) == (None, 0)
    index.put_many(["a", "b"], np.stack([first, second]))
    index.put("b", third)
    for who, since, row in (("a", 1, first), ("b", 2, third)):
        found = index.row(who)
        assert found is not None
        assert found[0] == since
        assert found[1] == pytest.approx(row)
    index.remove(["a"])  # the last row moves into its place
    assert index.revision == 3
    moved = index.row("b")
    assert moved is not None
    assert moved[0] == 2
    moved[1][:] = 0  # a copy
    assert index.search(third, 1).candidates[0].similarity == pytest.approx(1)
    assert index.row("a") is None


def test_rows_keep_their_revision_when_the_matrix_grows() -> None:
    index = Index("m", SIZE)
    index.put("first", embeddings(1, SIZE, seed=1)[0])
    index.put_many([f"p{n}" for n in range(300)], embeddings(300, SIZE, seed=2))
    assert [found and found[0] for found in (index.row("first"), index.row("p299"))] == [1, 2]
