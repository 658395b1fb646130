"""Which state of the two files is in force, and who may have them open at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edged.errors import StorageError
from edged.gallery import wipe
from edged.gallery.book import Book
from edged.gallery.keyring import Keyring
from edged.gallery.legacy import SCHEMA
from edged.vault.database import Database
from tests.gallery.keeping import FACES, MODEL, enrolments, fill_folder
from tests.gallery.killing import KEY, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def older_gallery(folder: Path, people: int) -> None:
    """As the software before this one wrote it."""
    database = Database(folder / "gallery.db", KEY, "gallery", SCHEMA)
    database.open()
    at = "2026-01-01T00:00:00Z"
    with database.transaction() as connection:
        for n in range(people):
            connection.execute("INSERT INTO people VALUES (?, ?, NULL, ?, 1)", (n, f"p{n}", at))
            connection.execute(
                "INSERT INTO templates (person, model, quality, source, created, vector) "
                "VALUES (?, ?, 0.9, 'photo', ?, ?)",
                (n, MODEL, at, FACES[n].astype("<f4").tobytes()),
            )
    database.close()


@pytest.mark.parametrize("people", [1, 40, 60])
def test_an_older_gallery_is_brought_up_to_date_also_after_a_kill_that_left_its_keys(
    tmp_path: Path, people: int
) -> None:
    older_gallery(tmp_path, people)
    keyring = Keyring(tmp_path / "gallery.keys", KEY)
    keyring.open()  # what comes first of it
    keyring.close()
    with opened(tmp_path) as gallery:
        assert len(gallery.people()) == people
        assert gallery.index(MODEL, 16).people == people


def test_whoever_could_not_clear_up_still_keeps_others_from_rewriting(tmp_path: Path) -> None:
    fill_folder(tmp_path)
    with opened(tmp_path) as first:
        first._keyring.begin_generation()  # a rewrite that was interrupted
        with opened(tmp_path):
            first.close()
            with opened(tmp_path) as third, pytest.raises(StorageError, match="in use"):
                third.rekey()


def test_whoever_was_refused_a_rekey_still_keeps_others_from_it(tmp_path: Path) -> None:
    fill_folder(tmp_path)
    with opened(tmp_path) as first, opened(tmp_path) as second:
        for gallery in (first, second):
            with pytest.raises(StorageError, match="in use"):
                gallery.rekey()


def test_a_gallery_that_was_wiped_and_made_anew_is_not_mistaken_for_the_one_that_is_open(
    tmp_path: Path,
) -> None:
    """Before whoever has it open looked: the note about the wipe is gone again."""
    fill_folder(tmp_path)
    with opened(tmp_path) as daemon:
        index = daemon.index(MODEL, 16)
        with opened(tmp_path) as gallery:
            gallery.wipe("local")
        wipe.finish(tmp_path / "gallery.db", tmp_path / "gallery.keys")
        wipe.forget_wipe(tmp_path / "gallery.db")
        with opened(tmp_path) as anew:
            anew.add_many(enrolments(30, 1), limit=5)
            assert daemon.changed()
            for _ in range(2):
                with pytest.raises(StorageError, match="restart the terminal"):
                    daemon.refresh()
                assert index.people == 0
            daemon.close()
            assert [one.id for one in anew.people()] == ["p30"]
    with opened(tmp_path) as gallery:
        assert [one.id for one in gallery.people()] == ["p30"]


def test_a_loading_that_fails_half_way_leaves_nobody_who_is_erased_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_folder(tmp_path)
    rows = Book.rows

    def torn(*args: Any) -> Iterator[Any]:
        yield from rows(*args)
        raise StorageError("a torn page")

    def unreadable(*_: Any) -> list[int]:
        raise StorageError("a torn page")

    with opened(tmp_path) as gallery, opened(tmp_path) as other:
        index = gallery.index(MODEL, 16)
        with monkeypatch.context() as patch:
            patch.setattr(Book, "turning", unreadable)
            gallery.keep(5e9)  # nobody is found from here on
            patch.setattr(Book, "rows", torn)
            with pytest.raises(StorageError):
                gallery.refresh()
        other.remove("p2")
        gallery.refresh()
        assert index.ids() == {"p0", "p1", "p3", "p4", "p5", "p6", "p7"}


def test_the_key_of_somebody_who_is_just_being_added_stays_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_folder(tmp_path)
    with opened(tmp_path) as adding:
        assert adding._generation is not None
        with monkeypatch.context() as patch:
            patch.setattr("edged.gallery.keyring.time.time", lambda: 5.0)  # it is not set yet
            ((number, _),) = adding._keyring.new(adding._generation.number, 1)
        with opened(tmp_path):
            assert adding._keyring.key(number) is not None
    with opened(tmp_path) as later:  # nobody was, after all
        assert later._keyring.key(number) is None
