"""What happened at the terminal, as the site is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

GAP = "events.gap"

Clock = Literal["synced", "unsynced"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        id: 32 hex digits, never the same twice anywhere.
        seq: grows with every event of this terminal; never given twice, even after deletion.
        type: dotted lower case, such as ``access.granted``.
        time: RFC 3339, UTC, milliseconds.
        clock: whether the terminal's clock was known to be right at that moment.
        data: JSON values; what they mean depends on the type.
    """

    id: str
    seq: int
    type: str
    time: str
    clock: Clock
    data: dict[str, Any]

    def to_message(self, historical: bool) -> dict[str, Any]:
        """The message for the site; `historical` tells a late delivery from a live one."""
        return {
            "v": 1,
            "id": self.id,
            "seq": self.seq,
            "type": self.type,
            "time": self.time,
            "clock": self.clock,
            "historical": historical,
            "data": self.data,
        }


def utc_now() -> str:
    """The wall clock: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
