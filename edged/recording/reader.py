"""What a recording holds, read in order."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import StorageError
from edged.recording.codec import has_embedding, read_item
from edged.recording.items import Header, Template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.recording.items import Item
    from edged.vault.database import Connection

_LARGEST_PIECE = 64 << 20


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a terminal, with every row that its searches gave, oldest first."""

    number: int
    started: float
    header: Header
    templates: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """A part of a session: from somebody's first frame until everybody has gone."""

    number: int
    session: int
    started: float
    continues: bool


def gone(person_id: str) -> bool:
    """Whether this stands for somebody who was removed from the recording."""
    return person_id.startswith("#")  # which no id can hold


class Reader:
    """Reads one state of the file, in order."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._ids = dict(connection.execute("SELECT number, id FROM people").fetchall())

    def sessions(self) -> list[Session]:
        """All of them, oldest first."""
        rows = self._connection.execute(
            "SELECT number, started, header FROM sessions ORDER BY number"
        ).fetchall()
        return [
            Session(number, started, self._header(header), self._templates(number))
            for number, started, header in rows
        ]

    def visits(self, session: int) -> list[Visit]:
        """Of a session, oldest first."""
        rows = self._connection.execute(
            "SELECT number, session, started, continues FROM visits "
            "WHERE session = ? ORDER BY number",
            (session,),
        )
        return [Visit(number, of, at, bool(continues)) for number, of, at, continues in rows]

    def items(self, visit: Visit, size: int) -> Iterator[Item]:
        """Of a visit, with embeddings of `size` numbers; a piece at a time is in memory."""
        numbers = self._connection.execute(
            "SELECT number FROM pieces WHERE visit = ? ORDER BY number", (visit.number,)
        ).fetchall()
        for number in numbers:
            packed, embeddings = self._connection.execute(
                "SELECT items, embeddings FROM pieces WHERE number = ?", number
            ).fetchone()
            try:
                yield from self._unpacked(packed, embeddings, size)
            except (ValueError, zlib.error) as fault:
                raise StorageError(
                    f"{self._path}: a piece of visit {visit.number} cannot be read; record anew"
                ) from fault

    def _unpacked(self, packed: bytes, embeddings: bytes, size: int) -> Iterator[Item]:
        rows = iter(np.frombuffer(embeddings, "<f4").reshape(-1, size).astype(np.float32))
        inflater = zlib.decompressobj()
        text = inflater.decompress(packed, _LARGEST_PIECE)
        if not inflater.eof:
            raise ValueError("cut short, or far too large")
        for line in text.splitlines():
            document = json.loads(line)
            row = next(rows) if has_embedding(document) else None
            yield read_item(document, self._who, row)

    def _who(self, number: int | str) -> str:
        return str(self._ids.get(number, f"#{number}"))

    def _templates(self, session: int) -> tuple[Template, ...]:
        rows = self._connection.execute(
            "SELECT person, since, row FROM templates WHERE session = ? ORDER BY since, person",
            (session,),
        )
        return tuple(
            Template(self._who(person), since, np.frombuffer(row, "<f4").astype(np.float32))
            for person, since, row in rows
        )

    def _header(self, text: str) -> Header:
        try:
            return Header(**json.loads(text))
        except (TypeError, ValueError) as fault:
            raise StorageError(
                f"{self._path}: recorded by software with another form; update edged"
            ) from fault
