"""A gallery destroys itself: the keys first, then what they open.

A file beside the gallery says so before anything is destroyed, and stays: whoever finds it makes
an end of what a power cut left, and opens nothing. Only `edged gallery init` takes it away.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from edged.errors import EnrolmentRefused, StorageError
from edged.events.types import utc_now
from edged.gallery.keyring import Keyring
from edged.vault.database import Database
from edged.vault.files import replaced, shred, sync
from edged.vault.secret import KEY_BYTES, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edged.gallery.keyring import Generation

log = logging.getLogger(__name__)

_LARGEST_NOTE = 10_000


@dataclass(frozen=True, slots=True)
class Wiped:
    """A gallery that was, or is being, destroyed.

    Attributes:
        id: of this wipe alone; the event about it is recorded once for each.
        reason: ``command``, ``local``, ``tamper``, ``wrong_keys``; ``unknown`` where the note
            itself cannot be read.
        at: RFC 3339, UTC.
        people: how many there were, where the gallery could be opened.
        done: whether nothing is left of it.
        told: whether the event about it is recorded.
    """

    id: str
    reason: str
    at: str
    people: int | None = None
    done: bool = False
    told: bool = False


def new_wipe(reason: str, people: int | None) -> Wiped:
    """A wipe that begins now."""
    return Wiped(uuid.uuid4().hex, reason, utc_now(), people)


def marker(path: Path) -> Path:
    """The note beside a gallery that it was wiped."""
    return path.with_name(path.name + ".wiped")


def read_wiped(path: Path) -> Wiped | None:
    """What the note beside a gallery says; None: it was not wiped.

    A note that makes no sense is a note all the same.
    """
    try:
        with marker(path).open("rb") as file:
            found = json.loads(file.read(_LARGEST_NOTE))
        people = None if found["people"] is None else int(found["people"])
        done, told = found["state"] == "wiped", found["told"] is True
        return Wiped(str(found["id"]), str(found["reason"]), str(found["at"]), people, done, told)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Wiped("0" * 32, "unknown", utc_now())


def note(path: Path, wiped: Wiped) -> None:
    """Put the note beside a gallery, on the disk on return."""
    facts = asdict(wiped)
    facts["state"] = "wiped" if facts.pop("done") else "wiping"
    with replaced(marker(path)) as draft:
        draft.write_text(json.dumps(facts) + "\n", encoding="ascii")


def note_told(path: Path, wiped: Wiped) -> None:
    """The event about it is recorded; where that cannot be noted it is looked up once more."""
    with suppress(OSError):
        note(path, replace(wiped, told=True))


def destroy(path: Path, keys: Path) -> None:
    """Destroy the file of keys, then the gallery's; whatever is gone already is no fault.

    Raises:
        StorageError: something is still there; what, and why.
    """
    faults: list[str] = []
    _shred(_belonging(keys), faults)
    _folder(keys, faults)
    _shred(_belonging(path), faults)
    _folder(path, faults)
    if faults:
        raise StorageError(
            f"the gallery could not be destroyed: {'; '.join(faults)}; destroy the disk"
        )


def finish(path: Path, keys: Path, also: Iterable[Path] = ()) -> Wiped | None:
    """Make an end of a wipe that has begun, after a power cut too; None: none has.

    Args:
        also: other files that hold templates.

    Raises:
        StorageError: something is still there.
    """
    wiped = read_wiped(path)
    if wiped is None:
        return None
    destroy(path, keys)  # though it was done: a rewrite that was under way may have ended after it
    if wiped.done:
        return wiped
    faults: list[str] = []
    for one in also:
        _shred(_belonging(one), faults)
        _folder(one, faults)
    if faults:
        raise StorageError(f"not everything could be wiped: {'; '.join(faults)}; destroy the disk")
    wiped = replace(wiped, done=True)
    try:
        note(path, wiped)
    except OSError as fault:
        raise StorageError(f"{marker(path)}: {fault.strerror}; free some room") from fault
    return wiped


def wipe(path: Path, keys: Path, wiped: Wiped) -> None:
    """Begin: from here on nothing opens the gallery any more, whatever happens.

    Raises:
        StorageError: something is still there.
    """
    with suppress(OSError):  # no room for a note is no reason to keep the keys
        note(path, wiped)
    destroy(path, keys)
    if not marker(path).exists():  # now there is room
        try:
            note(path, wiped)
        except OSError as fault:
            raise StorageError(f"{marker(path)}: {fault.strerror}; free some room") from fault


def forget_wipe(path: Path) -> None:
    """A new gallery may be made."""
    marker(path).unlink(missing_ok=True)
    sync(path.parent)


def refuse(wiped: Wiped) -> None:
    """Nobody is taken into a gallery that was wiped.

    Raises:
        EnrolmentRefused: ``wiped``.
    """
    raise EnrolmentRefused("wiped", describe(wiped))


def describe(wiped: Wiped) -> str:
    """For the state of a terminal."""
    how = "`edged gallery init` on the terminal makes a new one"
    return f"wiped at {wiped.at} ({wiped.reason}); {how}"


def _belonging(path: Path) -> list[Path]:
    """A file, what SQLite keeps beside it, and what a rewrite may have left."""
    real = path.resolve()
    drafts = [real.name + suffix for suffix in ("", ".newkey", ".new")]
    names = [draft + suffix for draft in drafts for suffix in ("", "-wal", "-shm", "-journal")]
    names += [real.name + suffix for suffix in (".rekeying", ".lock")]
    found = [real.with_name(name) for name in names]
    return [*found, path] if path.is_symlink() else found


def _shred(paths: list[Path], faults: list[str]) -> None:
    for path in paths:
        try:
            if path.is_symlink():
                path.unlink()
            else:
                shred(path)
        except OSError as fault:
            if os.path.lexists(path):
                faults.append(f"{path}: {fault.strerror}")
            else:
                log.error("%s was removed but not overwritten: %s", path, fault.strerror)


def _folder(path: Path, faults: list[str]) -> None:
    """Half-made files of this name, and the folder itself."""
    folder = path.resolve().parent
    try:
        for draft in folder.glob(f".{path.name}.*"):
            if draft.is_dir() and not draft.is_symlink():
                shutil.rmtree(draft)
        sync(folder)
    except FileNotFoundError:
        return
    except OSError as fault:
        faults.append(f"{folder}: {fault.strerror}")


class _InMemory(Database):
    """The tables of a file, and no file."""

    def open(self) -> None:
        from sqlcipher3 import dbapi2

        with self._lock:
            if self._connection is None:
                connection: Any = dbapi2.connect(
                    ":memory:", isolation_level=None, check_same_thread=False
                )
                connection.execute("PRAGMA foreign_keys = ON")
                self._migrate(connection)
                self._connection = connection


def nothing(
    path: Path, keys: Path, schema: tuple[str, ...]
) -> tuple[Keyring, Generation, Database]:
    """What stands for the files of a gallery that was wiped: nobody is in it."""
    keyring = Keyring(keys, _noise(), _InMemory)
    keyring.open()
    database = _InMemory(path, _noise(), "nothing", schema)
    database.open()
    return keyring, keyring.generations()[0], database


def _noise() -> Secret:
    return Secret(os.urandom(KEY_BYTES))
