"""The gallery's tables, and the statements that need more than a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.errors import GalleryError, StorageError
from edged.events.types import utc_now

if TYPE_CHECKING:
    from edged.gallery.people import Enrolment
    from edged.gallery.search import Index
    from edged.vault.database import Connection

SCHEMA = (
    """
    CREATE TABLE meta (revision INTEGER NOT NULL) STRICT;
    INSERT INTO meta VALUES (0);
    CREATE TABLE people (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT,
        created TEXT NOT NULL
    ) STRICT;
    CREATE TABLE templates (
        number INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: an index goes by it
        person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        model TEXT NOT NULL,
        quality REAL NOT NULL,
        source TEXT NOT NULL,
        created TEXT NOT NULL,
        vector BLOB NOT NULL  -- float32, little-endian
    ) STRICT;
    CREATE INDEX templates_of_model ON templates (model, person);
    CREATE INDEX templates_of_person ON templates (person);
    """,
)
_ROWS_AT_ONCE = 4096


def insert(connection: Connection, one: Enrolment) -> int:
    """Add a template, and its person if new; the template's number."""
    now = utc_now()
    connection.execute(
        "INSERT INTO people (id, name, created) VALUES (?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET name = coalesce(excluded.name, name)",
        (one.person_id, one.name, now),
    )
    added = connection.execute(
        "INSERT INTO templates (person, model, quality, source, created, vector) "
        "SELECT number, ?, ?, ?, ?, ? FROM people WHERE id = ?",
        (
            one.model,
            one.quality,
            one.source,
            now,
            one.embedding.astype("<f4", copy=False).tobytes(),
            one.person_id,
        ),
    )
    return int(added.lastrowid)


def drop_oldest(connection: Connection, person_id: str, model: str, limit: int) -> list[int]:
    """Delete what a person has of a model beyond `limit`; the numbers of what is gone."""
    rows = connection.execute(
        "SELECT number FROM templates WHERE model = ? "
        "AND person = (SELECT number FROM people WHERE id = ?) "
        "ORDER BY number DESC LIMIT -1 OFFSET ?",
        (model, person_id, limit),
    ).fetchall()
    connection.executemany("DELETE FROM templates WHERE number = ?", rows)
    return [number for (number,) in rows]


def bump(connection: Connection) -> None:
    """Count a change."""
    connection.execute("UPDATE meta SET revision = revision + 1")


def check_size(connection: Connection, model: str, size: int) -> None:
    """Refuse embeddings of another size than the model's templates have."""
    row = connection.execute(
        "SELECT length(vector) / 4 FROM templates WHERE model = ? LIMIT 1", (model,)
    ).fetchone()
    if row is not None and row[0] != size:
        raise GalleryError(
            f"templates of this model have {row[0]} numbers here, not {size}; "
            "a changed network needs a version of its own"
        )


def count(connection: Connection, model: str) -> int:
    """How many templates of a model there are."""
    row = connection.execute("SELECT count(*) FROM templates WHERE model = ?", (model,)).fetchone()
    return int(row[0])


def load(connection: Connection, index: Index, first: int) -> None:
    """Read the model's templates with numbers from `first` on into the index."""
    people = dict(connection.execute("SELECT number, id FROM people").fetchall())
    # in the order of the file: by the model's index each row would be looked up on its own
    cursor = connection.execute(
        "SELECT number, person, vector FROM templates NOT INDEXED "
        "WHERE number >= ? AND model = ? ORDER BY number",
        (first, index.model),
    )
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        numbers, owners, vectors = zip(*rows, strict=True)
        if any(len(vector) != 4 * index.size for vector in vectors):
            raise StorageError(
                "the gallery holds a template of another size than its model's; restore a backup"
            )
        matrix = np.frombuffer(b"".join(vectors), "<f4").reshape(len(rows), index.size)
        index.extend(numbers, [people[owner] for owner in owners], matrix)


def bring_up(connection: Connection, index: Index) -> None:
    """Make the index hold what the file holds."""
    held = index.numbers()
    rows = connection.execute("SELECT number FROM templates WHERE model = ?", (index.model,))
    stored = {number for (number,) in rows}
    # added before removed: nobody whose templates were replaced is missing in between
    if fresh := stored - held:
        load(connection, index, min(fresh))
    index.remove(held - stored)
