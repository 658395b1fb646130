"""The file of keys beside the gallery: without it the gallery is noise.

It is small, it is the only thing that the terminal's key opens, and it is what is destroyed: one
key for a person who is erased, all of them for a wipe. Backups of the gallery's own file leave it
out.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edged.vault.database import Database
from edged.vault.secret import KEY_BYTES, Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from edged.vault.database import Connection

PURPOSE = "gallery keys"
_SCHEMA = (
    """
    -- of the gallery's file; two only while it is rewritten
    CREATE TABLE generations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        data BLOB NOT NULL,  -- the key of the file
        seed BLOB NOT NULL,  -- of the turn of all templates
        tag BLOB NOT NULL    -- makes ids findable; the same in all generations
    ) STRICT;
    CREATE TABLE keys (
        person INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never given twice
        generation INTEGER NOT NULL,
        made REAL NOT NULL,
        key BLOB NOT NULL
    ) STRICT;
    CREATE INDEX keys_of_generation ON keys (generation);
    -- whose key was destroyed, until nobody has to hear of it any more; see `Gallery.erasures`
    CREATE TABLE destroyed (
        person INTEGER PRIMARY KEY,
        notice TEXT NOT NULL,
        told INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    """,
)
_GENERATIONS = "SELECT number, data, seed, tag FROM generations ORDER BY number DESC"
_MANY = 500
_ORPHAN_S = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What one state of the gallery's file is written with."""

    number: int
    data: Secret = field(repr=False)
    seed: bytes = field(repr=False)
    tag: Secret = field(repr=False)


class Keyring:
    """The keys of one gallery. Any thread may call; each change is on the disk on return.

    Args:
        path: the file; made if it is missing.
        key: the terminal's key.
        kind: of file.
    """

    def __init__(self, path: Path, key: Secret, kind: type[Database] = Database) -> None:
        self.path = path
        self._database = kind(path, key, PURPOSE, _SCHEMA)
        self._quiet: int | None = None  # the file's version that had no notices

    def open(self) -> None:
        """Open the file, or make it with a first generation; errors as `Database.open`."""
        self._database.open()
        with self._database.transaction() as connection:
            if connection.execute("SELECT 1 FROM generations").fetchone() is None:
                _insert(connection, os.urandom(KEY_BYTES))

    def close(self) -> None:
        """Close the file; safe twice."""
        self._database.close()

    def shrink(self) -> None:
        """See `Database.shrink`."""
        self._database.shrink()

    def integrity(self) -> list[str]:
        """What is wrong with the file; see `Database.integrity`."""
        return self._database.integrity()

    def orphans(self, generation: int, known: Collection[int]) -> set[int]:
        """Numbers of keys that no person has, though nobody can be just adding them."""
        old = time.time() - _ORPHAN_S
        with self._database.snapshot() as connection:
            rows = connection.execute(
                "SELECT person FROM keys WHERE generation = ? AND made < ?", (generation, old)
            ).fetchall()
        return {number for (number,) in rows} - set(known)

    def peek(self) -> tuple[list[Generation], int]:
        """The generations and how many people's keys there are, read before it is opened, without
        changing a byte; errors as `Database.check_key`."""
        rows = self._database.peek(_GENERATIONS)
        return _generations(rows), int(self._database.peek("SELECT count(*) FROM keys")[0][0])

    def generations(self) -> list[Generation]:
        """The newest first."""
        with self._database.snapshot() as connection:
            return _generations(connection.execute(_GENERATIONS).fetchall())

    def begin_generation(self) -> Generation:
        """A new one beside those that are there."""
        tag = self.generations()[0].tag.reveal()
        with self._database.transaction() as connection:
            _insert(connection, tag)
        return self.generations()[0]

    def end_generations(self, but: int) -> None:
        """Destroy all generations but one, and the keys of their people."""
        with self._database.transaction() as connection:
            gone = connection.execute("DELETE FROM generations WHERE number != ?", (but,)).rowcount
            gone += connection.execute("DELETE FROM keys WHERE generation != ?", (but,)).rowcount
        if gone:
            self._database.checkpoint()

    def new(self, generation: int, count: int) -> list[tuple[int, bytes]]:
        """Numbers and keys for so many new people."""
        made = time.time()
        found = []
        with self._database.transaction() as connection:
            for _ in range(count):
                key = os.urandom(KEY_BYTES)
                number = connection.execute(
                    "INSERT INTO keys (generation, made, key) VALUES (?, ?, ?)",
                    (generation, made, key),
                ).lastrowid
                found.append((int(number), key))
        return found

    def key(self, number: int) -> bytes | None:
        """One person's key; None once it is destroyed."""
        return self.keys([number]).get(number)

    def keys(self, numbers: Collection[int]) -> dict[int, bytes]:
        """The keys of some; those destroyed are left out."""
        wanted = list(numbers)
        found: dict[int, bytes] = {}
        with self._database.snapshot() as connection:
            for start in range(0, len(wanted), _MANY):
                some = wanted[start : start + _MANY]
                marks = ",".join("?" * len(some))
                found.update(
                    connection.execute(
                        f"SELECT person, key FROM keys WHERE person IN ({marks})",  # noqa: S608
                        some,
                    ).fetchall()
                )
        return found

    def all(self, generation: int) -> dict[int, bytes]:
        """Every key of a generation, by the person's number."""
        with self._database.snapshot() as connection:
            return dict(
                connection.execute(
                    "SELECT person, key FROM keys WHERE generation = ?", (generation,)
                ).fetchall()
            )

    def destroy(self, numbers: Collection[int], notices: Mapping[int, str] | None = None) -> None:
        """Destroy people's keys; nothing of them stays in the file or its WAL.

        Args:
            notices: by number what is to be told of it: kept from the moment that the key is
                gone, and only then.
        """
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM keys WHERE person = ?", [(n,) for n in numbers])
            connection.executemany(
                "INSERT OR IGNORE INTO destroyed (person, notice) VALUES (?, ?)",
                (notices or {}).items(),
            )
            self._quiet = None
        self._database.checkpoint()

    def notices(self, limit: int) -> dict[int, tuple[str, bool]]:
        """What is kept of destroyed keys, and whether it was told: first what was not.

        Microseconds while there is nothing.
        """
        version = self._database.data_version  # of what others did
        if version == self._quiet:
            return {}
        with self._database.snapshot() as connection:
            rows = connection.execute(
                "SELECT person, notice, told FROM destroyed ORDER BY told, person LIMIT ?", (limit,)
            ).fetchall()
            self._quiet = None if rows else version  # in here: another thread may destroy next
        return {number: (notice, bool(told)) for number, notice, told in rows}

    def note_told(self, number: int) -> None:
        """The event about this one is recorded."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE destroyed SET told = 1 WHERE person = ?", (number,))

    def forget_notice(self, number: int) -> None:
        """Nobody has to hear of this one any more."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM destroyed WHERE person = ?", (number,))
        self._database.checkpoint()

    def destroy_orphans(self, generation: int, known: Collection[int]) -> None:
        """Destroy keys that no person has, left by a power cut; a young one may belong to
        somebody whom another process is just adding."""
        if orphans := self.orphans(generation, known):
            self.destroy(orphans)


def _generations(rows: Iterable[tuple[int, bytes, bytes, bytes]]) -> list[Generation]:
    return [Generation(n, Secret(data), seed, Secret(tag)) for n, data, seed, tag in rows]


def _insert(connection: Connection, tag: bytes) -> None:
    connection.execute(
        "INSERT INTO generations (data, seed, tag) VALUES (?, ?, ?)",
        (os.urandom(KEY_BYTES), os.urandom(KEY_BYTES), tag),
    )
