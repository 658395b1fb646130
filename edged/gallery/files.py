"""The gallery's two files: which state of them is in force, and how a whole new one takes over.

The new file is written beside the old one under a key of its own; a rename makes it the one in
force. Whichever of the two keys opens the file says which side of the rename a power cut was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edged.errors import StorageError, WrongKey
from edged.gallery.book import SCHEMA, Book, Record
from edged.gallery.legacy import is_legacy, read_legacy
from edged.vault.database import Database
from edged.vault.faults import Layout
from edged.vault.files import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edged.gallery.keyring import Generation, Keyring
    from edged.gallery.people import Stored
    from edged.vault.secret import Secret

PURPOSE = "gallery"
LAYOUT = Layout(page_bytes=16_384, mac="sha256")
"""100,000 templates of 512 numbers are read in 0.6 s instead of 1.8 with SQLCipher's own."""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a gallery's file holds.

    Attributes:
        people: one after the other; may be read once.
        revision: how many changes there were.
        facts: small texts by name.
        erased: number, tag, time, reason and revision of who was erased.
        lookalikes: pairs of ids, and how similar.
    """

    people: Iterable[Stored]
    revision: int
    facts: Mapping[str, str] = field(default_factory=dict)
    erased: Sequence[tuple[int, bytes, str, str, int]] = ()
    lookalikes: Mapping[tuple[str, str], float] = field(default_factory=dict)


class Lock:
    """Many may have the gallery open; who rewrites it must be alone."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._number: int | None = None

    def share(self) -> None:
        """Keep others from rewriting the gallery.

        Raises:
            StorageError: another process is rewriting it, or the folder is not ours.
        """
        self._take(fcntl.LOCK_SH, "another command is rewriting the gallery; try again after it")

    def alone(self) -> None:
        """Keep everybody else out.

        Raises:
            StorageError: somebody has it open.
        """
        self._take(
            fcntl.LOCK_EX, "the gallery is in use; stop the terminal (systemctl stop edged) first"
        )

    def release(self) -> None:
        """Let others in; safe at any time."""
        if self._number is not None:
            os.close(self._number)
            self._number = None

    def _take(self, kind: int, otherwise: str) -> None:
        try:
            if self._number is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._number = os.open(self._path, flags, 0o600)
            fcntl.flock(self._number, kind | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise StorageError(f"{self._path.with_suffix('')}: {otherwise}") from fault
        except OSError as fault:
            raise StorageError(
                f"{self._path}: {fault.strerror}; check the rights of the file and its folder"
            ) from fault


def current_generation(
    path: Path, key: Secret, keyring: Keyring, lock: Lock
) -> tuple[Generation, Database]:
    """Open what is in force; what is missing is made, what an interrupted rewrite left is
    cleared away.

    Raises:
        WrongKey: the key does not open the file of keys; nothing was changed.
        StorageError: one of the two files is missing, or they do not belong together.
    """
    # first: with the pages of today such a file looks damaged
    if path.exists() and is_legacy(path, key):
        return _converted(path, key, keyring, lock)
    if keyring.path.exists():
        _judge(path, key, keyring)
    elif path.exists():
        return _converted(path, key, keyring, lock)
    keyring.open()
    found = _opened(path, keyring)
    if found is None:
        return _converted(path, key, keyring, lock)
    if len(keyring.generations()) > 1:
        with contextlib.suppress(StorageError), alone(lock):  # else its writer is still at it
            _clear(_draft(path))
            keyring.end_generations(found[0].number)
    return found


def _judge(path: Path, key: Secret, keyring: Keyring) -> None:
    """Refuse what does not fit before either file is opened for writing."""
    generations, held = keyring.peek()
    if not path.exists():
        if held:
            raise StorageError(
                f"{path}: missing, though the keys of {held} people are there; restore a backup, "
                f"or remove {keyring.path} to start empty"
            )
        return
    for generation in generations:
        with contextlib.suppress(WrongKey):
            _file(path, generation).check_key()
            return
    with _together(path, keyring):  # or it is one of older software, about to be brought up to date
        Database(path, key, PURPOSE, ()).check_key()


def rewrite(
    path: Path,
    keyring: Keyring,
    contents: Contents,
    close: Callable[[], None] = lambda: None,
    before: int | None = None,
) -> Generation:
    """Put a gallery with these contents, and new keys for everything, in the place of the file.

    Nobody else may have it open. A power cut leaves the old state or the new one.

    Args:
        close: closes the old file, of which `contents` may have been read until now.
        before: the generation in force.

    Raises:
        DiskFull, StorageError: the old state is in force.
    """
    draft = _draft(path)
    _clear(draft)
    if before is None:
        before = keyring.generations()[0].number
    generation = keyring.begin_generation()
    database = _file(draft, generation)
    try:
        database.open()
        _fill(database, keyring, generation, contents)
        retire(database)
        close()
    except BaseException:
        database.close()
        _clear(draft)
        with contextlib.suppress(StorageError):  # the next to open the gallery tries again
            keyring.end_generations(before)
        raise
    _clear_beside(path)  # empty, both of them
    draft.replace(path)
    sync(path.parent)
    keyring.end_generations(generation.number)
    return generation


def retire(database: Database) -> None:
    """Close a file that is to be renamed or replaced, once everything is in it.

    A WAL with content beside another file than its own would be read into that.

    Raises:
        StorageError: the WAL could not be emptied; the file is closed all the same.
    """
    try:
        database.checkpoint()
    finally:
        database.close()
    wal = database.path.with_name(database.path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise StorageError(
            f"{database.path}: its WAL cannot be emptied; close whatever else has the file open"
        )


def _opened(path: Path, keyring: Keyring) -> tuple[Generation, Database] | None:
    for generation in keyring.generations():
        database = _file(path, generation)
        try:
            database.open()
        except WrongKey:
            database.close()
            continue
        return generation, database
    return None


def _converted(
    path: Path, key: Secret, keyring: Keyring, lock: Lock
) -> tuple[Generation, Database]:
    """Bring a gallery of older software, one file under the terminal's key, up to date."""
    with _together(path, keyring):
        contents = read_legacy(path, key)
    with alone(lock):
        keyring.open()
        rewrite(path, keyring, Contents(*contents))
    found = _opened(path, keyring)
    if found is None:
        raise StorageError(f"{path}: what was just written cannot be opened; restore a backup")
    return found


def _file(path: Path, generation: Generation) -> Database:
    return Database(path, generation.data, PURPOSE, SCHEMA, layout=LAYOUT)


@contextlib.contextmanager
def _together(path: Path, keyring: Keyring) -> Iterator[None]:
    """What it means that neither a key of the keyring nor the terminal's opens the gallery."""
    try:
        yield
    except WrongKey:
        if keyring.path.exists():
            raise StorageError(
                f"{path} and {keyring.path} do not belong together; restore both from the same "
                "backup"
            ) from None
        raise StorageError(
            f"{keyring.path}: missing, and without the keys in it nobody can read {path}; put it "
            "back, or restore a backup"
        ) from None


def _fill(database: Database, keyring: Keyring, generation: Generation, contents: Contents) -> None:
    numbers: dict[str, int] = {}
    for some in _batches(contents.people):
        with database.transaction() as connection:
            book = Book(connection, keyring, generation)
            numbers.update(_fill_people(book, some, contents.revision))
    with database.transaction() as connection:
        book = Book(connection, keyring, generation)
        connection.execute("UPDATE meta SET revision = ?", (contents.revision + 1,))
        for name, value in contents.facts.items():
            book.set_fact(name, value)
        connection.executemany("INSERT INTO erased VALUES (?, ?, ?, ?, ?)", contents.erased)
        connection.executemany(
            "INSERT INTO lookalikes VALUES (?, ?, ?)",
            [
                (*sorted((numbers[a], numbers[b])), similarity)
                for (a, b), similarity in contents.lookalikes.items()
                if a in numbers and b in numbers
            ],
        )


def _fill_people(book: Book, some: list[Stored], revision: int) -> Iterator[tuple[str, int]]:
    entries = book.enter([one.person_id for one in some], "", revision + 1)
    for one in some:
        entry = entries[one.person_id]
        book.write(entry, Record(one.person_id, one.created, one.profile), take=True)
        book.connection.execute(
            "UPDATE people SET origin = ?, marker = ? WHERE number = ?",
            (one.origin, one.marker, entry.number),
        )
        for model, templates in one.templates.items():
            book.put(entry, one.person_id, model, templates)
        yield one.person_id, entry.number


def _batches(people: Iterable[Stored]) -> Iterator[list[Stored]]:
    batch: list[Stored] = []
    for one in people:
        batch.append(one)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


@contextlib.contextmanager
def alone(lock: Lock) -> Iterator[None]:
    """Have the gallery to oneself for a block; errors as `Lock.alone`."""
    try:
        lock.alone()
        yield
    finally:
        lock.share()  # after a refusal too: that has cost the share


def _draft(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _clear(draft: Path) -> None:
    draft.unlink(missing_ok=True)
    _clear_beside(draft)


def _clear_beside(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
