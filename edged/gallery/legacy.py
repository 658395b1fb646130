"""The gallery of older software: one file under the terminal's key, nothing sealed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.errors import StorageError
from edged.gallery.people import Stored
from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.vault.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from edged.vault.secret import Secret

SCHEMA = (
    """
    CREATE TABLE meta (revision INTEGER NOT NULL) STRICT;
    INSERT INTO meta VALUES (0);
    CREATE TABLE people (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT,
        created TEXT NOT NULL,
        revision INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE templates (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        model TEXT NOT NULL,
        quality REAL NOT NULL,
        source TEXT NOT NULL,
        created TEXT NOT NULL,
        vector BLOB NOT NULL
    ) STRICT;
    CREATE INDEX templates_of_model ON templates (model, person);
    CREATE INDEX templates_of_person ON templates (person);
    """,
)


def is_legacy(path: Path, key: Secret) -> bool:
    """Whether the terminal's key opens the file itself; nothing is changed."""
    try:
        Database(path, key, "gallery", SCHEMA).check_key()
    except StorageError:
        return False
    return True


def read_legacy(path: Path, key: Secret) -> tuple[list[Stored], int]:
    """Everybody in it, and its revision.

    Raises:
        WrongKey: the key does not open it, or it is no gallery of older software.
        StorageError: as `Database.open`.
    """
    database = Database(path, key, "gallery", SCHEMA)
    database.open()
    try:
        with database.snapshot() as connection:
            people = connection.execute("SELECT number, id, name, created FROM people").fetchall()
            templates: dict[int, dict[str, list[Kept]]] = {}
            for person, model, quality, source, created, vector in connection.execute(
                "SELECT person, model, quality, source, created, vector FROM templates "
                "ORDER BY number"
            ):
                one = Kept(np.frombuffer(vector, "<f4").copy(), quality, source, created)
                templates.setdefault(person, {}).setdefault(model, []).append(one)
            revision = connection.execute("SELECT revision FROM meta").fetchone()[0]
    finally:
        database.close()
    return [
        Stored(who, Profile(name=name), templates.get(number, {}), created)
        for number, who, name, created in people
    ], int(revision)
