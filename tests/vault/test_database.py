"""The encrypted file: private, whole, honest about what is wrong with it."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.errors import DiskFull, StorageError, WrongKey
from edged.vault.database import Database
from edged.vault.keys import Secret, derive

KEY, OTHER = Secret(bytes(range(32))), Secret(bytes(range(1, 33)))
SCHEMA = ("CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;",)
CANARY = "canary-in-the-vault"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "some.db", KEY, "test", SCHEMA)
    database.open()
    yield database
    database.close()


def write(database: Database, *texts: str) -> None:
    with database.transaction() as connection:
        connection.executemany("INSERT INTO notes (text) VALUES (?)", [(text,) for text in texts])


def read(database: Database) -> list[str]:
    with database.snapshot() as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY number")]


def files(folder: Path) -> dict[str, bytes]:
    """What matters of a database; -shm is SQLite's scratch paper."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.endswith("-shm")}


def left_by_a_kill(path: Path, *texts: str) -> None:
    """Write, and die with everything still in the WAL."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tests.vault.test_database import *\n"
        "database = Database(Path(sys.argv[1]), KEY, 'test', SCHEMA); database.open()\n"
        "write(database, *sys.argv[2:]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path), *texts], check=False)
    assert ended.returncode == -signal.SIGKILL


def test_what_was_committed_is_there_after_a_kill(tmp_path: Path) -> None:
    left_by_a_kill(tmp_path / "some.db", "a", "b")
    database = Database(tmp_path / "some.db", KEY, "test", SCHEMA)
    database.open()
    assert read(database) == ["a", "b"]
    database.close()


def test_the_files_are_private_and_no_draft_stays(database: Database, tmp_path: Path) -> None:
    write(database, "a")
    assert {path.name for path in tmp_path.iterdir()} == {"some.db", "some.db-wal", "some.db-shm"}
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_missing_folder_is_made_private(tmp_path: Path) -> None:
    database = Database(tmp_path / "new" / "some.db", KEY, "test", SCHEMA)
    database.open()
    database.close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_nothing_readable_is_on_the_disk(database: Database, tmp_path: Path) -> None:
    write(database, *[f"{CANARY} {number}" for number in range(500)])
    for _ in range(2):  # with the WAL, and moved into the file
        for path in tmp_path.iterdir():
            assert CANARY.encode() not in path.read_bytes()
            assert b"notes" not in path.read_bytes()
        database.close()


def test_a_failed_block_leaves_nothing_behind(database: Database) -> None:
    write(database, "before")
    with pytest.raises(KeyError), database.transaction() as connection:  # noqa: PT012
        connection.execute("INSERT INTO notes (text) VALUES ('half')")
        raise KeyError
    with pytest.raises(StorageError, match="NOT"), database.transaction() as connection:  # noqa: PT012
        connection.execute("INSERT INTO notes (text) VALUES ('half')")
        connection.execute("INSERT INTO notes (text) VALUES (NULL)")
    assert read(database) == ["before"]


@pytest.mark.parametrize("after_kill", [True, False])
def test_a_wrong_key_is_refused_and_changes_no_byte(tmp_path: Path, after_kill: bool) -> None:
    path = tmp_path / "some.db"
    left_by_a_kill(path, "a", "b")
    if not after_kill:
        database = Database(path, KEY, "test", SCHEMA)
        database.open()
        database.close()
    (tmp_path / "some.db-shm").unlink(missing_ok=True)
    before = files(tmp_path)
    assert ("some.db-wal" in before) is after_kill
    for key, purpose in ((OTHER, "test"), (KEY, "another purpose")):
        with pytest.raises(WrongKey, match="left as it is") as caught:
            Database(path, key, purpose, SCHEMA).open()
        assert str(path) in str(caught.value)
        assert files(tmp_path) == before
    database = Database(path, KEY, "test", SCHEMA)
    database.open()
    assert read(database) == ["a", "b"]
    database.close()


def test_a_wrong_key_is_refused_while_another_process_uses_the_file(
    database: Database, tmp_path: Path
) -> None:
    write(database, "a")
    before = files(tmp_path)
    with pytest.raises(WrongKey):
        Database(database.path, OTHER, "test", SCHEMA).open()
    assert files(tmp_path) == before
    write(database, "b")
    assert read(database) == ["a", "b"]


def test_no_error_and_no_log_shows_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    left_by_a_kill(tmp_path / "some.db", "a")
    with pytest.raises(WrongKey) as caught:
        Database(tmp_path / "some.db", OTHER, "test", SCHEMA).open()
    assert capfd.readouterr() == ("", "")  # SQLCipher would complain there on its own
    shown = caplog.text
    fault: BaseException | None = caught.value
    while fault is not None:
        shown += f"{fault!r}"
        fault = fault.__cause__ or fault.__context__
    for key in (OTHER, derive(OTHER, "test")):
        assert key.reveal().hex() not in shown.lower()


def filled(path: Path) -> Path:
    database = Database(path, KEY, "test", SCHEMA)
    database.open()
    write(database, *["x" * 1000 for _ in range(200)])
    database.close()
    return path


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\0" * 5000, b"SQLite format 3\0" + bytes(4080)]
)
def test_what_is_no_database_of_ours_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"some\.db: .*(ours|cut short)") as caught:
        Database(path, KEY, "test", SCHEMA).open()
    assert not isinstance(caught.value, WrongKey)
    assert path.read_bytes() == content


def test_a_plain_database_is_not_taken_for_ours(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "some.db") as plain:
        plain.execute("CREATE TABLE t (x)")
    plain.close()
    with pytest.raises(StorageError, match="not encrypted"):
        Database(tmp_path / "some.db", KEY, "test", SCHEMA).open()


def test_a_folder_in_the_file_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.db").mkdir()
    with pytest.raises(StorageError, match="not a plain file"):
        Database(tmp_path / "some.db", KEY, "test", SCHEMA).open()


def test_a_damaged_first_page_is_not_taken_for_a_wrong_key(tmp_path: Path) -> None:
    path = filled(tmp_path / "some.db")
    flip(path, 2000)
    with pytest.raises(StorageError, match=r"some\.db: its first page is damaged") as caught:
        Database(path, KEY, "test", SCHEMA).open()
    assert not isinstance(caught.value, WrongKey)


def test_a_damaged_page_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "some.db")
    flip(path, path.stat().st_size // 2)
    database = Database(path, KEY, "test", SCHEMA)
    database.open()
    with pytest.raises(StorageError, match=r"some\.db: damaged"):
        read(database)
    database.close()


@pytest.mark.parametrize("left", [100, 4096, 8192, 9000])
def test_a_cut_file_is_noticed(tmp_path: Path, left: int) -> None:
    path = filled(tmp_path / "some.db")
    os.truncate(path, left)
    database = Database(path, KEY, "test", SCHEMA)
    with pytest.raises(StorageError, match=r"db: (damaged|cut short)") as caught:  # noqa: PT012
        database.open()
        read(database)
    assert not isinstance(caught.value, WrongKey)
    database.close()


def test_a_lost_file_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    left_by_a_kill(tmp_path / "some.db", "a")
    wal = (tmp_path / "some.db-wal").read_bytes()
    for lose in (lambda path: os.truncate(path, 0), Path.unlink):
        lose(tmp_path / "some.db")
        with pytest.raises(StorageError, match=r"cut short|missing"):
            Database(tmp_path / "some.db", KEY, "test", SCHEMA).open()
        assert (tmp_path / "some.db-wal").read_bytes() == wal


def test_a_new_version_brings_an_old_file_up_and_keeps_what_it_holds(tmp_path: Path) -> None:
    path = filled(tmp_path / "some.db")
    trigger = (
        "ALTER TABLE notes ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;\n"
        "CREATE TRIGGER t AFTER INSERT ON notes BEGIN\n"
        "  UPDATE notes SET seen = 1; SELECT 1; END;"
    )
    newer = Database(path, KEY, "test", (*SCHEMA, trigger))
    newer.open()
    assert len(read(newer)) == 200
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="newer software"):
        Database(path, KEY, "test", SCHEMA).open()
    assert path.read_bytes() == before


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path / "some.db")
    broken = (
        *SCHEMA,
        "DROP TABLE notes; CREATE TABLE more (x);",
        "INSERT INTO nowhere VALUES (1);",
    )
    with pytest.raises(StorageError, match="nowhere"):
        Database(path, KEY, "test", broken).open()
    database = Database(path, KEY, "test", SCHEMA)
    database.open()
    assert len(read(database)) == 200
    database.close()


def test_a_full_disk_is_told_and_rolled_back(database: Database) -> None:
    write(database, "before")
    connection = database._opened()
    connection.execute("PRAGMA max_page_count = 10")
    with pytest.raises(DiskFull, match="no room"):
        write(database, *["x" * 4000 for _ in range(50)])
    assert read(database) == ["before"]
    write(database, "after")
    assert read(database) == ["before", "after"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount a tiny disk (max_page_count stands in for it elsewhere)")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_really_full_disk_is_told_and_rolled_back(tiny_disk: Path) -> None:
    database = Database(tiny_disk / "some.db", KEY, "test", SCHEMA)
    database.open()
    write(database, "before")
    with pytest.raises(DiskFull):
        write(database, *["x" * 4000 for _ in range(200)])
    assert read(database) == ["before"]
    database.close()
    database.open()
    assert read(database) == ["before"]
    write(database, "after")
    database.close()


def test_no_room_for_a_new_file_leaves_none(tiny_disk: Path) -> None:
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(290_000))
    with pytest.raises(DiskFull):
        Database(tiny_disk / "some.db", KEY, "test", SCHEMA).open()
    assert list(tiny_disk.iterdir()) == [filler]
    filler.unlink()
    database = Database(tiny_disk / "some.db", KEY, "test", SCHEMA)
    database.open()
    database.close()


def test_many_threads_share_one_database(database: Database) -> None:
    def work(name: str) -> None:
        for number in range(20):
            write(database, f"{name}-{number}", f"{name}-{number}")
            assert len(read(database)) % 2 == 0

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(database)) == 160


def test_two_processes_that_make_the_file_at_once_share_it(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)
    opened: list[Database] = []

    def work() -> None:
        database = Database(tmp_path / "some.db", KEY, "test", SCHEMA)
        barrier.wait()
        database.open()
        write(database, "a")
        opened.append(database)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(read(database)) for database in opened] == [4, 4, 4, 4]
    for database in opened:
        database.close()


def test_another_connection_s_change_shows_in_the_data_version(database: Database) -> None:
    other = Database(database.path, KEY, "test", SCHEMA)
    other.open()
    before = database.data_version
    write(database, "own")
    assert database.data_version == before
    write(other, "foreign")
    assert database.data_version != before
    other.close()


def test_close_is_safe_twice_before_open_and_after_a_failed_one(tmp_path: Path) -> None:
    database = Database(tmp_path / "some.db", KEY, "test", SCHEMA)
    database.close()
    database.open()
    database.open()
    database.close()
    database.close()
    with pytest.raises(StorageError, match="not open"), database.transaction():
        pass
    wrong = Database(tmp_path / "some.db", OTHER, "test", SCHEMA)
    with pytest.raises(WrongKey):
        wrong.open()
    wrong.close()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="rights"):
        Database(tmp_path / "file" / "some.db", KEY, "test", SCHEMA).open()
