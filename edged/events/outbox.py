"""Events wait here, encrypted and on the disk, until the site has them."""

from __future__ import annotations

import json
import math
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from edged.events.clock import clock_state
from edged.events.types import GAP, Event, utc_now
from edged.vault.database import Connection, Database

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edged.vault.keys import Secret

_SCHEMA = (
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never given twice
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        time TEXT NOT NULL,
        clock TEXT NOT NULL,
        data TEXT NOT NULL
    ) STRICT;
    -- counting a million rows takes seconds, and every append asks
    CREATE TABLE depth (events INTEGER NOT NULL) STRICT;
    INSERT INTO depth VALUES (0);
    CREATE TRIGGER event_in AFTER INSERT ON events
        BEGIN UPDATE depth SET events = events + 1; END;
    CREATE TRIGGER event_out AFTER DELETE ON events
        BEGIN UPDATE depth SET events = events - 1; END;
    CREATE TABLE nonces (nonce TEXT PRIMARY KEY, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX nonces_by_end ON nonces (expires);
    """,
)
_TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_LARGEST_DATA = 65_536
_LARGEST_DROP = 1000
_LARGEST_NONCE = 200
# a clock that is set back a little must not make a used nonce new
_NONCE_KEPT_S = 3600.0
_ONCE_S = 400 * 86_400.0


class Outbox:
    """Events in order; written before `append` returns, kept until acknowledged.

    Any thread may call it. Other processes may too, but do not wake a `wait` in this one.

    Args:
        path: the encrypted file; made if it is missing.
        key: the terminal's key.
        capacity: how many events may wait (4 or more). Beyond it some of the oldest give way
            to one ``events.gap`` event: ``count`` events between ``from_seq`` and ``to_seq``
            are lost, for the ``reason`` "capacity".
    """

    def __init__(self, path: Path, key: Secret, capacity: int) -> None:
        self._database = Database(path, key, "events", _SCHEMA)
        self._capacity = capacity
        self._news = threading.Event()

    def open(self) -> None:
        """Open the file; for the errors see `Database.open`."""
        self._database.open()

    def close(self) -> None:
        """Close the file and end a `wait`; what was appended stays."""
        self._database.close()
        self.wake()

    def append(self, type: str, data: dict[str, Any]) -> Event:  # noqa: A002  # the field's name
        """Record an event; a power cut after the return does not lose it.

        Raises:
            ValueError: a type that is not dotted lower case, or data that is no JSON object or
                larger than 64 KiB.
            DiskFull, StorageError: it was not recorded.
        """
        if not _TYPE.fullmatch(type):
            raise ValueError(f"an event's type is dotted lower case (got {type[:80]!r})")
        text = _json(data)
        with self._database.transaction() as connection:
            self._make_room(connection)
            event = _insert(connection, type, text)
        self.wake()
        return event

    def _make_room(self, connection: Connection) -> None:
        if _depth(connection) >= self._capacity:
            lost = _drop(connection, min(max(2, self._capacity // 100), _LARGEST_DROP))
            _insert(connection, GAP, _json(lost))

    def append_once(self, type: str, data: dict[str, Any], identity: str) -> bool:  # noqa: A002
        """Record an event that may have been recorded before, by whichever process; see `append`.

        Args:
            identity: the event's id, 32 hex digits; with it the event is recorded once and never
                again, also when it was acknowledged meanwhile (for a year and a month).

        Returns:
            False: it had been recorded.
        """
        if not _TYPE.fullmatch(type):
            raise ValueError(f"an event's type is dotted lower case (got {type[:80]!r})")
        text = _json(data)
        with self._database.transaction() as connection:
            known = connection.execute(
                "INSERT OR IGNORE INTO nonces VALUES (?, ?)",
                (f"event:{identity}", time.time() + _ONCE_S),
            )
            if known.rowcount != 1:
                return False
            self._make_room(connection)
            _insert(connection, type, text, identity)
        self.wake()
        return True

    def pending(self, after_seq: int = 0, limit: int = 100) -> list[Event]:
        """Events that are not acknowledged, oldest first, at most `limit`."""
        with self._database.snapshot() as connection:
            rows = connection.execute(
                "SELECT id, seq, type, time, clock, data FROM events "
                "WHERE seq > ? ORDER BY seq LIMIT ?",
                (after_seq, max(0, limit)),
            ).fetchall()
        return [
            Event(identity, seq, kind, when, clock, json.loads(data))
            for identity, seq, kind, when, clock, data in rows
        ]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """The site has these; unknown ones and repeats do no harm."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM events WHERE seq = ?", [(seq,) for seq in seqs])

    @property
    def depth(self) -> int:
        """How many events wait."""
        with self._database.snapshot() as connection:
            return _depth(connection)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until something was appended, or `wake` called, since the last `wait` returned.

        For one sender: look at `pending`, send, wait; what comes in between ends the wait at
        once. Returns False after `timeout_s`.
        """
        woken = self._news.wait(timeout_s)
        self._news.clear()
        return woken

    def wake(self) -> None:
        """End a `wait`, for what is no event: a connection, a stop."""
        self._news.set()

    def use_nonce(self, nonce: str, expires: float) -> bool:
        """Whether a command's nonce was never used and is now: true once, also across restarts.

        Args:
            nonce: 1–200 characters.
            expires: when the command loses its force, Unix seconds. It is remembered for an
                hour longer.

        Returns:
            False for a used, expired or unusable nonce.
        """
        now = time.time()
        if not (0 < len(nonce) <= _LARGEST_NONCE and nonce.isprintable()):
            return False
        if not math.isfinite(expires) or expires <= now:
            return False
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM nonces WHERE expires < ?", (now - _NONCE_KEPT_S,))
            done = connection.execute(
                "INSERT OR IGNORE INTO nonces VALUES (?, ?)", (nonce, float(expires))
            )
            return bool(done.rowcount == 1)


def _json(data: dict[str, Any]) -> str:
    if not isinstance(data, dict):
        raise ValueError("an event's data is a JSON object")
    try:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as fault:
        raise ValueError(f"an event's data must be JSON: {fault}") from fault
    if len(text) > _LARGEST_DATA:
        raise ValueError(f"an event's data has {len(text)} bytes, at most {_LARGEST_DATA} may be")
    return text


def _insert(connection: Connection, kind: str, text: str, identity: str | None = None) -> Event:
    identity, now, clock = identity or uuid.uuid4().hex, utc_now(), clock_state()
    seq = connection.execute(
        "INSERT INTO events (id, type, time, clock, data) VALUES (?, ?, ?, ?, ?)",
        (identity, kind, now, clock, text),
    ).lastrowid
    return Event(identity, seq, kind, now, clock, json.loads(text))


def _depth(connection: Connection) -> int:
    return int(connection.execute("SELECT events FROM depth").fetchone()[0])


def _drop(connection: Connection, number: int) -> dict[str, Any]:
    """Delete the oldest; a gap event among them hands its losses on to the new one."""
    rows = connection.execute(
        "SELECT seq, type, data FROM events ORDER BY seq LIMIT ?", (number,)
    ).fetchall()
    gaps = [json.loads(data) for _, kind, data in rows if kind == GAP]
    connection.execute("DELETE FROM events WHERE seq <= ?", (rows[-1][0],))
    return {
        "from_seq": min(rows[0][0], *(gap["from_seq"] for gap in gaps)) if gaps else rows[0][0],
        "to_seq": rows[-1][0],
        "count": len(rows) - len(gaps) + sum(gap["count"] for gap in gaps),
        "reason": "capacity",
    }
