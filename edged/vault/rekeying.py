"""Encrypted files on their way from one key of the terminal to another.

Beside each file lies a note while that lasts, so that whoever tries the wrong one of the two keys
is told which one the file needs, and how to make an end of it.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.errors import StorageError, WrongKey
from edged.vault.database import Database
from edged.vault.files import replaced, sync
from edged.vault.note import name_of, note_of, read_note
from edged.vault.secret import derive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edged.vault.secret import Secret

__all__ = ["Held", "begun", "name_of", "rekey_files", "settle"]
_PATIENCE_S = 0.5  # the terminal is stopped


@dataclass(frozen=True, slots=True)
class Held:
    """A file that only the terminal's key opens.

    Attributes:
        purpose: as for `Database`.
    """

    path: Path
    purpose: str


def begun(files: Sequence[Held]) -> str | None:
    """The name of the key that these files were to get, where that has begun; else None."""
    for file in files:
        note = read_note(file.path)
        if note is not None:
            return note.name
    return None


def rekey_files(files: Sequence[Held], old: Secret, new: Secret) -> None:
    """Bring all files from one key to the other; those that have the new one already are left.

    Nobody may have them open. A power cut leaves each of them under one of the keys and a note
    beside it; calling again makes an end of it. The notes stay until `settle`.

    Raises:
        WrongKey: a file opens with neither key; nothing was changed.
        DiskFull, StorageError: some may have the new key by now.
    """
    # all are looked at before the first is touched
    waiting = [file for file in files if not _fits(file, old, new)]
    for file in files:
        _note(file, old, new)
    for file in waiting:
        _rekey(file, old, new)


def settle(files: Sequence[Held]) -> None:
    """It is done: take the notes away."""
    for file in files:
        note_of(file.path).unlink(missing_ok=True)
        sync(file.path.parent)


def _fits(file: Held, old: Secret, new: Secret) -> bool:
    """Whether a file has the new key.

    Raises:
        WrongKey: it has neither.
    """
    try:
        Database(file.path, new, file.purpose, ()).check_key()
    except WrongKey:
        Database(file.path, old, file.purpose, ()).check_key()
        return False
    return True


def _note(file: Held, old: Secret, new: Secret) -> None:
    document = {
        "old": name_of(derive(old, file.purpose)),
        "new": name_of(derive(new, file.purpose)),
        "name": name_of(new),
    }
    with _told(file.path), replaced(note_of(file.path)) as draft:
        draft.write_text(json.dumps(document) + "\n", encoding="ascii")


def _rekey(file: Held, old: Secret, new: Secret) -> None:
    draft = file.path.with_name(file.path.name + ".newkey")
    with _told(file.path):
        _clear(draft)
        database = Database(file.path, old, file.purpose, (), patience_s=_PATIENCE_S)
        try:
            with database.copied(draft, derive(new, file.purpose)):
                draft.chmod(file.path.stat().st_mode & 0o777)
                sync(draft)
                draft.replace(file.path)
                sync(file.path.parent)
        except BaseException:
            _clear(draft)
            raise


def _clear(draft: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise StorageError(
            f"{path}: {fault.strerror}; check the rights of the file and its folder"
        ) from fault
