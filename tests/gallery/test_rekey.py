"""A gallery gets new keys: everything in it is renewed, and nobody is enrolled again."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

import pytest

from edged.errors import DiskFull, StorageError, WrongKey
from edged.events.outbox import Outbox
from edged.gallery.keyring import PURPOSE
from edged.vault.rekeying import Held, begun, name_of, rekey_files, settle
from edged.vault.secret import Secret
from tests.gallery.keeping import FACES, MODEL, NAME, copied, enrolments, files, fill_folder
from tests.gallery.killing import KEY, contents, kill_often, opened

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from edged.gallery.store import Gallery

NEW_KEY = Secret(bytes(range(100, 132)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill_folder(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_folder(tmp_path_factory.mktemp("filled"))


def raw(gallery: Gallery) -> dict[str, np.ndarray]:
    """What is kept of each template, as it lies in the file."""
    with gallery._read() as book:
        model = book.model(MODEL)
        assert model is not None
        return {
            book.read(entry).id: book.kept(entry, model)[0].embedding
            for entry in book.entries().values()
        }


def test_after_a_rekey_everybody_is_there_and_everything_is_other_numbers(folder: Path) -> None:
    with opened(folder) as gallery:
        before, kept, revision = contents(gallery), raw(gallery), gallery.revision
        generation = gallery._generation
        keys = {number: key for number, key, _ in gallery.keyed()}
        lineage = gallery.lineage
        gallery.rekey()
        assert generation is not None
        assert gallery._generation is not None
        assert contents(gallery) == before
        assert gallery.revision > revision
        assert gallery.lineage == lineage
        assert gallery._generation.data != generation.data
        assert gallery._generation.seed != generation.seed
        after = raw(gallery)
        assert all(abs(float(after[who] @ kept[who])) < 0.9 for who in kept)
        new = {number: key for number, key, _ in gallery.keyed()}
        assert not set(new) & set(keys)
        assert not set(new.values()) & set(keys.values())
        assert gallery.surviving(keys) == {}
        index = gallery.index(MODEL, 16)
        assert index.search(FACES[3], 1).candidates[0].person_id == "p3"
        assert gallery.verify() == []
    with opened(folder) as gallery:
        assert contents(gallery) == before


def test_the_old_generation_is_in_no_file_any_more(folder: Path) -> None:
    with opened(folder) as gallery:
        keys = [key for _, key, _ in gallery.keyed()]
        assert gallery._generation is not None
        keys += [gallery._generation.data.reveal(), gallery._generation.seed]
        gallery.rekey()
        assert len(gallery._keyring.generations()) == 1
    found = b"".join(files(folder).values())
    assert not any(key in found for key in keys)
    assert set(files(folder)) == {"gallery.db", "gallery.keys"}
    assert NAME.encode() not in found


def test_an_empty_gallery_is_rekeyed_too(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        gallery.rekey()
        gallery.add_many(enrolments(0, 1), limit=5)
        assert len(gallery.people()) == 1


def test_a_gallery_that_is_in_use_is_not_rekeyed(folder: Path) -> None:
    with opened(folder), opened(folder) as gallery:
        before = contents(gallery)
        with pytest.raises(StorageError, match="systemctl stop edged"):
            gallery.rekey()
        assert contents(gallery) == before
    with opened(folder) as gallery:
        assert contents(gallery) == before


def test_a_rekey_that_fails_leaves_the_old_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(folder) as gallery:
        before = contents(gallery)

        def full(*_: object) -> None:
            raise DiskFull("no room")

        with monkeypatch.context() as patch:
            patch.setattr("edged.gallery.files._fill_people", full)
            with pytest.raises(DiskFull):
                gallery.rekey()
        assert contents(gallery) == before
        assert len(gallery._keyring.generations()) == 1
        gallery.rekey()
        assert contents(gallery) == before
    assert "gallery.db.new" not in files(folder)


def test_what_is_still_in_the_wal_is_not_lost(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.add_many(enrolments(20, 3), limit=5)
        assert (folder / "gallery.db-wal").stat().st_size
        gallery.rekey()
        assert len(gallery.people()) == 11


def rekey(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.rekey()


@pytest.mark.slow
def test_no_moment_of_a_rekey_to_be_killed_loses_anything(tmp_path: Path, filled: Path) -> None:
    with opened(filled) as gallery:
        expected = contents(gallery)

    def judge(folder: Path, finished: bool) -> None:
        with opened(folder) as gallery:
            assert contents(gallery) == expected
            assert gallery.verify() == []
            assert len(gallery._keyring.generations()) == 1
            gallery.rekey()  # what an interrupted one left does no harm to the next
            assert contents(gallery) == expected
        assert not (folder / "gallery.db.new").exists()

    kill_often(25, rekey, copied(filled), judge, tmp_path)


# another key of the terminal


def held(folder: Path) -> list[Held]:
    return [Held(folder / "gallery.keys", PURPOSE), Held(folder / "events.db", "events")]


def with_events(folder: Path) -> Path:
    outbox = Outbox(folder / "events.db", KEY, 1000)
    outbox.open()
    for number in range(5):
        outbox.append("test.event", {"number": number})
    outbox.acknowledge([1, 5])
    outbox.close()
    return folder


@pytest.fixture(scope="module")
def with_more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_events(fill_folder(tmp_path_factory.mktemp("with-events")))


def events(folder: Path, key: Secret) -> list[int]:
    outbox = Outbox(folder / "events.db", key, 1000)
    outbox.open()
    try:
        return [event.data["number"] for event in outbox.pending()]
    finally:
        outbox.close()


def test_another_key_opens_everything_as_it_was_and_the_old_one_nothing(folder: Path) -> None:
    with_events(folder)
    with opened(folder) as gallery:
        before = contents(gallery)
    rekey_files(held(folder), KEY, NEW_KEY)
    settle(held(folder))
    with opened(folder, NEW_KEY) as gallery:
        assert contents(gallery) == before
    assert events(folder, NEW_KEY) == [1, 2, 3]
    outbox = Outbox(folder / "events.db", NEW_KEY, 1000)
    outbox.open()
    assert outbox.append("test.event", {}).seq == 6  # a number is never given twice
    outbox.close()
    for open_it in (lambda: opened(folder).__enter__(), lambda: events(folder, KEY)):
        with pytest.raises(WrongKey):
            open_it()
    assert [name for name in files(folder) if "key" in name] == ["gallery.keys"]


def test_a_file_that_opens_with_neither_key_stops_it_before_it_begins(folder: Path) -> None:
    with_events(folder)
    before = files(folder)
    with pytest.raises(WrongKey, match=r"events\.db"):
        rekey_files([held(folder)[0], Held(folder / "events.db", "else")], KEY, NEW_KEY)
    assert files(folder) == before


def test_a_file_that_somebody_has_open_is_left(folder: Path) -> None:
    with_events(folder)
    with opened(folder), pytest.raises(StorageError, match="held by another process"):
        rekey_files(held(folder)[:1], KEY, NEW_KEY)
    with opened(folder) as gallery:
        assert gallery.verify() == []


def test_half_way_each_file_says_which_key_it_needs(folder: Path) -> None:
    with_events(folder)
    keys, outbox = held(folder)
    rekey_files([keys], KEY, NEW_KEY)
    assert begun([keys, outbox]) == name_of(NEW_KEY)
    with pytest.raises(WrongKey) as told:
        opened(folder).__enter__()
    assert f"to {name_of(NEW_KEY)} was interrupted" in str(told.value)
    assert "needs the new key; run `edged gallery rekey --new-key FILE` again" in str(told.value)
    rekey_files([keys, outbox], KEY, NEW_KEY)
    assert events(folder, NEW_KEY) == [1, 2, 3]


def test_a_note_without_sense_changes_no_message(folder: Path) -> None:
    (folder / "gallery.keys.rekeying").write_bytes(b"\xff[[[[")
    with pytest.raises(WrongKey, match="give the key it was made with"):
        opened(folder, NEW_KEY).__enter__()


def change_key(folder: Path) -> None:
    rekey_files(held(folder), KEY, NEW_KEY)
    with opened(folder, NEW_KEY) as gallery:
        gallery.rekey()
    settle(held(folder))


@pytest.mark.slow
def test_no_moment_of_a_change_of_key_to_be_killed_loses_anything(
    tmp_path: Path, with_more: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with opened(with_more) as gallery:
        expected = contents(gallery)

    def opens(folder: Path, key: Secret) -> bool:
        try:
            with opened(folder, key) as gallery:
                assert contents(gallery) == expected
                assert gallery.verify() == []
        except WrongKey:
            return False
        return True

    def judge(folder: Path, finished: bool) -> None:
        by_key = [opens(folder, KEY), opens(folder, NEW_KEY)]
        assert sorted(by_key) == [False, True]
        if finished:
            assert by_key[1]
        change_key(folder)  # makes an end of it
        assert opens(folder, NEW_KEY)
        assert events(folder, NEW_KEY) == [1, 2, 3]
        assert begun(held(folder)) is None
        assert not list(folder.glob("*.newkey*"))

    kill_often(30, change_key, copied(with_more), judge, tmp_path)


def test_sqlite_reads_neither_file(folder: Path) -> None:
    for name in ("gallery.db", "gallery.keys"):
        with pytest.raises(sqlite3.DatabaseError):
            sqlite3.connect(folder / name).execute("SELECT * FROM sqlite_master")
