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


def begin(connection: Connection) -> None:
    """In the transaction that found a file without a log: make it, of the events that waited.

    They keep ids, order, times and what they say. They keep their numbers where these have no
    hole and end with the last one ever given; otherwise they are numbered anew from the one after
    that, so that no number means two events.
    """
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
    prev = ""
    old = connection.execute("SELECT id, type, time, clock, data FROM old_events ORDER BY seq")
    for seq, row in enumerate(old, before + 1):
        prev = _move(connection, log.hex(), seq, prev, row)
    connection.execute("DROP TABLE old_events")


def _move(connection: Connection, log: str, seq: int, prev: str, row: Sequence[Any]) -> str:
    identity, kind, when, clock, data = row
    text, ms = rows.body(json.loads(data)), utc_ms(when)
    content = loads(text)
    event = Event(identity, seq, kind, utc_text(ms), clock, content, log, prev)
    rows.insert(connection, event, ms, text)
    return text_of(connection.execute("SELECT hash FROM log").fetchone()[0])
