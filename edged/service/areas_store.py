"""The encrypted file of who is where; what it lacks is in the log of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.access.presence import Place, Presence
from edged.vault.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edged.config.schema import Config
    from edged.vault.secret import Secret

PURPOSE = "areas"
_SCHEMA = (
    """
    CREATE TABLE places (
        person TEXT PRIMARY KEY,
        ord INTEGER NOT NULL,     -- see edged.access.order
        terminal TEXT NOT NULL,
        area TEXT NOT NULL        -- '' where nobody knows
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE let_in (
        name TEXT PRIMARY KEY,    -- of the group
        ord INTEGER NOT NULL,
        day INTEGER NOT NULL      -- of the local calendar, ordinal
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class Page:
    """How some people stand, and what holds for all; taken at one moment."""

    people: dict[str, Place | None]
    let_in: dict[str, tuple[int, int]]
    forgotten: int
    newest: int


def page_of(presence: Presence, people: Iterable[str]) -> Page:
    """Of these people."""
    places = {person: presence.place(person) for person in people}
    return Page(places, presence.first_in(), presence.forgotten, presence.newest)


def areas_path(config: Config) -> Path:
    """Beside the events."""
    return config.events.path.with_name("areas.db")


class AreasStore:
    """One terminal's file. Any thread."""

    def __init__(self, path: Path, key: Secret) -> None:
        self.path = path
        self._database = Database(path, key, PURPOSE, _SCHEMA)
        self._forgotten = 0

    def open(self) -> None:
        """Open or make it; errors: `Database.open`."""
        self._database.open()

    def close(self) -> None:
        """Safe at any time."""
        self._database.close()

    def read(self) -> tuple[Presence, dict[str, str]]:
        """All that was kept, and the marks beside it."""
        with self._database.snapshot() as connection:
            places = connection.execute("SELECT * FROM places").fetchall()
            let_in = connection.execute("SELECT * FROM let_in").fetchall()
            marks = dict(connection.execute("SELECT name, value FROM marks").fetchall())
        self._forgotten = int(marks.get("forgotten", 0))
        presence = Presence(
            ((person, Place(*place)) for person, *place in places),
            ((name, (order, day)) for name, order, day in let_in),
            forgotten=self._forgotten,
            newest=int(marks.get("newest", 0)),
        )
        return presence, {str(name): str(value) for name, value in marks.items()}

    def keep(self, page: Page, marks: dict[str, str], *, durable: bool) -> None:
        """Write how people stand, and the marks.

        Args:
            durable: False where a power cut may undo it, since the log of events has it, too.

        Raises:
            DiskFull, StorageError: nothing was written.
        """
        own = {"forgotten": str(page.forgotten), "newest": str(page.newest)}
        with self._database.transaction(durable=durable) as connection:
            if page.forgotten != self._forgotten:
                connection.execute("DELETE FROM places WHERE ord <= ?", (page.forgotten,))
            gone = [(person,) for person, place in page.people.items() if place is None]
            connection.executemany("DELETE FROM places WHERE person = ?", gone)
            connection.executemany(
                "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)",
                [(p, at.order, at.terminal, at.area) for p, at in page.people.items() if at],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO let_in VALUES (?, ?, ?)",
                [(name, *found) for name, found in page.let_in.items()],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO marks VALUES (?, ?)", list((own | marks).items())
            )
        self._forgotten = page.forgotten
