"""Whatever is wrong with a gallery's files is told by its own sentence, and nothing is changed."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edged.errors import StorageError, WrongKey
from edged.gallery.book import FUSED
from edged.gallery.sealed import seal
from edged.gallery.store import Gallery
from edged.vault.secret import Secret
from tests.gallery.keeping import FACES, MODEL, copied, enrolments, files, fill, fill_folder
from tests.gallery.killing import KEY, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OTHER_KEY = Secret(bytes(range(50, 82)))
NOBODY = 65534
PAGES = {"gallery.db": 16_384, "gallery.keys": 4096}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Also with a WAL that has content, as a power cut leaves it."""
    folder = fill_folder(tmp_path_factory.mktemp("filled"))
    cut = tmp_path_factory.mktemp("cut")
    with opened(folder) as gallery:
        gallery.add_many(enrolments(20, 2), limit=5)
        copied(folder)(cut)
    assert (cut / "gallery.db-wal").stat().st_size
    assert (cut / "gallery.keys-wal").stat().st_size
    for lock in cut.glob("*.lock"):
        lock.unlink()
    return cut


@pytest.fixture
def folder(tmp_path: Path, filled: Path) -> Path:
    copied(filled)(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another terminal's, with another key."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with opened(folder, OTHER_KEY) as gallery:
        fill(gallery, 4)
    return folder


@pytest.fixture(scope="module")
def same_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another gallery under the same key."""
    return fill_folder(tmp_path_factory.mktemp("same-key"))


def removed(name: str, *, wal: bool = True) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).unlink()
        if wal:
            for suffix in ("-wal", "-shm"):
                (folder / (name + suffix)).unlink(missing_ok=True)

    return do


def settled(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Done to files whose WALs are empty."""

    def do(folder: Path) -> object:
        with opened(folder):
            pass
        return change(folder)

    return do


def corrupted(name: str, page: int) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        place = (page - 1) * PAGES[name] + PAGES[name] // 2
        content[place] ^= 0xFF
        (folder / name).write_bytes(content)

    return settled(do)


def cut_short(name: str, left: int) -> Callable[[Path], object]:
    return settled(lambda folder: os.truncate(folder / name, left))


def cut_by_a_byte(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def plain(name: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        removed(name)(folder)
        database = sqlite3.connect(folder / name)
        database.execute("CREATE TABLE people (name TEXT)")
        database.close()

    return do


def folder_instead(name: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        removed(name)(folder)
        (folder / name).mkdir()

    return do


WRONG: dict[str, tuple[Callable[[Path], object], type[StorageError], str]] = {
    "no gallery.db": (
        removed("gallery.db"), StorageError,
        r"gallery\.db: missing, though the keys of \d+ people are there; restore a backup",
    ),
    "no gallery.db, its wal": (
        removed("gallery.db", wal=False), StorageError, r"gallery\.db: missing, though",
    ),
    "no gallery.keys": (
        removed("gallery.keys"), StorageError,
        r"gallery\.keys: missing, and without the keys in it nobody can read .*put it back",
    ),
    "no gallery.keys, its wal": (
        removed("gallery.keys", wal=False), StorageError, r"gallery\.keys: missing, (and|though)",
    ),
    "plain gallery.db": (
        plain("gallery.db"), StorageError, r"gallery\.db: a database that is not encrypted",
    ),
    "plain gallery.keys": (
        plain("gallery.keys"), StorageError, r"gallery\.keys: a database that is not encrypted",
    ),
    "empty gallery.db": (
        written("gallery.db", b""), StorageError, r"gallery\.db: cut short.* \(0 bytes\); restore",
    ),
    "empty gallery.keys": (
        written("gallery.keys", b""), StorageError, r"gallery\.keys: cut short.* \(0 bytes\)",
    ),
    "folder for gallery.db": (
        folder_instead("gallery.db"), StorageError, r"gallery\.db: not a plain file",
    ),
    "folder for gallery.keys": (
        folder_instead("gallery.keys"), StorageError, r"gallery\.keys: not a plain file",
    ),
    "first page of gallery.db": (
        corrupted("gallery.db", 1), StorageError, r"gallery\.db: its first page is damaged; ",
    ),
    "first page of gallery.keys": (
        corrupted("gallery.keys", 1), StorageError, r"gallery\.keys: its first page is damaged",
    ),
    "gallery.db cut within a page": (
        cut_short("gallery.db", 40_000), StorageError, r"gallery\.db: cut short.*\(40000 bytes\)",
    ),
    "gallery.keys cut within a page": (
        cut_short("gallery.keys", 5000), StorageError, r"gallery\.keys: cut short.*\(5000 bytes\)",
    ),
    "gallery.db cut by a byte": (
        settled(lambda folder: cut_by_a_byte(folder / "gallery.db")), StorageError,
        r"gallery\.db: cut short \(",
    ),
    "gallery.keys cut by a byte": (
        settled(lambda folder: cut_by_a_byte(folder / "gallery.keys")), StorageError,
        r"gallery\.keys: cut short \(",
    ),
    "gallery.db cut at a page": (
        cut_short("gallery.db", 3 * 16_384), StorageError, r"gallery\.db: cut short.*\(49152",
    ),
    "gallery.keys cut at a page": (
        cut_short("gallery.keys", 2 * 4096), StorageError, r"gallery\.keys: cut short.*\(8192",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_each_fault_has_its_own_sentence_and_nothing_is_changed(folder: Path, what: str) -> None:
    change, kind, message = WRONG[what]
    change(folder)
    before = files(folder)
    gallery = Gallery(folder / "gallery.db", KEY)
    for _ in range(2):
        with pytest.raises(kind, match=message) as told:
            gallery.open()
        assert type(told.value) is kind
    gallery.close()
    assert files(folder) == before


def test_the_wrong_key_is_told_and_leaves_the_wal_too(folder: Path) -> None:
    before = files(folder)
    assert any(name.endswith("-wal") for name in before)
    with pytest.raises(WrongKey, match=r"gallery\.keys: the key does not open it; it was left"):
        opened(folder, OTHER_KEY).__enter__()
    assert files(folder) == before
    with opened(folder) as gallery:
        assert len(gallery.people()) == 10


def test_the_keys_of_another_terminal_do_not_open(folder: Path, elsewhere: Path) -> None:
    removed("gallery.keys")(folder)
    shutil.copy(elsewhere / "gallery.keys", folder)
    before = files(folder)
    with pytest.raises(WrongKey, match=r"gallery\.keys: the key does not open it"):
        opened(folder).__enter__()
    assert files(folder) == before


@pytest.mark.parametrize("name", ["gallery.keys", "gallery.db"])
def test_files_of_two_galleries_are_told(folder: Path, same_key: Path, name: str) -> None:
    removed(name)(folder)
    shutil.copy(same_key / name, folder)
    before = files(folder)
    with pytest.raises(StorageError, match="do not belong together; restore both"):
        opened(folder).__enter__()
    assert files(folder) == before


@contextmanager
def as_nobody(*paths: Path) -> Iterator[None]:
    """Without the rights of root, if we have them; and whom these belong to then."""
    if os.geteuid() != 0:
        yield
        return
    for path in paths:
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def reachable(filled: Path) -> Iterator[Path]:
    """A folder that others than root get to."""
    made = subprocess.run(
        ["mktemp", "-d", "/tmp/edged-test-XXXXXX"], capture_output=True, text=True, check=True
    )
    folder = type(filled)(made.stdout.strip())
    copied(filled)(folder)
    with opened(folder):
        pass
    (folder / "gallery.db.lock").unlink()
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["gallery.db", "gallery.keys"])
def test_without_rights_to_a_file_it_says_so(reachable: Path, name: str) -> None:
    both = [reachable / "gallery.db", reachable / "gallery.keys"]
    with as_nobody(reachable, *both):
        (reachable / name).chmod(0)
        with pytest.raises(StorageError, match=rf"{name}: .*check the rights of the file"):
            opened(reachable).__enter__()
        (reachable / name).chmod(0o600)
    with opened(reachable) as gallery:
        assert len(gallery.people()) == 10


def test_without_rights_to_the_folder_it_says_so(reachable: Path) -> None:
    before = files(reachable)
    with as_nobody(reachable, *reachable.iterdir()):
        reachable.chmod(0o500)
        with pytest.raises(StorageError, match="check the rights of the file and its folder"):
            opened(reachable).__enter__()
        reachable.chmod(0o700)
    assert files(reachable) == before


def test_a_disk_that_can_only_be_read_is_told(folder: Path) -> None:
    with opened(folder):
        pass
    mounted = subprocess.run(
        ["mount", "--bind", "-o", "ro", folder, folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount")
    before = files(folder)
    try:
        with pytest.raises(OSError) as refused:
            (folder / "probe").touch()
        if refused.value.errno != errno.EROFS:
            pytest.skip("this system mounts for writing only")
        with pytest.raises(StorageError, match=r"[Rr]ead-only|readonly|unable to open"):
            opened(folder).__enter__()
    finally:
        subprocess.run(["umount", folder], check=True)
    assert files(folder) == before
    with opened(folder) as gallery:
        assert gallery.verify() == []


# what opens, and is not whole


def test_a_whole_gallery_has_nothing_wrong(folder: Path) -> None:
    with opened(folder) as gallery:
        assert gallery.verify() == []


@pytest.mark.parametrize("name", ["gallery.db", "gallery.keys"])
def test_a_corrupted_page_is_found_wherever_it_is(folder: Path, name: str) -> None:
    with opened(folder):
        pass
    pages = (folder / name).stat().st_size // PAGES[name]
    whole = (folder / name).read_bytes()
    silent = []
    for page in range(2, pages + 1):
        (folder / name).write_bytes(whole)
        corrupted_now = bytearray(whole)
        corrupted_now[(page - 1) * PAGES[name] + 100] ^= 1
        (folder / name).write_bytes(corrupted_now)
        try:
            with opened(folder) as gallery:
                found = gallery.verify()
                if not any(name in line for line in found):
                    silent.append(page)
        except StorageError as fault:
            assert f"{name}: damaged; restore" in str(fault)  # noqa: PT017
    assert silent == []


def change(gallery: Gallery, statement: str, *values: Any) -> None:
    with gallery._write() as book:
        book.connection.execute(statement, values)


def other_row(gallery: Gallery, content: bytes) -> None:
    with gallery._write() as book:
        entry = book.find("p1")
        assert entry is not None
        sealed = seal(entry.key, entry.number, FUSED, content)
        book.connection.execute(
            "UPDATE fused SET sealed = ? WHERE person = ? AND model = 1", (sealed, entry.number)
        )


def moved_template(gallery: Gallery) -> None:
    """Somebody else's sealed template in the place of theirs."""
    with gallery._write() as book:
        a, b = book.find("p1"), book.find("p2")
        assert a is not None
        assert b is not None
        book.connection.execute(
            "UPDATE templates SET sealed = (SELECT sealed FROM templates WHERE person = ? LIMIT 1) "
            "WHERE person = ?",
            (a.number, b.number),
        )


def other_template(gallery: Gallery) -> None:
    with gallery._write() as book:
        entry = book.find("p4")
        assert entry is not None
        number = book.model(MODEL)
        assert number is not None
        (one,) = book.kept(entry, number)
        row = book.turned(one, MODEL).embedding
        book.keep(entry, number, [replace(one, embedding=FACES[60])], row, "p4")


SEEN: dict[str, tuple[Callable[[Gallery], object], str]] = {
    "a seal": (
        lambda g: change(g, "UPDATE templates SET sealed = zeroblob(200) WHERE number = 1"),
        "the gallery's template of person number 1 does not open with their key",
    ),
    "a record": (
        lambda g: change(g, "UPDATE people SET record = zeroblob(200) WHERE number = 2"),
        "the gallery's record of person number 2 does not open with their key",
    ),
    "a moved template": (moved_template, "template of person number 3 does not open"),
    "another template": (other_template, "searched by something else than the mean of their"),
    "another row": (
        lambda g: other_row(g, FACES[50].tobytes() + b"p1"),
        "person number 2 is searched by something else than the mean of their templates",
    ),
    "a row of no size": (lambda g: other_row(g, b""), "person number 2 is found under another id"),
    "numbers that are none": (
        lambda g: other_row(g, np.full(16, np.nan, "<f4").tobytes() + b"p1"),
        "person number 2 is searched by something else",
    ),
    "another's id": (
        lambda g: other_row(g, FACES[1].tobytes() + b"p2"),
        "person number 2 is found under another id",
    ),
    "no row": (
        lambda g: change(g, "DELETE FROM fused WHERE person = 3"),
        "person number 3 has templates and is not searched",
    ),
    "no templates": (
        lambda g: change(g, "DELETE FROM templates WHERE person = 3"),
        "person number 3 is searched without templates",
    ),
    "another tag": (
        lambda g: change(g, "UPDATE people SET tag = x'00' WHERE number = 3"),
        "person number 3 cannot be found by their id",
    ),
    "another validity": (
        lambda g: change(g, "UPDATE people SET ends = 5e9 WHERE number = 4"),
        "person number 4 is in force at other times than their record says",
    ),
    "no key": (lambda g: g._keyring.destroy([5]), "1 people without a key"),
    "a key of nobody": (lambda g: with_old_key(g), "1 keys of nobody"),  # noqa: PLW0108
}


def with_old_key(gallery: Gallery) -> None:
    assert gallery._generation is not None
    gallery._keyring.new(gallery._generation.number, 1)
    with gallery._keyring._database.transaction() as connection:
        connection.execute("UPDATE keys SET made = 1")


@pytest.mark.parametrize("what", SEEN)
def test_what_opens_and_is_wrong_is_found(folder: Path, what: str) -> None:
    spoil, message = SEEN[what]
    with opened(folder) as gallery:
        spoil(gallery)
        found = gallery.verify()
    assert len(found) == 1, found
    assert message in found[0]
