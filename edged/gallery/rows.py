"""The gallery's tables, and the statements that need more than a line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import GalleryError, StorageError
from edged.events.types import utc_now
from edged.gallery.vectors import fused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.gallery.people import Enrolment
    from edged.gallery.search import Index
    from edged.types import Floats
    from edged.vault.database import Connection

log = logging.getLogger(__name__)

SCHEMA = (
    """
    CREATE TABLE meta (revision INTEGER NOT NULL) STRICT;
    INSERT INTO meta VALUES (0);
    CREATE TABLE people (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT,
        created TEXT NOT NULL,
        revision INTEGER NOT NULL  -- of the last change of the person or their templates
    ) STRICT;
    CREATE TABLE templates (
        number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in order of age
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
# in the order of the file: by the model's index each row would be looked up on its own
_ALL = "SELECT person, vector FROM templates NOT INDEXED WHERE model = :model ORDER BY number"
# CROSS JOIN: the few who changed first
_SINCE = (
    "SELECT person, vector FROM people CROSS JOIN templates ON person = people.number "
    "WHERE revision > :since AND model = :model ORDER BY templates.number"
)


def bump(connection: Connection) -> int:
    """Count a change; the revision that it makes."""
    connection.execute("UPDATE meta SET revision = revision + 1")
    return revision(connection)


def revision(connection: Connection) -> int:
    """How many changes there were."""
    return int(connection.execute("SELECT revision FROM meta").fetchone()[0])


def insert(connection: Connection, one: Enrolment, revision: int) -> None:
    """Add a template, and its person if new."""
    now = utc_now()
    connection.execute(
        "INSERT INTO people (id, name, created, revision) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET name = coalesce(excluded.name, name), "
        "revision = excluded.revision",
        (one.person_id, one.name, now, revision),
    )
    connection.execute(
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


def drop_oldest(connection: Connection, person_id: str, model: str, limit: int) -> None:
    """Delete what a person has of a model beyond `limit`."""
    connection.execute(
        "DELETE FROM templates WHERE number IN (SELECT number FROM templates WHERE model = ? "
        "AND person = (SELECT number FROM people WHERE id = ?) "
        "ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (model, person_id, limit),
    )


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


def templates(connection: Connection, person_id: str, model: str) -> list[Floats]:
    """A person's templates of a model, each (d,), the oldest first."""
    found = connection.execute(
        "SELECT vector FROM templates WHERE model = ? "
        "AND person = (SELECT number FROM people WHERE id = ?) ORDER BY number",
        (model, person_id),
    )
    return [np.frombuffer(vector, "<f4").astype(np.float32) for (vector,) in found]


def bring_up(connection: Connection, index: Index, since: int) -> None:
    """Bring an index from revision `since` of the file, -1 if it is empty, to what is there."""
    ids, embeddings, usable = _changed(connection, index, since)
    everybody = {who for (who,) in connection.execute("SELECT id FROM people")}
    gone = index.ids() - everybody | {ids[i] for i in np.flatnonzero(~usable)}
    kept = np.flatnonzero(usable)
    if len(kept) < len(ids):
        embeddings = embeddings[kept]
    index.put_many([ids[i] for i in kept], embeddings)
    index.remove(gone)


def _changed(
    connection: Connection, index: Index, since: int
) -> tuple[list[str], Floats, NDArray[np.bool_]]:
    """Who changed after a revision: id, fused embedding, and whether there is one."""
    people = connection.execute(
        "SELECT number, id FROM people WHERE revision > ? ORDER BY number", (since,)
    ).fetchall()
    numbers = np.array([number for number, _ in people], np.int64)
    total = np.zeros((len(people), index.size), np.float32)
    count = np.zeros(len(people), np.int64)
    wanted = {"since": since, "model": index.model}
    cursor = connection.execute(_ALL if since < 0 else _SINCE, wanted)
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        owners, vectors = zip(*rows, strict=True)
        if set(map(len, vectors)) != {4 * index.size}:
            raise StorageError(
                "the gallery holds a template of another size than its model's; restore a backup"
            )
        matrix = np.frombuffer(b"".join(vectors), "<f4").reshape(len(rows), index.size)
        slots = np.searchsorted(numbers, owners)
        order = np.argsort(slots, kind="stable")
        present, starts = np.unique(slots[order], return_index=True)
        total[present] += np.add.reduceat(matrix[order], starts)
        count += np.bincount(slots, minlength=len(people))
    embeddings, usable = fused(total, count)
    if contradictory := int((~usable & (count > 0)).sum()):
        log.warning(
            "%d people cannot be recognised: their templates contradict each other; "
            "remove and enrol them again",
            contradictory,
        )
    return [who for _, who in people], embeddings, usable
