"""A file of the first kind, which held only what waited, becomes a log."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from edged.events import rows
from edged.events.canon import loads
from edged.events.types import Event, text_of, utc_ms, utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.vault.database import Connection

_LOG_BYTES = 8
_AT_ONCE = 2000


def is_due(connection: Connection) -> bool:
    """Whether there is something left to be moved."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'old_events'").fetchone()
    return found is not None


def step(connection: Connection) -> None:
    """In a transaction, while it `is_due`: begin the log, or go on with it. A start that takes too
    long is ended by whoever waits for it; what was moved by then stays.

    Events keep ids, order, times and what they say. They keep their numbers where these have no
    hole and end with the last one ever given; otherwise they are numbered anew from the one after
    that, so that no number means two events.
    """
    if connection.execute("SELECT 1 FROM log").fetchone() is None:
        _begin(connection)
    log, seq, last = connection.execute("SELECT id, seq, hash FROM log").fetchone()
    old = connection.execute(
        "SELECT seq, id, type, time, clock, data FROM old_events ORDER BY seq LIMIT ?", (_AT_ONCE,)
    ).fetchall()
    prev = text_of(last)
    for number, (_, *row) in enumerate(old, seq + 1):
        prev = _move(connection, log.hex(), number, prev, row)
    if len(old) < _AT_ONCE:
        connection.execute("DROP TABLE old_events")
    else:
        connection.execute("DELETE FROM old_events WHERE seq <= ?", (old[-1][0],))


def _begin(connection: Connection) -> None:
    log = secrets.token_bytes(_LOG_BYTES)
    first, newest, count = connection.execute(
        "SELECT ifnull(min(seq), 0), ifnull(max(seq), 0), count(*) FROM old_events"
    ).fetchone()
    given = connection.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = 'old_events'"
    ).fetchone()
    last = given[0] if given else 0
    whole = count and newest == last and first == last - count + 1
    before = first - 1 if whole else last
    connection.execute("INSERT INTO log VALUES (?, ?, x'', 0, 0)", (log, before))


def _move(connection: Connection, log: str, seq: int, prev: str, row: Sequence[Any]) -> str:
    identity, kind, when, clock, data = row
    text, ms = rows.body(json.loads(data)), utc_ms(when)
    content = loads(text)
    event = Event(identity, seq, kind, utc_text(ms), clock, content, log, prev)
    rows.insert(connection, event, ms, text)
    return text_of(connection.execute("SELECT hash FROM log").fetchone()[0])
