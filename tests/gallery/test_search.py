"""The index gives what a plain, slow search would give, also while it changes."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.errors import GalleryError
from edged.gallery import compact
from edged.gallery.blocks import ROWS
from edged.gallery.rotation import rotation, turn
from edged.gallery.search import Index
from edged.types import Match
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from edged.types import Floats

SIZE = 8
ROUNDING = 2e-7  # of float32, in a row of length 1


@pytest.fixture(params=["numkong", "numpy"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What multiplies bytes: the library, and what takes its place where it is missing."""
    if request.param == "numpy":
        monkeypatch.setattr(compact, "numkong", lambda: None)
    else:
        assert compact.numkong() is not None


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


def awkward(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Rows (n, d) with equals, almost equals, opposites and lone large numbers, and a probe."""
    size = draw(st.sampled_from([2, 3, 16, 192, 1500]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    few = random.standard_normal((draw(st.integers(1, 4)), size))
    if draw(st.booleans()):
        few[0] = 0
        few[0, random.integers(size)] = -3
    rows = few[random.integers(len(few), size=draw(st.integers(1, 300)))]
    rows = rows * random.choice([-1, 1], size=(len(rows), 1))
    apart = 10.0 ** random.uniform(-9, 1, size=(len(rows), 1)) * random.integers(0, 2)
    rows = rows + apart * random.standard_normal(rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    exact = rows.astype(np.float32)
    probe = random.choice([*exact, *embeddings(3, size, int(random.integers(1000)))])
    return exact, probe


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.composite(awkward)(), st.integers(1, 400))
def test_nobody_better_is_missed_among_equals_opposites_and_near_duplicates(
    library: None, drawn: tuple[Floats, Floats], k: int
) -> None:
    rows, probe = drawn
    index = Index("model", rows.shape[1])
    index.put_many([f"{n}" for n in range(len(rows))], rows)
    exact = rows.astype(np.float64) @ probe.astype(np.float64)
    found = index.search(probe, k).candidates
    best = np.sort(exact)[::-1][:k]
    np.testing.assert_allclose([c.similarity for c in found], best, atol=ROUNDING)
    own = [exact[int(c.person_id)] for c in found]
    np.testing.assert_allclose([c.similarity for c in found], own, atol=ROUNDING)
    assert len({c.person_id for c in found}) == len(best)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("people", "size"), [(2 * ROWS + 100, 64), (300, 4096)])
def test_many_people_are_searched_as_exactly_as_a_few(people: int, size: int) -> None:
    rows = embeddings(people, size)
    index = Index("model", size)
    index.put_many([f"{n}" for n in range(people)], rows)
    for probe in [*embeddings(15, size, seed=1), *rows[-5:]]:
        exact = rows.astype(np.float64) @ probe.astype(np.float64)
        found = index.search(probe, 2).candidates
        assert [int(c.person_id) for c in found] == np.argsort(-exact)[:2].tolist()
        np.testing.assert_allclose([c.similarity for c in found], np.sort(exact)[:-3:-1], atol=1e-7)


def test_of_equals_the_one_who_came_first_is_the_best() -> None:
    index = Index("model", SIZE)
    (row,) = embeddings(1, SIZE)
    index.put_many([f"{n}" for n in range(300)], np.repeat(row[None], 300, axis=0))
    assert [c.person_id for c in index.search(row, 3).candidates] == ["0", "1", "2"]


def test_without_the_library_the_rows_are_searched_with_numpy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "numkong", None)
    assert compact.numkong.__wrapped__() is None
    assert caplog.messages == ["numkong is not installed; large galleries are searched more slowly"]


def test_a_library_that_multiplies_wrongly_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import numkong

    saturating = numkong.dots_packed
    monkeypatch.setattr(
        numkong, "dots_packed", lambda *a: np.asarray(saturating(*a)).clip(-(2**15), 2**15 - 1)
    )
    assert compact.numkong.__wrapped__() is None
    assert caplog.messages == [
        "numkong multiplies wrongly on this processor; numpy searches instead"
    ]


def test_a_person_put_again_has_the_new_row_only() -> None:
    index = Index("model", SIZE)
    old, new, other = embeddings(3, SIZE)
    index.put_many(["a", "b"], np.stack([old, other]))
    held = index._blocks[0]._high
    index.put("a", new)
    match = index.search(new, 5)
    assert (match.people, match.candidates[0].person_id) == (2, "a")
    assert match.candidates[0].similarity > 0.999
    assert index.search(old, 1).candidates[0].similarity < 0.999
    assert not held.any()


def test_who_is_named_twice_has_the_last_row() -> None:
    index = Index("model", SIZE)
    first, second = embeddings(2, SIZE)
    index.put_many(["a", "a"], np.stack([first, second]))
    assert len(index) == 1
    assert index.search(second, 1).candidates[0].similarity > 0.999


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


def test_rows_that_are_no_embeddings_are_refused_and_change_nothing() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.put_many(["a", "b", "c"], rows)
    broken = rows.copy()
    broken[1, 2] = np.nan
    nothing = rows.copy()
    nothing[2] = 0
    for bad in (
        broken,
        nothing,
        rows * np.float32(1.1),
        rows[:2],
        rows[:, :7],
        rows.astype(np.float64),
        rows.tolist(),
    ):
        with pytest.raises(GalleryError):
            index.put_many(["a", "x", "y"], bad)  # type: ignore[arg-type]
    assert (index.ids(), index.revision) == ({"a", "b", "c"}, 1)
    index.put_many([], rows[:0])
    assert index.revision == 1


@pytest.mark.usefixtures("library")
def test_nothing_of_a_removed_person_stays_in_the_arrays() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.put_many(["a", "b", "c"], rows)
    before = index._blocks[0]
    held = (before._high, before._low, before._step)
    del before
    index.remove(["a", "c"])
    for array in held:
        assert not array.any()
    (block,) = index._view.blocks
    assert block.ids == ("b",)
    assert len(block._high) == len(block._low) == 1
    index.remove(["b"])
    assert index.search(rows[1], 1) == Match((), 0)
    assert (index.nbytes, index._slots) == (0, {})


def test_a_search_that_has_begun_sees_everybody_as_they_were() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.put_many(["a", "b"], rows[:2])
    begun = index._view
    index.put("a", rows[2])
    index.remove(["b"])
    found = begun.search(rows[1].astype(np.float64), 2).candidates
    assert found[0].person_id == "b"
    assert found[0].similarity == pytest.approx(1, abs=ROUNDING)
    assert found[1].similarity == pytest.approx(float(rows[0] @ rows[1]), abs=ROUNDING)


def test_a_change_makes_only_the_blocks_anew_that_it_touches() -> None:
    index = Index("model", SIZE)
    people = 3 * ROWS
    index.put_many([f"{n}" for n in range(people)], embeddings(people, SIZE))
    first, second, third = index._blocks
    index.remove([f"{ROWS + 5}"])
    assert index._blocks[0] is first
    assert index._blocks[1] is not second
    assert index._blocks[2] is third
    index.put("new", embeddings(1, SIZE, seed=9)[0])  # into the gap
    assert [len(block) for block in index._blocks] == [ROWS, ROWS, ROWS]
    assert (index._blocks[0], index._blocks[2]) == (first, third)
    index.remove([f"{n}" for n in range(ROWS)])
    assert index.ids() == {"new", *(f"{n}" for n in range(ROWS, people) if n != ROWS + 5)}
    found = index.row("new")
    assert found is not None
    assert found[1] == pytest.approx(embeddings(1, SIZE, seed=9)[0], abs=1e-6)


def test_a_row_and_what_belongs_to_it_take_hardly_more_than_its_float32_numbers() -> None:
    index = Index("model", 192)
    index.put_many([f"{n}" for n in range(5000)], embeddings(5000, 192))
    assert 4 * index.compact_nbytes <= 1.1 * 5000 * 192 * 4
    assert index.nbytes <= 1.05 * 5000 * 192 * 4


def test_probes_and_rows_are_the_networks_where_the_index_is_turned() -> None:
    by = rotation(bytes(32), "model", 64)
    index = Index("model", 64, by)
    rows = embeddings(50, 64)
    index.put_many([f"{n}" for n in range(50)], turn(rows, by))
    for number, row in enumerate(rows):
        best = index.search(row, 1).candidates[0]
        assert best.person_id == f"{number}"
        assert best.similarity == pytest.approx(1, abs=1e-6)
        found = index.row(f"{number}")
        assert found is not None
        np.testing.assert_allclose(found[1], row, atol=1e-6)


def test_who_is_marked_is_told_until_they_leave_or_others_are_marked() -> None:
    index = Index("model", SIZE)
    rows = embeddings(3, SIZE)
    index.put_many(["a", "b", "c"], rows)

    def marked() -> set[str]:
        return {c.person_id for c in index.search(rows[0], 3).candidates if c.lookalike}

    assert marked() == set()
    index.mark(["a", "b"])
    index.put_many(["a", "b"], rows[1:])
    assert marked() == {"a", "b"}
    index.remove(["b"])
    index.put("b", rows[1])
    assert marked() == {"a"}
    index.mark(["c"])
    assert marked() == {"c"}


@pytest.mark.usefixtures("library")
def test_an_id_belongs_to_its_vector_while_others_come_and_go() -> None:
    index = Index("model", 32)
    rows = embeddings(3000, 32)
    index.put("0", rows[0])
    ended = threading.Event()

    def change() -> None:
        try:
            for turn_ in range(3):
                for number in range(1, 3000, 100):
                    chunk = range(number, min(number + 100, 3000))
                    index.put_many([f"{n}" for n in chunk], rows[chunk.start : chunk.stop])
                    index.remove([f"{n}" for n in chunk if n % 3 == turn_])
                index.remove([f"{n}" for n in range(1, 3000)])
        finally:
            ended.set()

    changer = threading.Thread(target=change)
    changer.start()
    searches = 0
    while not ended.is_set() or searches < 10:
        probe = rows[searches % 3000 if searches % 2 else 0]
        match = index.search(probe, 3)
        for candidate in match.candidates:
            own = float(rows[int(candidate.person_id)] @ probe)
            assert candidate.similarity == pytest.approx(own, abs=1e-6)
        if searches % 2 == 0:
            assert match.candidates[0].person_id == "0"  # who never left
        found = index.row(f"{searches % 3000}")
        if found is not None:
            np.testing.assert_allclose(found[1], rows[searches % 3000], atol=1e-6)
        assert len(match.candidates) == min(3, match.people)
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
        assert found[1] == pytest.approx(row, abs=1e-6)
    index.remove(["a"])  # the others move up
    assert index.revision == 3
    moved = index.row("b")
    assert moved is not None
    assert moved[0] == 2
    moved[1][:] = 0  # a copy
    assert index.search(third, 1).candidates[0].similarity == pytest.approx(1)
    assert index.row("a") is None


def test_rows_keep_their_revision_when_the_index_grows() -> None:
    index = Index("m", SIZE)
    index.put("first", embeddings(1, SIZE, seed=1)[0])
    index.put_many([f"p{n}" for n in range(300)], embeddings(300, SIZE, seed=2))
    assert [found and found[0] for found in (index.row("first"), index.row("p299"))] == [1, 2]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("size", [2, 7, 192, 513, 4096])
def test_products_of_bytes_are_exact(size: int) -> None:
    rows = np.random.default_rng(size).integers(-127, 128, (37, size), np.int8)
    rows[0], rows[1], rows[2, ::2] = 127, -127, 127
    multiply = compact.dots(rows)
    for probe in rows:
        assert np.array_equal(multiply(probe), rows.astype(np.int64) @ probe)
