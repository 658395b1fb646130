"""Events found by whom they name, by type and by time."""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from edged.events.rows import named, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from edged.events.types import Event
    from edged.vault.database import Connection, Database

Place = tuple[int, int]
"""Time (ms) and number of an event; they are found in this order."""

LAST_MS = 1 << 62
_FIRST_MS = -(1 << 62)
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events.

    Attributes:
        types: shell patterns such as ``access.*``; none: all.
        since_ms, until_ms: since 1970; the latter is not in it any more.
    """

    person: str | None = None
    types: tuple[str, ...] = ()
    since_ms: int = _FIRST_MS
    until_ms: int = LAST_MS


class Record(NamedTuple):
    """An event without its place in the chain."""

    seq: int
    id: str
    type: str
    ms: int
    synced: bool
    data: dict[str, Any]


def is_due(connection: Connection) -> bool:
    """Whether the file has no index for this yet."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'events_by_kind'")
    return found.fetchone() is None


def prepare(connection: Connection) -> None:
    """Make the index, which older software keeps as well."""
    connection.execute("CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind, time)")


def places(database: Database, wanted: Wanted) -> Iterator[list[Place]]:
    """Where they are, by time, some at a time, so that nobody who writes is held up."""
    for page in _pages(database, wanted, ""):
        yield [(ms, seq) for ms, seq in page]


def newest(connection: Connection, wanted: Wanted, number: int) -> list[Place]:
    """Where the last of them are, by time."""
    each = _found(connection, wanted, (wanted.since_ms, -1), "", number, last=True)
    return [(ms, seq) for ms, seq in _first(heapq.merge(*each, reverse=True), number)][::-1]


def content(stored: bytes) -> dict[str, Any]:
    """What an event says, as it is stored; ours, and checked when it was written."""
    found: dict[str, Any] = json.loads(unpack(stored))
    return found


def records(
    database: Database, wanted: Wanted, reading: Callable[[bytes], dict[str, Any]] = content
) -> Iterator[Record]:
    """They themselves, by time, quickly; those that were redacted are left out.

    Args:
        reading: such as `content` with a memory, where many say the same.
    """
    with database.snapshot() as connection:
        names = dict(connection.execute("SELECT id, name FROM kinds").fetchall())
    for page in _pages(database, wanted, ", e.id, e.kind, e.synced, e.data"):
        for ms, seq, identity, kind, synced, data in page:
            if data is not None:
                yield Record(seq, identity.hex(), names[kind], ms, bool(synced), reading(data))


def _pages(database: Database, wanted: Wanted, columns: str) -> Iterator[list[tuple[Any, ...]]]:
    after = (wanted.since_ms, -1)
    while True:
        with database.snapshot() as connection:
            each = _found(connection, wanted, after, columns, _PAGE, last=False)
        page = _first(heapq.merge(*each), _PAGE)
        yield page
        if len(page) < _PAGE:
            return
        after = page[-1][0], page[-1][1]


def _found(
    connection: Connection, wanted: Wanted, after: Place, columns: str, limit: int, *, last: bool
) -> list[list[tuple[Any, ...]]]:
    """Time, number and more of events: a list for each type, or one where a person is named."""
    kinds = _kinds(connection, wanted.types)
    order = "DESC" if last else "ASC"
    bounds = (after[0], after[0], after[1], wanted.until_ms, limit)
    if wanted.person is not None:
        by, table = "m", "mentions m CROSS JOIN events e ON e.seq = m.seq"
        listed = ", ".join(map(str, kinds))
        asked: list[tuple[str, Any]] = [(f"m.person = ? AND e.kind IN ({listed})", wanted.person)]
    else:
        by, table = "e", "events e"
        asked = [("e.kind = ?", kind) for kind in kinds]
    return [
        connection.execute(
            f"SELECT {by}.time, {by}.seq{columns} FROM {table} WHERE {condition} "  # noqa: S608  # ours
            f"AND {by}.time >= ? AND ({by}.time > ? OR {by}.seq > ?) AND {by}.time < ? "
            f"ORDER BY {by}.time {order}, {by}.seq {order} LIMIT ?",
            (value, *bounds),
        ).fetchall()
        for condition, value in asked
    ]


def _kinds(connection: Connection, types: Sequence[str]) -> list[int]:
    """Numbers of the types that fit."""
    return [
        number
        for number, name in connection.execute("SELECT id, name FROM kinds").fetchall()
        if not types or any(fnmatchcase(name, pattern) for pattern in types)
    ]


def _first(found: Iterable[tuple[Any, ...]], number: int) -> list[tuple[Any, ...]]:
    return list(islice(found, number))


def fits(event: Event, wanted: Wanted) -> bool:
    """Whether it is one of them, whenever it happened."""
    return (wanted.person is None or wanted.person in named(event.data)) and (
        not wanted.types or any(fnmatchcase(event.type, pattern) for pattern in wanted.types)
    )
