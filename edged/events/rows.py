"""Events as rows: as small as they come, since a door keeps a million of them."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

from edged.events.canon import dumps, loads, normal
from edged.events.types import Clock, Event, digest, text_of, utc_text
from edged.events.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edged.vault.database import Connection

_COLUMNS = "e.seq, e.id, k.name, e.time, e.synced, e.data, e.prev"
_FROM = "events e JOIN kinds k ON k.id = e.kind"
LARGEST_DATA = 65_536

_PLAIN = b"\0"
_LEVEL = 9
_RAW = -15  # deflate without a header and a checksum: the page is authenticated
# under these an event names people, at whatever depth; a new one has to be added here
NAMING = frozenset({"person_id", "other"})


def body(data: Any) -> bytes:
    """What an event says, in canonical form.

    Raises:
        ValueError: no JSON object, or larger than 64 KiB.
    """
    if not isinstance(data, dict):
        raise ValueError("an event's data is a JSON object")
    try:
        text = dumps(normal(data))
    except ValueError as fault:
        raise ValueError(f"an event's data must be JSON: {fault}") from fault
    if len(text) > LARGEST_DATA:
        raise ValueError(f"an event's data has {len(text)} bytes, at most {LARGEST_DATA} may be")
    return text


def pack(text: bytes) -> bytes:
    """A body as it is stored: which dictionary made it smaller, or none, and the bytes."""
    number = max(WORDS)
    squeezer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, zdict=WORDS[number])
    small = squeezer.compress(text) + squeezer.flush()
    return bytes([number]) + small if len(small) < len(text) else _PLAIN + text


def unpack(stored: bytes) -> bytes:
    """The body again."""
    if stored[:1] == _PLAIN:
        return stored[1:]
    squeezed = zlib.decompressobj(_RAW, zdict=WORDS[stored[0]])
    return squeezed.decompress(stored[1:], LARGEST_DATA)


def raw_hash(text: str) -> bytes:
    """A hash as it is stored."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read(
    connection: Connection, where: str, values: Sequence[Any], log: str, limit: int = -1
) -> list[Event]:
    """Events of the rows that a condition finds, oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE {where} ORDER BY e.seq LIMIT {limit:d}",  # noqa: S608  # ours
        values,
    ).fetchall()
    return [_event(connection, log, row) for row in rows]


def _event(connection: Connection, log: str, row: Sequence[Any]) -> Event:
    seq, identity, kind, ms, synced, data, prev = row
    clock: Clock = "synced" if synced else "unsynced"
    kept = "" if data is not None else text_of(hash_of(connection, seq))
    content = {} if data is None else loads(unpack(data))
    when = utc_text(ms)
    return Event(identity.hex(), seq, kind, when, clock, content, log, text_of(prev), kept)


def hash_of(connection: Connection, seq: int) -> bytes:
    """The hash of an event, as the one after it or the head keeps it."""
    found = connection.execute("SELECT prev FROM events WHERE seq = ?", (seq + 1,)).fetchone()
    if found is None:
        found = connection.execute("SELECT hash FROM log").fetchone()
    return bytes(found[0])


def insert(connection: Connection, event: Event, ms: int, text: bytes) -> None:
    """Write an event at the end of the log, waiting; its `prev` and `seq` fit the head."""
    connection.execute("INSERT OR IGNORE INTO kinds (name) VALUES (?)", (event.type,))
    connection.execute(
        "INSERT INTO events (seq, id, kind, time, synced, data, prev) "
        "VALUES (?, ?, (SELECT id FROM kinds WHERE name = ?), ?, ?, ?, ?)",
        (
            event.seq,
            bytes.fromhex(event.id),
            event.type,
            ms,
            event.clock == "synced",
            pack(text),
            raw_hash(event.prev),
        ),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO mentions VALUES (?, ?, ?)",
        [(person, ms, event.seq) for person in named(event.data)],
    )
    connection.execute("INSERT INTO waiting (seq) VALUES (?)", (event.seq,))
    connection.execute(
        "UPDATE log SET seq = ?, hash = ?, time = ?, waiting = waiting + 1",
        (event.seq, raw_hash(digest(_canonical(event, text))), ms),
    )


def _canonical(event: Event, text: bytes) -> bytes:
    """The same as `Event.canonical`, in a tenth of the time: `text` is canonical already, and
    nothing else in an event of ours needs to be escaped."""
    return (
        b'{"clock":"%b","data":%b,"id":"%b","log":"%b","prev":"%b","seq":%d,"time":"%b",'
        b'"type":"%b","v":1}'
        % (
            event.clock.encode(),
            text,
            event.id.encode(),
            event.log.encode(),
            event.prev.encode(),
            event.seq,
            event.time.encode(),
            event.type.encode(),
        )
    )


def naming(
    connection: Connection, person_id: str, after: tuple[int, int], before_ms: int, limit: int
) -> list[tuple[int, int]]:
    """Time (ms) and number of events that name a person, from `after` on."""
    found: list[tuple[int, int]] = connection.execute(
        "SELECT time, seq FROM mentions "
        "WHERE person = ? AND (time, seq) >= (?, ?) AND time < ? ORDER BY time, seq LIMIT ?",
        (person_id, *after, before_ms, limit),
    ).fetchall()
    return found


def forget_mentions(connection: Connection, bodies: Sequence[tuple[int, int, bytes]]) -> None:
    """Whom these name stands nowhere any more; each is a number, a time in ms, and a body."""
    connection.executemany(
        "DELETE FROM mentions WHERE person = ? AND time = ? AND seq = ?",
        [
            (person, ms, seq)
            for seq, ms, stored in bodies
            for person in named(loads(unpack(stored)))
        ],
    )


def named(data: dict[str, Any]) -> set[str]:
    """The ids of the people whom an event names."""
    return set(_named(data))


def _named(value: Any, naming: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _named(inner, naming or key in NAMING)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, naming)
    elif naming and isinstance(value, str):
        yield value
