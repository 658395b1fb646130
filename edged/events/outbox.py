"""The log of what happened, encrypted and on the disk, and what of it the site has yet to get."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from edged.errors import DiskFull
from edged.events import migrate, query, redaction, rows
from edged.events.canon import loads
from edged.events.clock import clock_state
from edged.events.room import Bounds, Room, drop_delivered
from edged.events.schema import SCHEMA
from edged.events.types import GAP, Event, Head, text_of, utc_text
from edged.vault.database import Connection, Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from edged.config import schema
    from edged.events.query import Record, Wanted
    from edged.events.types import Clock
    from edged.vault.secret import Secret

log = logging.getLogger(__name__)

_TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_ID = re.compile(r"[0-9a-f]{32}")
_LAST = 1 << 62
_PAGE = 500
_LARGEST_NONCE = 200
_LARGEST_NOTE = 65_536
# a clock that is set back a little must not make a used nonce new
_NONCE_KEPT_S = 3600.0
_ONCE_S = 400 * 86_400.0
_IS_DUE = """seq IN (
    SELECT seq FROM (
        SELECT seq FROM waiting WHERE seq BETWEEN ?1 AND ?2
        UNION SELECT seq FROM again WHERE seq BETWEEN ?1 AND ?2
        ORDER BY seq LIMIT ?3))"""


class Outbox:
    """A chain of events; written before `append` returns, and waiting until acknowledged.

    Any thread may call it. Other processes may too, but do not wake a `wait` in this one.

    Args:
        path: the encrypted file; made if it is missing.
        key: the terminal's key.
        capacity: how many events may wait (4 or more).
        keep_days: how long delivered events stay.
        largest_mb: how large the file may grow, MiB (4 or more).
        keep_free_mb: how much of the disk is left to others, MiB; 4 may be used all the same.
        clock: the wall clock, Unix seconds.

    Beyond these bounds the oldest give way: delivered ones silently, then those that wait, for
    which one ``events.gap`` event says that ``count`` events between ``from_seq`` and ``to_seq``
    are lost, for what ``reason`` ("capacity", "size" or "disk"), and the hash of the last one.
    By age nothing goes while the clock is not believed.

    Attributes:
        believe: whether the clock is to be trusted, as an event says it; must not ask this.
    """

    def __init__(
        self,
        path: Path,
        key: Secret,
        capacity: int,
        *,
        keep_days: int = 30,
        largest_mb: int = 400,
        keep_free_mb: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(path, key, "events", SCHEMA)
        self._capacity = capacity
        self._clock = clock
        self.believe: Callable[[], Clock] = clock_state
        bounds = Bounds(capacity, keep_days, largest_mb, keep_free_mb)
        self._room = Room(path, bounds, time.monotonic)
        self._news = threading.Event()
        self._log = ""

    def open(self) -> None:
        """Open the file, and make a log of one of the first kind; errors: `Database.open`."""
        self._database.open()
        try:
            while self._upgrade():
                pass
            self._index()
            with self._database.snapshot() as connection:
                (log,) = connection.execute("SELECT id FROM log").fetchone()
        except BaseException:
            self._database.close()
            raise
        self._log = log.hex()

    def _upgrade(self) -> bool:
        """A part of what is due; False: nothing is."""
        with self._database.snapshot() as connection:
            if not migrate.is_due(connection):
                return False
        with self._database.transaction() as connection:
            if migrate.is_due(connection):  # no other process was faster
                migrate.step(connection)
        return True

    def _index(self) -> None:
        """Without room for it events are found all the same, slowly."""
        with self._database.snapshot() as connection:
            if not query.is_due(connection):
                return
        try:
            with self._database.transaction() as connection:
                query.prepare(connection)
        except DiskFull as fault:
            log.warning("no room for the index of the events: %s", fault)

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
        text = _checked(type, data)
        try:
            event = self._append(type, text)
        except DiskFull:
            if not self._shed():
                raise
            event = self._append(type, text)
        self.wake()
        return event

    def _append(self, kind: str, text: bytes) -> Event:
        with self._database.transaction() as connection:
            return self._add(connection, kind, text, uuid.uuid4().hex)

    def _shed(self) -> bool:
        """On a full disk delivered events give way; whether there were any."""
        with self._database.transaction() as connection:
            return drop_delivered(connection)

    def append_once(self, type: str, data: dict[str, Any], identity: str) -> bool:  # noqa: A002
        """Record an event that may have been recorded before, by whichever process; see `append`.

        Args:
            identity: the event's id, 32 hex digits; with it the event is recorded once and never
                again, also when it was acknowledged meanwhile (for a year and a month).

        Returns:
            False: it had been recorded.
        """
        text = _checked(type, data)
        if not _ID.fullmatch(identity):
            raise ValueError("an event's id has 32 hex digits")
        with self._database.transaction() as connection:
            known = connection.execute(
                "INSERT OR IGNORE INTO nonces VALUES (?, ?)",
                (f"event:{identity}", time.time() + _ONCE_S),
            )
            if known.rowcount != 1:
                return False
            self._add(connection, type, text, identity)
        self.wake()
        return True

    def _add(self, connection: Connection, kind: str, text: bytes, identity: str) -> Event:
        ms = int(self._clock() * 1000)
        lost = self._room.make(connection, ms if self.believe() == "synced" else None)
        if lost is not None:
            self._chain(connection, GAP, rows.body(lost), uuid.uuid4().hex, ms)
        return self._chain(connection, kind, text, identity, ms)

    def _chain(
        self, connection: Connection, kind: str, text: bytes, identity: str, ms: int
    ) -> Event:
        seq, last = connection.execute("SELECT seq, hash FROM log").fetchone()
        data = loads(text)
        event = Event(
            identity, seq + 1, kind, utc_text(ms), self.believe(), data, self._log, text_of(last)
        )
        rows.insert(connection, event, ms, text)
        return event

    def pending(
        self, after_seq: int = 0, limit: int = 100, until_seq: int | None = None
    ) -> list[Event]:
        """Events that are not acknowledged, oldest first, at most `limit`."""
        values = (after_seq + 1, _LAST if until_seq is None else until_seq, max(0, limit))
        with self._database.snapshot() as connection:
            return rows.read(connection, f"e.{_IS_DUE}", values, self._log)

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """The site has these; unknown ones and repeats do no harm."""
        each = [(seq,) for seq in seqs]
        if not each:
            return
        # lost in a power cut it costs a second delivery of the same event, and nothing else
        with self._database.transaction(durable=False) as connection:
            redaction.of_delivered(connection, each)
            gone = sum(
                connection.executemany(f"DELETE FROM {table} WHERE seq = ?", each).rowcount  # noqa: S608  # ours
                for table in ("waiting", "again")
            )
            connection.execute("UPDATE log SET waiting = waiting - ?", (gone,))

    def again(self, from_seq: int, to_seq: int) -> int:
        """Have delivered events wait again, as many as may wait beside those that do.

        Redacted ones are left out.

        Returns:
            How many wait because of this.
        """
        with self._database.transaction() as connection:
            room = self._capacity - _depth(connection)
            more = connection.execute(
                "INSERT INTO again SELECT seq FROM events WHERE seq BETWEEN ? AND ? "
                "AND data IS NOT NULL AND seq NOT IN (SELECT seq FROM waiting) "
                "AND seq NOT IN (SELECT seq FROM again) ORDER BY seq LIMIT ?",
                (from_seq, to_seq, max(0, room)),
            ).rowcount
            connection.execute("UPDATE log SET waiting = waiting + ?", (more,))
        self.wake()
        return int(more)

    def redact(self, person_id: str) -> int:
        """Take away what events say that name a person; what waits is sent first.

        Their hashes stay, so that the chain holds. Later events about the same id are left alone.

        Returns:
            How many lost their content now.
        """
        return redaction.redact(self._database, person_id)

    @property
    def depth(self) -> int:
        """How many events wait."""
        with self._database.snapshot() as connection:
            return _depth(connection)

    @property
    def head(self) -> Head:
        """The end of the log."""
        with self._database.snapshot() as connection:
            seq, last, ms = connection.execute("SELECT seq, hash, time FROM log").fetchone()
        return Head(self._log, seq, text_of(last), utc_text(ms) if last else "")

    def event(self, identity: str) -> Event | None:
        """The event with this id; None: it is not in the log (any more)."""
        if not _ID.fullmatch(identity):
            return None
        raw = bytes.fromhex(identity)
        with self._database.snapshot() as connection:
            where = "substr(e.id, 1, 8) = ? AND e.id = ?"
            found = rows.read(connection, where, (raw[:8], raw), self._log)
        return found[0] if found else None

    def beginning(self, prefix: str) -> list[Event]:
        """Events whose id begins so, delivered or not; two at most, to see that there are more.

        Args:
            prefix: at most 32 hex digits.
        """
        if not re.fullmatch("[0-9a-f]{1,32}", prefix):
            return []
        first, last = (bytes.fromhex(prefix.ljust(32, fill)) for fill in "0f")
        where = "substr(e.id, 1, 8) BETWEEN ? AND ? AND e.id BETWEEN ? AND ?"
        with self._database.snapshot() as connection:
            values = (first[:8], last[:8], first, last)
            return rows.read(connection, where, values, self._log, limit=2)

    def events(self, from_seq: int = 1, to_seq: int | None = None) -> Iterator[Event]:
        """The log, delivered events too, oldest first; what is appended meanwhile may be in it."""
        until = _LAST if to_seq is None else to_seq
        while from_seq <= until:
            with self._database.snapshot() as connection:
                where = "e.seq BETWEEN ? AND ?"
                page = rows.read(connection, where, (from_seq, until), self._log, limit=_PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            from_seq = page[-1].seq + 1

    def naming(
        self, person_id: str, since: float | None = None, until: float | None = None
    ) -> Iterator[Event]:
        """The events that name a person, delivered ones too, by their time.

        Args:
            since, until: Unix seconds; the latter is not in it any more.
        """
        first = 0 if since is None else int(since * 1000)
        last = _LAST if until is None else int(until * 1000)
        after = (first, 0)
        while True:
            with self._database.snapshot() as connection:
                found = rows.naming(connection, person_id, after, last, _PAGE)
                page = [
                    event
                    for _, seq in found
                    for event in rows.read(connection, "e.seq = ?", (seq,), self._log)
                ]
            yield from page
            if len(found) < _PAGE:
                return
            after = (found[-1][0], found[-1][1] + 1)

    def find(self, wanted: Wanted, last: int | None = None) -> Iterator[Event]:
        """The events that are wanted, delivered ones too, by their time.

        Args:
            last: no more than so many, the newest ones.
        """
        if last is None:
            pages: Iterable[list[query.Place]] = query.places(self._database, wanted)
        else:
            with self._database.snapshot() as connection:
                pages = [query.newest(connection, wanted, last)]
        for page in pages:
            with self._database.snapshot() as connection:
                events = [
                    event
                    for _, seq in page
                    for event in rows.read(connection, "e.seq = ?", (seq,), self._log)
                ]
            yield from events

    def records(
        self, wanted: Wanted, reading: Callable[[bytes], dict[str, Any]] = query.content
    ) -> Iterator[Record]:
        """The same in a third of the time, without their place in the chain; none that were
        redacted. See `query.records`."""
        return query.records(self._database, wanted, reading)

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

    def use_nonce(self, nonce: str, expires: float, now: float | None = None) -> bool:
        """Whether a command's nonce was never used and is now: true once, also across restarts.

        Args:
            nonce: 1–200 characters.
            expires: when the command loses its force, Unix seconds. It is remembered for an
                hour longer.
            now: Unix seconds; the wall clock if it is left out.

        Returns:
            False for a used, expired or unusable nonce.
        """
        now = time.time() if now is None else now
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

    def nonce_used(self, nonce: str) -> bool:
        """Whether it was used, without using it."""
        with self._database.snapshot() as connection:
            found = connection.execute("SELECT 1 FROM nonces WHERE nonce = ?", (nonce,)).fetchone()
        return found is not None

    def note(self, name: str) -> str | None:
        """A text that was kept under this name."""
        with self._database.snapshot() as connection:
            found = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def keep_note(self, name: str, value: str | None) -> None:
        """Keep a text instead of the one before, durably; None forgets it.

        Raises:
            ValueError: it is larger than 64 KiB.
            DiskFull, StorageError: what was kept is unchanged.
        """
        if value is not None and len(value.encode()) > _LARGEST_NOTE:
            raise ValueError(f"a note has at most {_LARGEST_NOTE} bytes")
        with self._database.transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM notes WHERE name = ?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))


def make_outbox(
    settings: schema.Events, key: Secret, clock: Callable[[], float] = time.time
) -> Outbox:
    """The outbox of a configuration."""
    return Outbox(
        settings.path,
        key,
        settings.capacity,
        keep_days=settings.keep_days,
        largest_mb=settings.largest_mb,
        keep_free_mb=settings.keep_free_mb,
        clock=clock,
    )


def _checked(kind: str, data: dict[str, Any]) -> bytes:
    if not _TYPE.fullmatch(kind):
        raise ValueError(f"an event's type is dotted lower case (got {kind[:80]!r})")
    return rows.body(data)


def _depth(connection: Connection) -> int:
    return int(connection.execute("SELECT waiting FROM log").fetchone()[0])
