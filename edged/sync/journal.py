"""The site's log as it is kept: what was said, who is enrolled now, and a snapshot of that."""

from __future__ import annotations

import base64
import json
import os
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edged.errors import GalleryError
from edged.sync.entries import MOST_TEMPLATES, BadEntry, Entry, read_entry, write_entry
from edged.sync.snapshot import KEY_BYTES, seal_chunk
from edged.sync.wire import LARGEST_MESSAGE, MOST_CHUNKS, MOST_ENTRIES, digest
from edged.vault.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edged.vault.database import Connection
    from edged.vault.secret import Secret

PEOPLE_A_CHUNK = 200
_SCHEMA = (
    """
    CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE log (revision INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
    CREATE TABLE people (id TEXT PRIMARY KEY, entry BLOB NOT NULL) STRICT;
    CREATE TABLE chunks (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
    """,
)
# a message has a line and what sealing adds beside its content
_LARGEST_CONTENT = LARGEST_MESSAGE - 4096
_BEFORE, _BETWEEN, _AFTER = b'{"entries":[', b",", b"]}"


@dataclass(frozen=True, slots=True)
class Made:
    """A snapshot that is kept, and the key of its chunks."""

    id: str
    revision: int
    digests: list[str]
    key: bytes = field(repr=False)


