"""Which state of the two files is in force, and who may have them open at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.errors import StorageError
from edged.gallery.keyring import Keyring
from edged.gallery.legacy import SCHEMA
from edged.vault.database import Database
from tests.gallery.keeping import FACES, MODEL, fill_folder
from tests.gallery.killing import KEY, opened

if TYPE_CHECKING:
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
