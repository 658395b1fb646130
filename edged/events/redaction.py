"""Events lose what they say about somebody who was erased, and keep their hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.events import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.vault.database import Connection, Database

_AT_ONCE = 200  # nobody who appends waits long


def redact(database: Database, person_id: str) -> int:
    """See `Outbox.redact`."""
    done, after = 0, (-(1 << 62), 0)
    while True:
        with database.transaction() as connection:
            found = rows.naming(connection, person_id, after, 1 << 62, _AT_ONCE)
            due = [(seq,) for _, seq in found]
            connection.executemany("UPDATE waiting SET forget = 1 WHERE seq = ?", due)
            delivered = [one for one in due if not _waits(connection, one)]
            _empty(connection, delivered)
            done += len(delivered)
        if len(found) < _AT_ONCE:
            break
        after = (found[-1][0], found[-1][1] + 1)
    if done:
        database.checkpoint()  # what was taken away is not to stay in the WAL
    return done


def of_delivered(connection: Connection, seqs: Sequence[tuple[int]]) -> None:
    """Of events that are being acknowledged, take away what was to go after their delivery."""
    due = [
        one
        for one in seqs
        if connection.execute("SELECT 1 FROM waiting WHERE seq = ? AND forget", one).fetchone()
    ]
    _empty(connection, due)


def _waits(connection: Connection, seq: tuple[int]) -> Any:
    return connection.execute("SELECT 1 FROM waiting WHERE seq = ?", seq).fetchone()


def _empty(connection: Connection, seqs: Sequence[tuple[int]]) -> None:
    for seq in seqs:
        bodies = connection.execute(
            "SELECT seq, time, data FROM events WHERE seq = ? AND data IS NOT NULL", seq
        ).fetchall()
        rows.forget_mentions(connection, bodies)
        connection.execute("UPDATE events SET data = NULL WHERE seq = ?", seq)
        gone = connection.execute("DELETE FROM again WHERE seq = ?", seq).rowcount
        connection.execute("UPDATE log SET waiting = waiting - ?", (gone,))
