"""The encrypted file of what the decision saw."""

from __future__ import annotations

import json
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edged.errors import StorageError
from edged.recording.codec import write_item
from edged.recording.items import Held, Seen
from edged.recording.reader import Reader, Visit
from edged.vault.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edged.recording.items import Header, Item, Template
    from edged.types import Floats
    from edged.vault.database import Connection
    from edged.vault.secret import Secret

_SCHEMA = (
    """
    -- one run of a terminal
    CREATE TABLE sessions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        started REAL NOT NULL,  -- Unix seconds
        header TEXT NOT NULL
    ) STRICT;
    -- from somebody's first frame until everybody has gone
    CREATE TABLE visits (
        number INTEGER PRIMARY KEY AUTOINCREMENT,  -- one that is missing was removed
        session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
        started REAL NOT NULL,
        continues INTEGER NOT NULL  -- the visit before, which was too long for one
    ) STRICT;
    CREATE INDEX visits_by_session ON visits (session);
    CREATE INDEX visits_by_time ON visits (started);
    -- about a second each
    CREATE TABLE pieces (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        visit INTEGER NOT NULL REFERENCES visits ON DELETE CASCADE,
        frames INTEGER NOT NULL,
        items BLOB NOT NULL,  -- JSON lines, deflated
        embeddings BLOB NOT NULL  -- float32, little-endian, those of the items in their order
    ) STRICT;
    CREATE INDEX pieces_of_visit ON pieces (visit);
    CREATE TABLE people (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE templates (
        session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
        person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        since INTEGER NOT NULL,  -- revision of the index
        row BLOB NOT NULL,
        PRIMARY KEY (session, person, since)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX templates_of_person ON templates (person);
    -- who was among the best of a visit, and whether it may have been them
    CREATE TABLE candidates (
        visit INTEGER NOT NULL REFERENCES visits ON DELETE CASCADE,
        person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        recognised INTEGER NOT NULL,
        PRIMARY KEY (visit, person)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX candidates_by_person ON candidates (person);
    """,
)


@dataclass(frozen=True, slots=True)
class Contents:
    """How much a file holds; ``bytes`` without what is free in it."""

    sessions: int
    visits: int
    frames: int
    people: int
    bytes: int


