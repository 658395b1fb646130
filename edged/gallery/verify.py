"""Whether a gallery is whole: every page, every seal, every row that a search compares with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.errors import GalleryError, StorageError
from edged.gallery.book import FUSED, fused_row, read_record
from edged.gallery.cards import stray_cards
from edged.gallery.sealed import unseal

if TYPE_CHECKING:
    from edged.gallery.book import Book, Entry
    from edged.types import Floats

_NEAR = 1e-4  # the same mean, worked out again in another order


def examine(book: Book) -> list[str]:
    """What is wrong with the people in a gallery, one line each; nobody is named.

    Whoever is wrong is told by number, which says nothing to others.
    """
    found: list[str] = []
    keyless = book.without_key()
    if keyless:
        found.append(f"{len(keyless)} people without a key: they were erased and are still there")
    for number, entry in book.entries().items():
        try:
            found += _person(book, number, entry)
        except StorageError as fault:
            found.append(str(fault).partition(";")[0])
    return found


def _person(book: Book, number: int, entry: Entry) -> list[str]:
    found = []
    who = f"person number {number}"
    sealed, tag, begins, ends, retention = book.connection.execute(
        "SELECT record, tag, begins, ends, retention FROM people WHERE number = ?", (number,)
    ).fetchone()
    record = read_record(entry, sealed)
    if tag != book.tag(record.id):
        found.append(f"{who} cannot be found by their id")
    profile = record.profile
    if (begins, ends, retention) != (profile.valid_from, profile.end, profile.retention_days):
        found.append(f"{who} is in force at other times than their record says")
    if stray_cards(book, number, profile):
        found.append(f"{who} is found by other cards than their record says")
    rows = dict(
        book.connection.execute(
            "SELECT model, sealed FROM fused WHERE person = ?", (number,)
        ).fetchall()
    )
    for model in book.models():
        expected = _expected(book, entry, model)
        row = rows.pop(model, None)
        if expected is None:
            if row is not None:
                found.append(f"{who} is searched without templates")
        elif row is None:
            found.append(f"{who} has templates and is not searched")
        else:
            content = unseal(entry.key, number, FUSED, row)
            found += _compare(who, content, expected, record.id)
    if rows:
        found.append(f"{who} has rows of a model that is not known")
    return found


def _expected(book: Book, entry: Entry, model: int) -> Floats | None:
    """The row that a person's templates make; None: none, or they contradict each other."""
    kept = book.kept(entry, model)
    try:
        return fused_row([one.embedding for one in kept], None) if kept else None
    except GalleryError:
        return None


def _compare(who: str, content: bytes, expected: Floats, person_id: str) -> list[str]:
    end = 4 * len(expected)
    row = np.frombuffer(content[:end], "<f4")
    if content[end:].decode(errors="replace") != person_id:
        return [f"{who} is found under another id"]
    if row.shape != expected.shape or not np.abs(row - expected).max() < _NEAR:
        return [f"{who} is searched by something else than the mean of their templates"]
    return []
