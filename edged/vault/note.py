"""The note beside a file whose key is being changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.vault.secret import derive

if TYPE_CHECKING:
    from pathlib import Path

    from edged.vault.secret import Secret

_LARGEST = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """Between which keys of this file it is; ``name`` is that of the terminal's new key."""

    old: str
    new: str
    name: str


def name_of(key: Secret) -> str:
    """8 hex digits by which people can tell keys apart; they say nothing about the key."""
    return derive(key, "name").reveal()[:4].hex()


def note_of(path: Path) -> Path:
    """Where the note of a file lies."""
    return path.with_name(path.name + ".rekeying")


def read_note(path: Path) -> Note | None:
    """The note beside a file; None: there is none that makes sense."""
    try:
        with note_of(path).open("rb") as file:
            found = json.loads(file.read(_LARGEST))
        return Note(str(found["old"]), str(found["new"]), str(found["name"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def halfway(path: Path, key: Secret) -> str | None:
    """Why this key of a file does not open it, where its key is just being changed.

    Args:
        key: the one derived for this file.
    """
    note = read_note(path)
    if note is None:
        return None
    needs = {note.old: "the new key", note.new: "the old key still"}.get(name_of(key))
    if needs is None:
        return None
    return (
        f"a change of the terminal's key to {note.name} was interrupted, and this file needs "
        f"{needs}; run `edged gallery rekey --new-key FILE` again to make an end of it"
    )
