"""Who resembles whom: before somebody is enrolled, and from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import GalleryError
from edged.gallery.neighbours import (
    MOST,
    catch_up,
    duplicates,
    keep_lookalikes,
    lookalikes,
    new_rows,
)
from edged.gallery.people import Enrolment, Stored
from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.gallery.search import Index
from edged.gallery.store import Gallery
from edged.vault.secret import Secret
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.types import Floats

MODEL, OTHER = "net@1.0.0#0123456789ab", "net@2.0.0#ba9876543210"
SIZE = 64
FACES = embeddings(40, SIZE)
LEVEL = 0.7


def near(face: Floats, cosine: float, seed: int = 0) -> Floats:
    """A unit-length vector of this cosine with a face."""
    other = np.random.default_rng(1000 + seed).standard_normal(len(face))
    other -= (other @ face) * face
    other /= np.linalg.norm(other)
    mixed = cosine * face + np.sqrt(1 - cosine**2) * other
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


def enrolment(person_id: str, face: Floats, model: str = MODEL) -> Enrolment:
    return Enrolment(person_id, face, model, 0.9, "photo")


@pytest.fixture
def index() -> Index:
    """Twenty people who do not resemble each other."""
    index = Index(MODEL, SIZE)
    index.put_many([f"p{i}" for i in range(20)], FACES[:20])
    return index


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "gallery.db", Secret(bytes(32)))
    gallery.open()
    yield gallery
    gallery.close()


def add(gallery: Gallery, **people: Floats) -> None:
    gallery.add_many([enrolment(*one) for one in people.items()], limit=5)


def test_the_new_templates_of_each_are_fused() -> None:
    rows = new_rows(
        [enrolment("a", FACES[0]), enrolment("b", FACES[1]), enrolment("a", FACES[2])], MODEL
    )
    mean = FACES[0] + FACES[2]
    assert list(rows) == ["a", "b"]
    np.testing.assert_allclose(rows["a"], mean / np.linalg.norm(mean), atol=1e-6)


def test_templates_of_another_model_are_left_alone() -> None:
    rows = new_rows([enrolment("a", FACES[0]), enrolment("a", FACES[1], OTHER)], MODEL)
    np.testing.assert_allclose(rows["a"], FACES[0], atol=1e-6)
    assert new_rows([enrolment("a", FACES[1], OTHER)], MODEL) == {}


def test_templates_that_say_nothing_are_left_to_the_gallery() -> None:
    assert new_rows([enrolment("a", FACES[0]), enrolment("a", -FACES[0])], MODEL) == {}
    assert new_rows([enrolment("a", FACES[0]), enrolment("a", FACES[0][:32])], MODEL) == {}
    assert new_rows([], MODEL) == {}


def test_who_is_here_under_another_id_is_found(index: Index) -> None:
    found = duplicates(index, {"new": near(FACES[7], 0.8)}, LEVEL)
    assert found["new"].person_id == "p7"
    assert found["new"].similarity == pytest.approx(0.8, abs=1e-5)


def test_who_is_nobody_else_is_not(index: Index) -> None:
    assert duplicates(index, {"new": FACES[30], "other": near(FACES[7], 0.6)}, LEVEL) == {}


def test_nobody_is_their_own_duplicate(index: Index) -> None:
    assert duplicates(index, {"p7": near(FACES[7], 0.9)}, LEVEL) == {}


def test_new_views_of_a_twin_are_the_twins_own(index: Index) -> None:
    index.put("twin", near(FACES[7], 0.8))
    view = near(near(FACES[7], 0.8), 0.95, seed=1)
    assert view @ FACES[7] >= LEVEL
    assert duplicates(index, {"twin": view}, LEVEL) == {}


def test_views_of_somebody_else_under_a_known_id_are_found(index: Index) -> None:
    assert duplicates(index, {"p3": near(FACES[7], 0.9)}, LEVEL)["p3"].person_id == "p7"


def test_two_ids_of_one_person_in_one_batch_are_found(index: Index) -> None:
    new = {"a": FACES[30], "b": FACES[31], "c": near(FACES[30], 0.75)}
    found = duplicates(index, new, LEVEL)
    assert {who: other.person_id for who, other in found.items()} == {"c": "a"}


def test_the_first_of_an_empty_gallery_is_nobody_else() -> None:
    assert duplicates(Index(MODEL, SIZE), {"new": FACES[0]}, LEVEL) == {}
    assert duplicates(Index(MODEL, SIZE), {}, LEVEL) == {}


@pytest.mark.parametrize(
    "row",
    [
        np.zeros(SIZE, np.float32),
        np.full(SIZE, np.nan, np.float32),
        np.ones(SIZE, np.float32),
        FACES[0].astype(np.float64),
        FACES[0][: SIZE // 2],
    ],
)
def test_what_is_no_embedding_is_refused(index: Index, row: Any) -> None:
    with pytest.raises(GalleryError):
        duplicates(index, {"new": row}, LEVEL)


@given(st.floats(-0.99, 0.99), st.floats(0.1, 0.95))
def test_a_duplicate_is_exactly_who_reaches_the_level(cosine: float, level: float) -> None:
    index = Index(MODEL, SIZE)
    index.put("p", FACES[0])
    row = near(FACES[0], cosine)
    found = duplicates(index, {"new": row}, level)
    similarity = float(row @ FACES[0])
    if abs(similarity - level) > 1e-5:
        assert ("new" in found) == (similarity >= level)


def test_lookalikes_are_told_most_similar_first(index: Index) -> None:
    index.put("a", near(FACES[7], 0.75))
    index.put("b", near(FACES[7], 0.85, seed=1))
    found = lookalikes(index, ["p7", "p8", "nobody"], LEVEL)
    assert list(found["p7"]) == ["b", "a"]
    assert found["p7"]["b"] == pytest.approx(0.85, abs=1e-5)
    assert found["p8"] == {}
    assert found["nobody"] == {}


def test_a_face_like_everybodys_does_not_mark_everybody() -> None:
    index = Index(MODEL, SIZE)
    index.put("plain", FACES[0])
    for i in range(2 * MOST):
        index.put(f"p{i}", near(FACES[0], 0.8 + i / 1000, seed=i))
    found = lookalikes(index, ["plain"], LEVEL)["plain"]
    assert len(found) == MOST
    assert min(found.values()) >= 0.8 + MOST / 1000 - 1e-5


def test_both_of_a_pair_are_marked(gallery: Gallery) -> None:
    add(gallery, a=FACES[0], b=near(FACES[0], 0.8), c=FACES[1])
    index = gallery.index(MODEL, SIZE)
    found = keep_lookalikes(gallery, index, ["b"], LEVEL)
    assert list(found["b"]) == ["a"]
    ((pair, similarity),) = gallery.lookalikes().items()
    assert set(pair) == {"a", "b"}
    assert similarity == pytest.approx(0.8, abs=1e-3)
    marks = {
        who: index.search(FACES[i], 1).candidates[0].lookalike for who, i in (("a", 0), ("c", 1))
    }
    assert marks == {"a": True, "c": False}
    assert index.search(near(FACES[0], 0.8), 1).candidates[0].lookalike


def test_marks_outlive_a_restart(gallery: Gallery, tmp_path: Path) -> None:
    add(gallery, a=FACES[0], b=near(FACES[0], 0.8))
    keep_lookalikes(gallery, gallery.index(MODEL, SIZE), ["a"], LEVEL)
    gallery.close()
    gallery.open()
    best = gallery.index(MODEL, SIZE).search(FACES[0], 1).candidates[0]
    assert (best.person_id, best.lookalike) == ("a", True)


def test_who_does_not_resemble_any_more_is_not_marked_any_more(gallery: Gallery) -> None:
    add(gallery, a=FACES[0], b=near(FACES[0], 0.8))
    index = gallery.index(MODEL, SIZE)
    keep_lookalikes(gallery, index, ["a", "b"], LEVEL)
    gallery.add_many([enrolment("b", FACES[5]), enrolment("b", FACES[6])], limit=5)
    keep_lookalikes(gallery, index, ["b"], LEVEL)
    assert gallery.lookalikes() == {}
    assert not index.search(FACES[0], 1).candidates[0].lookalike


def test_with_a_person_goes_the_mark_of_the_other(gallery: Gallery) -> None:
    add(gallery, a=FACES[0], b=near(FACES[0], 0.8))
    index = gallery.index(MODEL, SIZE)
    keep_lookalikes(gallery, index, ["b"], LEVEL)
    gallery.remove("b")
    assert gallery.lookalikes() == {}
    assert not index.search(FACES[0], 1).candidates[0].lookalike


def test_people_without_lookalikes_cost_no_write(gallery: Gallery) -> None:
    add(gallery, a=FACES[0], b=FACES[1])
    before = gallery.revision
    keep_lookalikes(gallery, gallery.index(MODEL, SIZE), ["a", "b"], LEVEL)
    assert gallery.revision == before


def test_who_came_by_another_way_than_an_enrolment_is_compared_afterwards(gallery: Gallery) -> None:
    add(gallery, a=FACES[0], c=FACES[1])
    index = gallery.index(MODEL, SIZE)
    while catch_up(gallery, index, LEVEL):
        assert gallery.lookalikes() == {}
    kept = [Kept(near(FACES[0], 0.8), 0.9, "site:photo", "2026-01-01T00:00:00Z")]
    gallery.apply([Stored("b", Profile(), {MODEL: kept}, "2026", 1)], [], {})
    assert catch_up(gallery, index, LEVEL)
    assert not catch_up(gallery, index, LEVEL)
    ((pair, _),) = gallery.lookalikes().items()
    assert set(pair) == {"a", "b"}
    assert index.search(FACES[0], 1).candidates[0].lookalike
    gallery.close()
    gallery.open()
    assert not catch_up(gallery, gallery.index(MODEL, SIZE), LEVEL)  # how far it got is kept
    assert len(gallery.lookalikes()) == 1