class Journal:
    """An encrypted file; every change is on the disk when the call returns. Any thread may call.

    Attributes:
        log, epoch: see `edged.sync.wire.Head`.
        revision, oldest: the newest and the first that is still in the log.
        made: the newest snapshot.
    """

    def __init__(self, path: Path, key: Secret) -> None:
        self._database = Database(path, key, "site log", _SCHEMA)
        self._lock = threading.RLock()
        self.log, self.epoch = "", 0
        self.revision, self.oldest = 0, 1
        self.made: Made | None = None

    def open(self) -> None:
        """Open the file, or begin a log; errors as `Database.open`."""
        self._database.open()
        with self._lock, self._database.transaction() as connection:
            about = dict(connection.execute("SELECT name, value FROM about").fetchall())
            if not about:
                # seconds: a site that is set up anew has a later epoch by itself
                epoch = str(int(time.time()))
                about = {"log": secrets.token_urlsafe(9), "epoch": epoch}
                about |= {"revision": "0", "oldest": "1"}
                _set(connection, **about)
        self.log, self.epoch = about["log"], int(about["epoch"])
        self.revision, self.oldest = int(about["revision"]), int(about["oldest"])
        self.made = _read_made(about.get("snapshot"))

    def close(self) -> None:
        """Close the file; safe twice."""
        self._database.close()

    def append(self, entries: Sequence[Entry]) -> int:
        """Add entries, all or none, numbered in their order; the last revision.

        Raises:
            GalleryError: one of them would be refused by a terminal; which, and why.
        """
        with self._lock:
            numbered = [
                (revision, entry, _text(replace(entry, revision=revision)))
                for revision, entry in enumerate(entries, self.revision + 1)
            ]
            for place, (_, _, text) in enumerate(numbered, 1):
                _check(place, text)
            end = self.revision + len(numbered)
            with self._database.transaction() as connection:
                for revision, entry, text in numbered:
                    connection.execute("INSERT INTO log VALUES (?, ?)", (revision, text))
                    if entry.removes:
                        connection.execute("DELETE FROM people WHERE id = ?", (entry.person_id,))
                    else:
                        who = (entry.person_id, text)
                        connection.execute("INSERT OR REPLACE INTO people VALUES (?, ?)", who)
                _set(connection, revision=str(end))
            self.revision = end
            return end

    def person(self, person_id: str) -> Entry | None:
        """What the log says of a person now; None: nobody is enrolled as this."""
        with self._database.snapshot() as connection:
            row = connection.execute(
                "SELECT entry FROM people WHERE id = ?", (person_id,)
            ).fetchone()
        return None if row is None else read_entry(json.loads(row[0]))

    def changed_since(self, person_id: str, revision: int) -> bool:
        """Whether the log says anything of a person after a revision that is in it."""
        with self._database.snapshot() as connection:
            rows = connection.execute("SELECT entry FROM log WHERE revision > ?", (revision,))
            return any(json.loads(text)["person_id"] == person_id for (text,) in rows)

    def after(self, revision: int) -> tuple[bytes, int]:
        """Entries after a revision as the content of one message, and how many these are."""
        with self._database.snapshot() as connection:
            rows = connection.execute(
                "SELECT entry FROM log WHERE revision > ? ORDER BY revision LIMIT ?",
                (revision, MOST_ENTRIES),
            )
            return next(_filled(rows, MOST_ENTRIES), (b"", 0))

    def chunk(self, number: int) -> bytes | None:
        """The sealed bytes of a chunk of the newest snapshot."""
        with self._database.snapshot() as connection:
            row = connection.execute(
                "SELECT sealed FROM chunks WHERE number = ?", (number,)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def make_snapshot(self, people_a_chunk: int = PEOPLE_A_CHUNK) -> None:
        """Everybody as of now in sealed chunks, in place of the snapshot before."""
        with self._lock:
            if self.made is not None and self.made.revision == self.revision:
                return
            made = Made(secrets.token_urlsafe(9), self.revision, [], os.urandom(KEY_BYTES))
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM chunks")
                people = connection.execute("SELECT entry FROM people ORDER BY id")
                for number, (content, _) in enumerate(_filled(people, people_a_chunk)):
                    if number >= MOST_CHUNKS:
                        raise GalleryError(f"a snapshot has at most {MOST_CHUNKS} chunks")
                    sealed = seal_chunk(made.key, made.id, number, content)
                    made.digests.append(digest(sealed))
                    connection.execute("INSERT INTO chunks VALUES (?, ?)", (number, sealed))
                _set(connection, snapshot=_write_made(made))
            self.made = made

    def compact(self, keep: int) -> None:
        """Make a snapshot and forget all but the newest `keep` revisions of the log."""
        with self._lock:
            self.make_snapshot()
            oldest = max(self.oldest, self.revision - keep + 1)
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM log WHERE revision < ?", (oldest,))
                _set(connection, oldest=str(oldest))
            self.oldest = oldest

    def renew(self) -> None:
        """Begin the next epoch, without a snapshot."""
        with self._lock:
            epoch = max(self.epoch + 1, int(time.time()))
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM chunks")
                connection.execute("DELETE FROM about WHERE name = 'snapshot'")
                _set(connection, epoch=str(epoch))
            self.epoch, self.made = epoch, None


def _filled(rows: Iterator[tuple[bytes]], most: int) -> Iterator[tuple[bytes, int]]:
    """Entries as contents of messages, each with so many at most, and how many these are."""
    texts: list[bytes] = []
    size = len(_BEFORE + _AFTER)
    for (text,) in rows:
        if texts and (len(texts) >= most or size + len(text) + 1 > _LARGEST_CONTENT):
            yield _BEFORE + _BETWEEN.join(texts) + _AFTER, len(texts)
            texts, size = [], len(_BEFORE + _AFTER)
        texts.append(text)
        size += len(text) + len(_BETWEEN)
    if texts:
        yield _BEFORE + _BETWEEN.join(texts) + _AFTER, len(texts)


def _check(place: int, text: bytes) -> None:
    """A terminal would refuse the batch, and with it all that comes after."""
    try:
        read_entry(json.loads(text))
    except BadEntry as fault:
        raise GalleryError(f"entry {place}: {fault.reason}") from None
    if len(text) + len(_BEFORE + _AFTER) > _LARGEST_CONTENT:
        raise GalleryError(f"entry {place}: too large; {MOST_TEMPLATES} templates are too many")


def _text(entry: Entry) -> bytes:
    try:
        return json.dumps(write_entry(entry), separators=(",", ":"), allow_nan=False).encode()
    except ValueError as fault:
        raise GalleryError("an entry with numbers that are not finite") from fault


def _set(connection: Connection, **about: str) -> None:
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", list(about.items()))


def _write_made(made: Made) -> str:
    key = base64.b64encode(made.key).decode("ascii")
    told = {"id": made.id, "revision": made.revision, "digests": made.digests, "key": key}
    return json.dumps(told)


def _read_made(text: str | None) -> Made | None:
    if text is None:
        return None
    told = json.loads(text)
    return Made(told["id"], told["revision"], told["digests"], base64.b64decode(told["key"]))
