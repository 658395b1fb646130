"""The gallery keeps people and templates, encrypted, and its indexes follow."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.errors import DiskFull, GalleryError, StorageError, WrongKey
from edged.gallery.people import Enrolment, Stored
from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.gallery.store import Gallery
from edged.vault.keys import Secret
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.gallery.search import Index
    from edged.types import Floats

KEY = Secret(bytes(range(32)))
MODEL, OTHER_MODEL = "mobilefacenet-rts@1.0.0#0123456789ab", "mobilefacenet-rts@1.1.0#ba9876543210"
FACES = embeddings(300)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "gallery.db", KEY)
    gallery.open()
    yield gallery
    gallery.close()


def add(gallery: Gallery, person_id: str, face: Floats, **changes: Any) -> None:
    values: dict[str, Any] = {"model": MODEL, "quality": 0.9, "source": "photo", "limit": 5}
    gallery.add(person_id, face, **(values | changes))


def fused_of(*faces: Floats) -> Floats:
    """The mean, put to length 1, worked out in double precision."""
    mean = np.mean(faces, axis=0, dtype=np.float64)
    return (mean / np.linalg.norm(mean)).astype(np.float32)


def rows_of(index: Index) -> dict[str, Floats]:
    """Everybody's row, in the network's space."""
    found = {who: index.row(who) for who in index.ids()}
    return {who: row[1] for who, row in found.items() if row is not None}


def best(index: Index, face: Floats) -> str:
    return index.search(face, 1).candidates[0].person_id


def test_people_and_templates_outlive_a_restart(gallery: Gallery) -> None:
    add(gallery, "b", FACES[0], name="Bea")
    add(gallery, "a", FACES[1])
    add(gallery, "a", FACES[2], model=OTHER_MODEL)
    add(gallery, "a", FACES[3])
    gallery.close()
    gallery.open()
    a, b = gallery.people()
    assert (a.id, a.name, a.templates) == ("a", None, {MODEL: 2, OTHER_MODEL: 1})
    assert (b.id, b.name, b.templates) == ("b", "Bea", {MODEL: 1})
    assert a.created.endswith("Z")
    assert (gallery.count(MODEL), gallery.count(OTHER_MODEL), gallery.count("none")) == (2, 1, 0)
    assert gallery.name_of("b") == "Bea"
    assert gallery.name_of("a") is None
    assert gallery.name_of("stranger") is None
    index = gallery.index(MODEL, 16)
    assert [best(index, FACES[n]) for n in (0, 1, 3)] == ["b", "a", "a"]


def test_a_name_is_kept_unless_a_new_one_is_given(gallery: Gallery) -> None:
    add(gallery, "a", FACES[0], name="Ann")
    add(gallery, "a", FACES[1])
    assert gallery.name_of("a") == "Ann"
    add(gallery, "a", FACES[2], name="Anna")
    assert gallery.name_of("a") == "Anna"


def test_a_stored_template_is_searched_bit_for_bit_as_it_was_added(gallery: Gallery) -> None:
    index = gallery.index(MODEL, 16)
    for number in range(50):
        add(gallery, f"{number}", FACES[number] * np.float32(1.0004))
    added = rows_of(index)
    gallery.close()
    gallery.open()
    loaded = rows_of(gallery.index(MODEL, 16))
    assert all((loaded[who] == row).all() for who, row in added.items())
    assert len(added) == len(loaded) == 50


def test_templates_of_another_model_are_never_loaded_or_compared(gallery: Gallery) -> None:
    add(gallery, "a", FACES[0])
    add(gallery, "b", FACES[1], model=OTHER_MODEL)
    add(gallery, "c", embeddings(1, 32)[0], model="of another size")
    index = gallery.index(MODEL, 16)
    other = gallery.index(OTHER_MODEL, 16)
    for _ in range(2):
        assert (len(index), index.people) == (1, 1)
        assert best(index, FACES[1]) == "a"
        assert (len(other), best(other, FACES[0])) == (1, "b")
        assert set(rows_of(index)) == {"a"}
        gallery.refresh()
    add(gallery, "d", FACES[2], model=OTHER_MODEL)
    assert (len(index), len(other)) == (1, 2)


def test_beyond_the_limit_the_best_templates_stay(gallery: Gallery) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, "a", FACES[9], model=OTHER_MODEL)
    for number, quality in enumerate((0.9, 0.3, 0.8, 0.2, 0.7)):
        add(gallery, "a", FACES[number], limit=3, quality=quality)
    assert gallery.people()[0].templates == {MODEL: 3, OTHER_MODEL: 1}
    np.testing.assert_allclose(gallery.templates("a", MODEL), FACES[[0, 2, 4]], atol=1e-6)
    expected = fused_of(*FACES[[0, 2, 4]])
    assert index.search(expected, 1).candidates[0].similarity > 0.9999
    gallery.add_many([Enrolment("a", FACES[5], MODEL, 1.0, "door")], limit=1)
    assert (gallery.people()[0].templates[MODEL], len(index)) == (1, 1)
    assert index.search(FACES[5], 1).candidates[0].similarity > 0.9999
    with pytest.raises(GalleryError, match="limit"):
        add(gallery, "a", FACES[0], limit=0)


def test_a_search_compares_with_each_person_once_by_all_their_templates_fused(
    gallery: Gallery,
) -> None:
    index = gallery.index(MODEL, 16)
    for number in range(5):
        add(gallery, "a", FACES[number])
    add(gallery, "b", FACES[5])
    for _ in range(2):
        assert len(index) == index.people == 2
        match = index.search(FACES[0], 5)
        similarity = {one.person_id: one.similarity for one in match.candidates}
        assert similarity["a"] == pytest.approx(fused_of(*FACES[:5]) @ FACES[0], abs=1e-6)
        gallery.close()
        gallery.open()
        index = gallery.index(MODEL, 16)
    np.testing.assert_allclose(gallery.templates("a", MODEL), FACES[:5], atol=1e-6)
    assert gallery.templates("nobody", MODEL) == gallery.templates("a", OTHER_MODEL) == []


def test_templates_that_lie_thousands_of_rows_apart_are_fused(gallery: Gallery) -> None:
    people = [f"{number}" for number in range(3000)]
    faces = embeddings(9000).reshape(3, 3000, 16)
    for day in faces:
        gallery.add_many(
            [Enrolment(*pair, MODEL, 0.5, "x") for pair in zip(people, day, strict=True)], limit=5
        )
    mean = faces.mean(axis=0)
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    loaded = rows_of(gallery.index(MODEL, 16))
    np.testing.assert_allclose([loaded[who] for who in people], expected, atol=1e-5)


@pytest.mark.parametrize("coherence", [None, -1.0])
def test_views_that_cancel_out_are_refused_and_leave_no_trace(
    gallery: Gallery, coherence: float | None
) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, "a", FACES[0])
    revision = gallery.revision
    with pytest.raises(GalleryError, match="nothing in common"):
        add(gallery, "a", -FACES[0], coherence=coherence)
    with pytest.raises(GalleryError, match="nothing in common"):
        gallery.add_many(
            [Enrolment("b", face, MODEL, 0.5, "x") for face in (FACES[1], -FACES[1])], limit=5
        )
    assert gallery.revision == revision
    assert gallery.people()[0].templates == {MODEL: 1}
    assert (index.ids(), best(index, FACES[0])) == ({"a"}, "a")
    assert np.isfinite(list(rows_of(index).values())).all()


def test_a_view_of_somebody_else_is_refused_where_views_must_agree(gallery: Gallery) -> None:
    near = [fused_of(FACES[0], FACES[0], face) for face in FACES[1:4]]
    add(gallery, "a", near[0], coherence=0.35)
    gallery.add_many([Enrolment("a", face, MODEL, 0.5, "x") for face in near], limit=5)
    stranger = -FACES[0]
    index = gallery.index(MODEL, 16)
    before = rows_of(index)["a"].copy()
    with pytest.raises(GalleryError, match=r"similarity of -0\.\d+ to the others, 0\.35 is needed"):
        add(gallery, "a", stranger, coherence=0.35)
    assert gallery.people()[0].templates == {MODEL: 4}
    np.testing.assert_array_equal(rows_of(index)["a"], before)
    gallery.remove("a")
    add(gallery, "a", stranger, coherence=0.35)  # alone there is nothing to agree with


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_somebody_else_does_not_take_over_an_id_by_better_views(
    gallery: Gallery, limit: int
) -> None:
    near = [fused_of(*[FACES[0]] * 6, face) for face in FACES[1:11]]
    stranger = [fused_of(*[-FACES[0]] * 6, face) for face in FACES[1:11]]
    gallery.add_many([Enrolment("a", face, MODEL, 0.5, "x") for face in near[:3]], limit=limit)
    with pytest.raises(GalleryError, match="do not show the same one"):
        gallery.add_many(
            [Enrolment("a", face, MODEL, 0.9, "x") for face in stranger],
            limit=limit,
            coherence=0.35,
        )
    assert best(gallery.index(MODEL, 16), FACES[0]) == "a"
    again = [Enrolment("a", face, MODEL, 0.9, "x") for face in near]
    gallery.add_many(again, limit=limit, coherence=0.35)  # themselves, anew


@pytest.mark.parametrize(("stored", "new"), [(1, 3), (2, 2), (3, 3), (5, 3), (5, 5), (3, 10)])
def test_as_many_views_of_somebody_else_do_not_vouch_for_each_other(
    gallery: Gallery, stored: int, new: int
) -> None:
    # each is like those of the same person, and like nobody else's
    one, two, *noise = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0]
    views = {
        who: [(0.92 * row + 0.39 * other).astype(np.float32) for other in noise]
        for who, row in (("a", one), ("b", 0.1 * one + 0.995 * two))
    }
    views = {who: [view / np.linalg.norm(view) for view in some] for who, some in views.items()}
    mine = [Enrolment("a", view, MODEL, 0.9, "x") for view in views["a"]]
    theirs = [Enrolment("a", view, MODEL, 0.9, "x") for view in views["b"]]
    gallery.add_many(mine[:stored], limit=20, coherence=0.35)
    with pytest.raises(GalleryError, match="do not show the same one"):
        gallery.add_many(theirs[:new], limit=20, coherence=0.35)
    gallery.add_many(mine[stored : stored + new], limit=20, coherence=0.35)


def test_a_person_whose_stored_templates_cancel_out_is_never_found(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, "a", FACES[0])
    kept = [Kept(face, 0.9, "x", "2026-01-01T00:00:00Z") for face in (FACES[2], -FACES[2])]
    gallery.apply([Stored("canary", Profile(), {MODEL: kept}, "2026", 1)], [], {})
    gallery.close()
    gallery.open()
    for one in (index, gallery.index(MODEL, 16)):
        assert one.ids() == {"a"}
        assert best(one, FACES[2]) == "a"
    assert "a person cannot be recognised" in caplog.text
    assert "canary" not in caplog.text
    assert gallery.people()[1].templates == {MODEL: 2}


def test_embeddings_of_another_size_than_the_index_are_refused(gallery: Gallery) -> None:
    index = gallery.index(MODEL, 32)
    with pytest.raises(GalleryError, match="32 numbers, not 16"):
        add(gallery, "a", FACES[0])
    assert (gallery.people(), len(index)) == ([], 0)


def test_a_removed_person_is_gone_everywhere(gallery: Gallery) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, "a", FACES[0])
    add(gallery, "a", FACES[1])
    add(gallery, "b", FACES[2])
    assert gallery.remove("a")
    assert not gallery.remove("a")
    assert [person.id for person in gallery.people()] == ["b"]
    assert (len(index), index.people, best(index, FACES[0])) == (1, 1, "b")


def test_the_revision_grows_with_every_change_and_only_then(gallery: Gallery) -> None:
    revisions = [gallery.revision]
    add(gallery, "a", FACES[0])
    revisions.append(gallery.revision)
    gallery.add_many([Enrolment("b", FACES[1], MODEL, 0.5, "door")], limit=5)
    revisions.append(gallery.revision)
    gallery.remove("a")
    revisions.append(gallery.revision)
    assert revisions == sorted(set(revisions))
    gallery.remove("stranger")
    gallery.add_many([], limit=5)
    gallery.people()
    with pytest.raises(GalleryError):
        add(gallery, "a/b", FACES[0])
    gallery.close()
    gallery.open()
    assert gallery.revision == revisions[-1]


@pytest.mark.parametrize(
    "person_id",
    [
        "a",
        "x" * 64,
        "0",
        "Zoë Müller",
        "工号 42",
        "😀",
        "'; DROP TABLE people; --",
        '"',
        "%s{0}",
        "$SYS",
        "..",
    ],
)
def test_an_id_that_can_be_printed_is_taken_as_it_is(gallery: Gallery, person_id: str) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, person_id, FACES[0])
    assert [person.id for person in gallery.people()] == [person_id]
    assert best(index, FACES[0]) == person_id
    assert gallery.remove(person_id)


@pytest.mark.parametrize(
    ("person_id", "message"),
    [
        ("", "1 to 64"),
        ("x" * 65, "1 to 64"),
        ("x" * 4096, "1 to 64"),
        ("a/b", "/ +"),
        ("+", "/ +"),
        ("a#", "/ +"),
        ("ann\ufe0f", "U\\+FE0F at character 4, which cannot be seen"),
        ("ann\u3164", "cannot be seen"),
        ("an\u034fn", "cannot be seen"),
        ("\U000e0100", "cannot be seen"),
        ("a\nb", r"U\+000A at character 2"),
        ("a\0", r"U\+0000"),
        ("\x7f", r"U\+007F"),
        ("a\u202eb", r"U\+202E"),
        ("\ud800", r"U\+D800"),
        (" a", "space"),
        ("a ", "space"),
        ("Zoe\u0308", "NFC"),
        (None, "1 to 64"),
        (7, "1 to 64"),
    ],
)
def test_an_id_that_no_topic_or_list_could_carry_is_refused(
    gallery: Gallery, person_id: Any, message: str
) -> None:
    with pytest.raises(GalleryError, match=message):
        add(gallery, person_id, FACES[0])
    with pytest.raises(GalleryError, match=message):
        gallery.remove(person_id)
    assert gallery.people() == []


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.text(max_size=80))
def test_any_text_as_an_id_is_taken_whole_or_refused(gallery: Gallery, person_id: str) -> None:
    try:
        add(gallery, person_id, FACES[0])
    except GalleryError:
        assert gallery.people() == []
    else:
        assert [person.id for person in gallery.people()] == [person_id]
        assert gallery.remove(person_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"quality": float("nan")},
        {"quality": -0.1},
        {"quality": 1.1},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "x" * 201},
        {"model": ""},
        {"source": "a\0"},
    ],
)
def test_values_that_make_no_sense_are_refused(gallery: Gallery, changes: dict[str, Any]) -> None:
    with pytest.raises(GalleryError):
        add(gallery, "a", FACES[0], **changes)
    assert gallery.people() == []


@pytest.mark.parametrize(
    "face",
    [
        np.full(16, np.nan, np.float32),
        np.zeros(16, np.float32),
        FACES[0] * np.float32(2),
        FACES[:2],
        embeddings(1, 15)[0],
    ],
)
def test_an_embedding_that_is_none_is_refused_and_nothing_added(
    gallery: Gallery, face: Floats
) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, "a", FACES[0])
    revision = gallery.revision
    with pytest.raises(GalleryError):
        add(gallery, "b", face)
    with pytest.raises(GalleryError):
        gallery.add_many(
            [Enrolment("c", FACES[1], MODEL, 0.5, "x"), Enrolment("c", face, MODEL, 0.5, "x")],
            limit=5,
        )
    assert ([person.id for person in gallery.people()], len(index)) == (["a"], 1)
    assert gallery.revision == revision


def test_a_refused_entry_of_many_is_told_by_its_place_and_not_repeated(gallery: Gallery) -> None:
    entries = [Enrolment(who, FACES[0], MODEL, 0.5, "x") for who in ("a", "canary/b", "c")]
    with pytest.raises(GalleryError, match="enrolment 2: ") as caught:
        gallery.add_many(entries, limit=5)
    assert "canary" not in str(caught.value)
    assert gallery.people() == []


def test_one_model_has_one_size(gallery: Gallery) -> None:
    longer = embeddings(1, 32)[0]
    mixed = [Enrolment("a", face, MODEL, 0.5, "x") for face in (FACES[0], longer)]
    with pytest.raises(GalleryError, match="different sizes"):
        gallery.add_many(mixed, limit=5)
    add(gallery, "a", FACES[0])
    with pytest.raises(GalleryError, match="16 numbers here, not 32"):
        add(gallery, "a", longer)
    with pytest.raises(GalleryError, match="16 numbers here, not 32"):
        gallery.index(MODEL, 32)
    assert gallery.index(MODEL, 16) is gallery.index(MODEL, 16)
    with pytest.raises(GalleryError, match="not 32"):
        gallery.index(MODEL, 32)


def test_changes_by_another_process_are_noticed_and_followed(
    gallery: Gallery, tmp_path: Path
) -> None:
    index = gallery.index(MODEL, 16)
    for number in range(20):
        add(gallery, f"{number}", FACES[number])
    assert not gallery.changed()
    other = Gallery(tmp_path / "gallery.db", KEY)
    other.open()
    other.add_many([Enrolment(f"{n}", FACES[n], MODEL, 0.5, "x") for n in range(20, 200)], limit=1)
    add(other, "3", FACES[250], limit=1)
    other.remove("7")
    other.close()
    assert gallery.changed()
    add(gallery, "own", FACES[251])  # a change of our own in between hides nothing
    assert gallery.changed()
    gallery.refresh()
    assert not gallery.changed()
    reloaded = Gallery(tmp_path / "gallery.db", KEY)
    reloaded.open()
    fresh = reloaded.index(MODEL, 16)
    reloaded.close()
    assert index.ids() == fresh.ids()
    assert index.people == fresh.people == 200
    for face in FACES:
        assert best(index, face) == best(fresh, face)
    assert best(index, FACES[250]) == "3"


def test_a_newcomer_is_not_taken_for_the_one_who_left(gallery: Gallery, tmp_path: Path) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, "left", FACES[0])
    other = Gallery(tmp_path / "gallery.db", KEY)
    other.open()
    other.remove("left")
    add(other, "newcomer", FACES[1])
    other.close()
    gallery.refresh()
    match = index.search(FACES[1], 5)
    assert [candidate.person_id for candidate in match.candidates] == ["newcomer"]
    assert match.candidates[0].similarity > 0.999


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 299)), max_size=40))
def test_an_index_kept_in_step_equals_one_loaded_afresh(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("gallery") / "gallery.db"
    galleries = Gallery(path, KEY), Gallery(path, KEY)
    for gallery in galleries:
        gallery.open()
    index = galleries[0].index(MODEL, 16)
    for what, who, face in steps:
        gallery = galleries[what % 2]
        if what < 2:
            add(gallery, f"{who}", FACES[face], limit=2)
        else:
            gallery.remove(f"{who}")
    galleries[0].refresh()
    fresh = galleries[1].index(MODEL, 16)
    galleries[1].refresh()
    kept, loaded = rows_of(index), rows_of(fresh)
    assert set(kept) == set(loaded)
    for person in galleries[0].people():
        expected = fused_of(*galleries[0].templates(person.id, MODEL))
        np.testing.assert_allclose(kept[person.id], expected, atol=1e-6)
        np.testing.assert_allclose(loaded[person.id], expected, atol=1e-6)
    assert index.people == fresh.people == len(galleries[0].people())
    for gallery in galleries:
        gallery.close()


def test_nothing_readable_is_on_the_disk(gallery: Gallery, tmp_path: Path) -> None:
    for number in range(200):
        add(gallery, f"canary-{number}", FACES[number], name=f"Canary Name {number}")
    gallery.remove("canary-7")
    for _ in range(2):  # with the WAL, and moved into the file
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for word in (b"canary", b"Canary", MODEL.encode(), b"templates", b"SQLite"):
            assert word not in content
        for face in FACES[:200]:
            assert face.tobytes()[:12] not in content
        gallery.close()


def test_no_name_and_no_embedding_shows_in_text(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    add(gallery, "a", FACES[0], name="Canary Name")
    enrolment = Enrolment("a", FACES[0], MODEL, 0.5, "x", name="Canary Name")
    shown = f"{gallery.people()} {enrolment} {gallery.index(MODEL, 16)} {caplog.text}"
    assert "Canary" not in shown
    assert "array" not in shown


def test_a_wrong_key_leaves_the_gallery_as_it_is(gallery: Gallery, tmp_path: Path) -> None:
    add(gallery, "a", FACES[0])
    gallery.close()
    before = (tmp_path / "gallery.db").read_bytes()
    wrong = Gallery(tmp_path / "gallery.db", Secret(bytes(range(1, 33))))
    with pytest.raises(WrongKey):
        wrong.open()
    wrong.close()
    wrong.close()
    assert (tmp_path / "gallery.db").read_bytes() == before
    with pytest.raises(StorageError, match="not open"):
        gallery.people()


def test_a_full_disk_leaves_file_and_index_as_they_were(gallery: Gallery) -> None:
    index = gallery.index(MODEL, 16)
    add(gallery, "a", FACES[0])
    gallery._database._opened().execute("PRAGMA max_page_count = 20")
    many = [Enrolment(f"{n}" * 20, FACES[n % 300], MODEL, 0.5, "x") for n in range(3000)]
    with pytest.raises((DiskFull, GalleryError)) as caught:
        gallery.add_many([one for one in many if len(one.person_id) <= 64], limit=5)
    assert caught.type is DiskFull
    assert ([person.id for person in gallery.people()], len(index)) == (["a"], 1)
    add(gallery, "b", FACES[1])
    assert len(index) == 2


def test_who_was_erased_is_never_found_again_though_the_disk_is_full(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is destroyed first; what cannot be written then is made up for at the next start."""
    index = gallery.index(MODEL, 16)
    add(gallery, "a", FACES[0])
    add(gallery, "b", FACES[1])
    gallery._database._opened().execute(
        "CREATE TEMP TRIGGER full BEFORE DELETE ON main.people "
        "BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(DiskFull):
        gallery.remove("a")
    assert index.ids() == {"b"}
    gallery.close()
    gallery.open()
    assert [person.id for person in gallery.people()] == ["b"]
    assert gallery.index(MODEL, 16).ids() == {"b"}
    assert not gallery.remove("a")


_CHILD = """
import sys
from pathlib import Path
from tests.gallery.test_store import *
gallery = Gallery(Path(sys.argv[1]), KEY)
gallery.open()
for number in range(300):
    add(gallery, f"{number}", FACES[number])
    print(number, flush=True)
"""


def test_no_enrolment_that_returned_is_lost_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    command = [sys.executable, "-c", _CHILD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(20)]
        child.kill()
        told += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    gallery = Gallery(path, KEY)
    gallery.open()
    held = {person.id for person in gallery.people()}
    assert {line.strip() for line in told if line.endswith("\n")} <= held
    assert gallery.index(MODEL, 16).people == len(held) == gallery.revision
    gallery.close()
