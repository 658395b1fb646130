"""What gives way when there is no room for another event.

Always the oldest of the file, so that the rest stays one chain: delivered ones without a word.
Those that wait cease to, with an `events.gap` event that says so, and are like delivered ones then.
Some at a time, so that no append takes long.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edged.events import redaction, rows
from edged.events.types import GAP, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edged.vault.database import Connection

Reason = Literal["capacity", "size", "disk"]

SMALLEST_MB = 4  # so much may be used however full the disk is
_MIB = 1 << 20
_DAY_MS = 86_400_000
_FEWEST = 2  # a gap event takes the place of one
_MOST = 64  # delivered ones; each touches pages of its own
_MOST_LOST = 200  # so that not every other event is a gap
_MOST_BYTES = 1 << 18
_MOST_TIMES = 4
_SPARE_PAGES = 64  # one event changes a few, and leaves some more behind half empty
_ASK_DISK_S = 10.0
_LAST = 1 << 62


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be kept.

    Attributes:
        waiting: events.
        days: delivered ones stay so long.
        largest_mb: of the file, in MiB.
        keep_free_mb: of the disk, in MiB, for others.
    """

    waiting: int
    days: int
    largest_mb: int
    keep_free_mb: int


class Room:
    """Makes room within a transaction that is about to append.

    Args:
        clock_s: monotonic seconds; the disk is asked now and then only.
    """

    def __init__(self, path: Path, bounds: Bounds, clock_s: Callable[[], float]) -> None:
        self._folder = path.parent
        self._bounds = bounds
        self._clock_s = clock_s
        self._asked_s = float("-inf")
        self._short = False

    def make(self, connection: Connection, now_ms: int | None) -> dict[str, Any] | None:
        """Take away what must go; what a gap event has to say, where something was lost.

        Args:
            now_ms: since 1970; None: not known, and nothing goes by its age.
        """
        tight = self._tight(connection)
        if tight is not None:
            if not self._ease(connection):
                return self._lose(connection, tight, _MOST_LOST)
        elif now_ms is not None:
            drop_delivered(connection, now_ms - self._bounds.days * _DAY_MS)
        if _waiting(connection) >= self._bounds.waiting:
            return self._over_capacity(connection)
        return None

    def _ease(self, connection: Connection) -> bool:
        """Delivered ones go, several times where small ones have to for a large one; False: it is
        tight all the same."""
        for _ in range(_MOST_TIMES):
            if not drop_delivered(connection):
                return False
            if self._tight(connection) is None:
                break
        return True  # some were found each time, and the next append goes on

    def _over_capacity(self, connection: Connection) -> dict[str, Any] | None:
        number = min(max(_FEWEST, self._bounds.waiting // 100), _MOST_LOST)
        asked_again = connection.execute(
            "DELETE FROM again WHERE seq IN (SELECT seq FROM again ORDER BY seq LIMIT ?)", (number,)
        ).rowcount
        if asked_again:
            _count(connection, -asked_again)
            return None
        return self._lose(connection, "capacity", number)

    def _lose(self, connection: Connection, reason: Reason, number: int) -> dict[str, Any] | None:
        """The oldest that wait do so no longer. They count as delivered from then on, and go with
        those: now, where it is tight, else when they are due."""
        number = min(number, max(_FEWEST, _waiting(connection) // 4))
        found = _some(
            connection,
            "SELECT e.seq, length(e.data) FROM waiting w JOIN events e ON e.seq = w.seq "
            "ORDER BY w.seq LIMIT ?",
            (number,),
        )
        if reason != "capacity":  # delivered ones that come between are to go first
            found = [seq for at, seq in enumerate(found) if seq == found[0] + at]
        if not found or (len(found) < _FEWEST and found[-1] == _newest(connection)):
            return None
        first, last = found[0], found[-1]
        gaps = _gaps(connection, last)
        last_hash = text_of(rows.hash_of(connection, last))
        redaction.of_delivered(connection, [(seq,) for seq in found])
        gone = connection.execute("DELETE FROM waiting WHERE seq <= ?", (last,)).rowcount
        _count(connection, -gone)
        if reason != "capacity":
            self._ease(connection)
        return {
            "from_seq": min([first, *(gap["from_seq"] for gap in gaps)]),
            "to_seq": last,
            "count": len(found) - len(gaps) + sum(gap["count"] for gap in gaps),
            "reason": reason,
            "last_hash": last_hash,
        }

    def _tight(self, connection: Connection) -> Reason | None:
        size, free, page = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "cipher_page_size")
        )
        page = int(page)
        used = (size - free) * page
        if used + _SPARE_PAGES * page > self._bounds.largest_mb * _MIB:
            return "size"
        if free < _SPARE_PAGES and used > SMALLEST_MB * _MIB and self._disk_is_short():
            return "disk"
        return None

    def _disk_is_short(self) -> bool:
        if not self._bounds.keep_free_mb:
            return False
        now_s = self._clock_s()
        if now_s - self._asked_s >= _ASK_DISK_S:
            self._asked_s = now_s
            try:
                disk = os.statvfs(self._folder)
            except OSError:  # whoever writes next is told
                return self._short
            self._short = disk.f_bavail * disk.f_frsize < self._bounds.keep_free_mb * _MIB
        return self._short


def _waiting(connection: Connection) -> int:
    return int(connection.execute("SELECT waiting FROM log").fetchone()[0])


def _newest(connection: Connection) -> int:
    return int(connection.execute("SELECT seq FROM log").fetchone()[0])


def _count(connection: Connection, more: int) -> None:
    connection.execute("UPDATE log SET waiting = waiting + ?", (more,))


def _first(connection: Connection, table: str) -> int | None:
    found = connection.execute(f"SELECT min(seq) FROM {table}").fetchone()[0]  # noqa: S608  # ours
    return None if found is None else int(found)


def drop_delivered(connection: Connection, before_ms: int | None = None) -> bool:
    """Take away some of the oldest, of those before `before_ms`; whether there were any.

    The first that was never delivered is the end of it.
    """
    fresh = _first(connection, "waiting")
    due = _some(
        connection,
        "SELECT seq, length(data), time FROM events WHERE seq < ? ORDER BY seq LIMIT ?",
        (_LAST if fresh is None else fresh, _MOST),
        before_ms,
    )
    if due:
        _drop(connection, due[-1])
    return bool(due)


def _some(
    connection: Connection, query: str, values: Sequence[int], before_ms: int | None = None
) -> list[int]:
    """Numbers from the beginning of what is found: so many as hold a quarter of a MiB together,
    and as are older than `before_ms`."""
    found, held = [], 0
    rows_found = connection.execute(query, values)
    for seq, size, *ms in rows_found:
        if held > _MOST_BYTES or (before_ms is not None and ms[0] >= before_ms):
            break
        found.append(seq)
        held += size or 0
    rows_found.close()
    return found


def _gaps(connection: Connection, up_to: int) -> list[dict[str, Any]]:
    """The gap events among those that are about to be lost: they hand on what they told of."""
    where = "k.name = ? AND e.seq IN (SELECT seq FROM waiting WHERE seq <= ?)"
    events = rows.read(connection, where, (GAP, up_to), "")
    return [event.data for event in events]


def _drop(connection: Connection, up_to: int) -> None:
    """The beginning of the log goes, of which nothing waits."""
    bodies = connection.execute(
        "SELECT seq, time, data FROM events WHERE seq <= ? AND data IS NOT NULL", (up_to,)
    ).fetchall()
    rows.forget_mentions(connection, bodies)
    gone = connection.execute("DELETE FROM again WHERE seq <= ?", (up_to,)).rowcount
    connection.execute("DELETE FROM events WHERE seq <= ?", (up_to,))
    _count(connection, -gone)