class RecordingFile:
    """Sessions, visits and their frames. Any thread may call; see `Database` for the errors."""

    def __init__(self, path: Path, key: Secret) -> None:
        self._database = Database(path, key, "recording", _SCHEMA)
        self.path = path

    def open(self, *, make: bool) -> None:
        """Open the file; with `make` one that is missing is made.

        Raises:
            WrongKey: another terminal's, or no recording.
            StorageError: missing, damaged, or from newer software.
        """
        if not make and not self.path.exists():
            raise StorageError(f"{self.path}: there is no such recording; see `edged record`")
        self._database.open()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def begin_session(self, header: Header, started: float) -> int:
        """A new session's number."""
        with self._database.transaction() as connection:
            text = json.dumps(asdict(header), separators=(",", ":"))
            row = connection.execute(
                "INSERT INTO sessions (started, header) VALUES (?, ?)", (started, text)
            )
            return int(row.lastrowid)

    def begin_visit(self, session: int, started: float, *, continues: bool = False) -> Visit:
        """A new visit; `continues` the one before, which was too long for one."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO visits (session, started, continues) VALUES (?, ?, ?)",
                (session, started, continues),
            )
            return Visit(int(row.lastrowid), session, started, continues)

    def append(
        self, visit: Visit, items: Sequence[Item], templates: Iterable[Template], floor: float
    ) -> bool:
        """Add to a visit; False, and nothing done, when the visit was removed meanwhile.

        Args:
            visit: as `begin_visit` made it.
            items: in their order.
            templates: rows that the searches of these items gave, new ones.
            floor: a best candidate from this similarity on may be the person.
        """
        with self._database.transaction() as connection:
            if not connection.execute(
                "SELECT 1 FROM visits WHERE number = ?", (visit.number,)
            ).fetchone():
                return False
            book = _Book(connection)
            for person_id, recognised in _candidates(items, floor).items():
                connection.execute(
                    "INSERT INTO candidates VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
                    "SET recognised = max(recognised, excluded.recognised)",
                    (visit.number, book.number(person_id), recognised),
                )
            for template in templates:
                connection.execute(
                    "INSERT OR REPLACE INTO templates VALUES (?, ?, ?, ?)",
                    (
                        visit.session,
                        book.number(template.person_id),
                        template.since,
                        template.row.astype("<f4", copy=False).tobytes(),
                    ),
                )
            connection.execute(
                "INSERT INTO pieces (visit, frames, items, embeddings) VALUES (?, ?, ?, ?)",
                (visit.number, *_packed(items, book)),
            )
        return True

    def forget(self, person_id: str) -> int:
        """Remove a person: their rows, and every visit in which it may have been them.

        Returns:
            How many visits went.
        """
        with self._database.transaction() as connection:
            person = connection.execute(
                "SELECT number FROM people WHERE id = ?", (person_id,)
            ).fetchone()
            if person is None:
                return 0
            removed = connection.execute(
                "DELETE FROM visits WHERE number IN "
                "(SELECT visit FROM candidates WHERE person = ? AND recognised)",
                person,
            )
            connection.execute("DELETE FROM people WHERE number = ?", person)
            return int(removed.rowcount)

    def visits_of(self, person_id: str) -> tuple[int, int]:
        """In how many visits it may have been this person, and in how many they were among the
        nearest only."""
        with self._database.snapshot() as connection:
            found = dict(
                connection.execute(
                    "SELECT recognised, count(*) FROM candidates "
                    "JOIN people ON people.number = candidates.person "
                    "WHERE people.id = ? GROUP BY recognised",
                    (person_id,),
                ).fetchall()
            )
        return found.get(1, 0), found.get(0, 0)

    def people(self) -> set[str]:
        """Whose rows are here."""
        with self._database.snapshot() as connection:
            return {who for (who,) in connection.execute("SELECT id FROM people")}

    def prune(self, before: float, largest_bytes: int, session: int | None = None) -> bool:
        """Remove whole visits: those that began before a time, then the oldest until it fits.

        Args:
            before: Unix seconds.
            largest_bytes: of the file, without what is free in it.
            session: is kept, also without a visit.

        Returns:
            Whether anything was removed.
        """
        removed = self._delete("started < ?", (before,))
        while (size := self._bytes()) > largest_bytes:
            share = min(1.0, 1.01 - largest_bytes / size)
            more = self._delete(
                "number IN (SELECT number FROM visits ORDER BY number LIMIT "
                "(SELECT max(1, CAST(? * count(*) AS INTEGER)) FROM visits))",
                (share,),
            )
            if not more:
                break
            removed += more
        if removed:
            self._tidy(session)
        return removed > 0

    def _delete(self, where: str, values: tuple[float, ...]) -> int:
        with self._database.transaction() as connection:
            done = connection.execute(f"DELETE FROM visits WHERE {where}", values)  # noqa: S608
            return int(done.rowcount)

    def _tidy(self, session: int | None) -> None:
        """What no visit speaks of any more goes too."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM sessions WHERE number IS NOT ? AND NOT EXISTS "
                "(SELECT 1 FROM visits WHERE session = sessions.number)",
                (session,),
            )
            connection.execute(
                "DELETE FROM templates WHERE NOT EXISTS (SELECT 1 FROM candidates "
                "JOIN visits ON visits.number = candidates.visit "
                "WHERE candidates.person = templates.person "
                "AND visits.session = templates.session)"
            )
            connection.execute(
                "DELETE FROM people WHERE NOT EXISTS "
                "(SELECT 1 FROM candidates WHERE person = people.number)"
            )

    def last_visit(self) -> int:
        """The number of the latest visit that there ever was; 0 before the first."""
        with self._database.snapshot() as connection:
            row = connection.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = 'visits'"
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def contents(self, after: int = 0) -> Contents:
        """How much there is; of visits and frames only what came after a visit."""
        with self._database.snapshot() as connection:
            one = connection.execute(
                "SELECT (SELECT count(*) FROM sessions), "
                "(SELECT count(*) FROM visits WHERE number > ?), "
                "(SELECT coalesce(sum(frames), 0) FROM pieces WHERE visit > ?), "
                "(SELECT count(*) FROM people)",
                (after, after),
            ).fetchone()
        sessions, visits, frames, people = map(int, one)
        return Contents(sessions, visits, frames, people, self._bytes())

    def _bytes(self) -> int:
        with self._database.snapshot() as connection:
            pages, free, size = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * size

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """One state of the file, whatever is added meanwhile."""
        with self._database.snapshot() as connection:
            yield Reader(connection, self.path)


class _Book:
    """Numbers that stand for people within the file, so that one can be forgotten."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}

    def number(self, person_id: str) -> int:
        known = self._known.get(person_id)
        if known is None:
            self._connection.execute("INSERT OR IGNORE INTO people (id) VALUES (?)", (person_id,))
            known = self._known[person_id] = self._connection.execute(
                "SELECT number FROM people WHERE id = ?", (person_id,)
            ).fetchone()[0]
        return known


def _packed(items: Sequence[Item], book: _Book) -> tuple[int, bytes, bytes]:
    lines = [json.dumps(write_item(item, book.number), separators=(",", ":")) for item in items]
    embeddings: list[Floats] = [
        item.observation.embedding
        for item in items
        if isinstance(item, Seen) and item.observation.embedding is not None
    ]
    frames = sum(isinstance(item, Seen) for item in items)
    body = b"".join(row.astype("<f4", copy=False).tobytes() for row in embeddings)
    return frames, zlib.compress("\n".join(lines).encode(), 6), body


def _candidates(items: Iterable[Item], floor: float) -> dict[str, bool]:
    """Who was among the best, and whether it may have been them."""
    found: dict[str, bool] = {}

    def note(person_id: str | None, recognised: Any) -> None:
        if person_id is not None:
            found[person_id] = found.get(person_id, False) or bool(recognised)

    for item in items:
        if isinstance(item, Held):
            note(item.person_id, True)
        elif isinstance(item, Seen):
            best = item.fused.match.candidates if item.fused is not None else ()
            for place, candidate in enumerate(best):
                note(candidate.person_id, place == 0 and candidate.similarity >= floor)
            if item.outcome is not None:
                note(item.outcome.person_id, True)
    return found
