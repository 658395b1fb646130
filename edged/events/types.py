"""What happened at the terminal, as the site is told."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from edged.events.canon import dumps

GAP = "events.gap"
EVENT_TYP = "edged-event"
CHECKPOINT_TYP = "edged-checkpoint"

Clock = Literal["synced", "unsynced"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        id: 32 hex digits, never the same twice anywhere.
        seq: one more than that of the event before it.
        type: dotted lower case, such as ``access.granted``.
        time: RFC 3339, UTC, milliseconds.
        clock: whether the terminal's clock was known to be right at that moment.
        data: JSON values; what they mean depends on the type.
        log: 16 hex digits, the same for all events of one file.
        prev: `hash` of the event before it; "" for the first one of its log.
        redacted: "", or the hash that the event had before what it says about a person who was
            erased was taken away; `data` is empty then.
    """

    id: str
    seq: int
    type: str
    time: str
    clock: Clock
    data: dict[str, Any]
    log: str = ""
    prev: str = ""
    redacted: str = ""

    @property
    def hash(self) -> str:
        """What the next event's `prev` says: SHA-256 of `canonical`, base64url, no padding."""
        return self.redacted or digest(self.canonical())

    def document(self) -> dict[str, Any]:
        """The event itself, without how it is delivered."""
        document = {
            "v": 1,
            "log": self.log,
            "seq": self.seq,
            "prev": self.prev,
            "id": self.id,
            "type": self.type,
            "time": self.time,
            "clock": self.clock,
        }
        if self.redacted:
            return {**document, "redacted": self.redacted}
        return {**document, "data": self.data}

    def canonical(self) -> bytes:
        """What is hashed and signed: `document` by RFC 8785."""
        return dumps(self.document())

    def to_message(self, historical: bool, sig: str = "") -> dict[str, Any]:
        """The message for the site; `historical` tells a late delivery from a live one.

        Args:
            sig: detached compact JWS over `canonical` (RFC 7515, appendix F), typ `EVENT_TYP`.
        """
        message = {**self.document(), "historical": historical}
        return {**message, "sig": sig} if sig else message


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log.

    Attributes:
        log: as `Event.log`.
        seq: of the newest event; 0 before the first one.
        hash: of the newest event; "" before the first one.
        time: of the newest event; "" before the first one.
    """

    log: str
    seq: int
    hash: str
    time: str

    def canonical(self, time: str) -> bytes:
        """What a checkpoint signs, made at `time`, with typ `CHECKPOINT_TYP`."""
        return checkpoint(self.log, self.seq, self.hash, time)


def checkpoint(log: str, seq: int, hash: str, time: str) -> bytes:  # noqa: A002  # the field's name
    """What a checkpoint signs."""
    return dumps({"v": 1, "log": log, "seq": seq, "hash": hash, "time": time})


def digest(canonical: bytes) -> str:
    """SHA-256 as it stands in `Event.prev`: base64url without padding, 43 characters."""
    return text_of(hashlib.sha256(canonical).digest())


def text_of(value: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def utc_now() -> str:
    """The wall clock: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_text(ms: int) -> str:
    """RFC 3339, UTC, of milliseconds since 1970."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_ms(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
