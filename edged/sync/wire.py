"""What travels between a site and its terminals, as it is written and read; pure.

A message that carries content is a line of text and, after a line feed, sealed bytes: the line
says what they are and holds their SHA-256. Lines of the site are compact JWSs, so that what they
name is authentic with them; the line of a chunk is plain, as the signed head holds its digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

LARGEST_MESSAGE = 1 << 20
LARGEST_LINE = 65_536
MOST_ENTRIES = 1000
MOST_CHUNKS = 1000
_LARGEST_REVISION = (1 << 31) - 1
_LARGEST_EPOCH = (1 << 32) - 1

Revision = Annotated[int, Field(ge=0, le=_LARGEST_REVISION)]
Epoch = Annotated[int, Field(ge=1, le=_LARGEST_EPOCH)]
Short = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Audience = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Message = TypeVar("Message", bound="Claims")


class Claims(BaseModel):
    """Frozen, exact types, nothing unknown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Snapshot(Claims):
    """Everybody at one revision, in numbered chunks.

    Attributes:
        id: of this making; another one has another content key.
        revision: of the log that it stands for.
        digests: SHA-256 of each chunk's sealed bytes.
        key: the content key, sealed to the terminal that the head is for; base64.
    """

    id: Short
    revision: Revision
    digests: Annotated[list[Digest], Field(max_length=MOST_CHUNKS)]
    key: Annotated[str, Field(max_length=400)]


class Head(Claims):
    """How far the site's log is.

    Attributes:
        aud: ``<site>/<terminal>`` that it is for.
        log: the log's name; a site that is set up anew has another one and a greater `epoch`.
        revision: the newest; 0 while nothing was ever written.
        oldest: the first revision that is still in the log; after `revision`: none is.
    """

    sync: Literal["head"]
    aud: Audience
    log: Short
    epoch: Epoch
    revision: Revision
    oldest: Annotated[int, Field(ge=1, le=_LARGEST_REVISION + 1)]
    snapshot: Snapshot | None = None

    @model_validator(mode="after")
    def _possible(self) -> Head:
        if self.oldest > self.revision + 1:
            raise ValueError("oldest lies beyond the log's end")
        if self.snapshot is not None and self.snapshot.revision > self.revision:
            raise ValueError("the snapshot is newer than the log")
        return self


class Batch(Claims):
    """Entries of the log, every revision after `start` up to and with `end`."""

    sync: Literal["batch"]
    aud: Audience
    log: Short
    epoch: Epoch
    start: Annotated[Revision, Field(alias="from")]
    end: Annotated[Revision, Field(alias="to")]
    digest: Digest

    @model_validator(mode="after")
    def _possible(self) -> Batch:
        if not 1 <= self.end - self.start <= MOST_ENTRIES:
            raise ValueError(f"a batch holds 1 to {MOST_ENTRIES} revisions")
        return self


class Chunk(Claims):
    """A part of a snapshot, counted from 0."""

    snapshot: Short
    chunk: Annotated[int, Field(ge=0, lt=MOST_CHUNKS)]


class Refused(Claims):
    """What a terminal cannot take over, and why."""

    revision: Revision
    reason: Annotated[str, Field(max_length=400)]


class Pull(Claims):
    """What a terminal asks for; with ``want`` null it only says what it holds.

    Attributes:
        log, epoch: of what it holds; null before it ever followed a site.
        held: the revision up to which it holds the log.
        want: ``head``, ``log`` (from `held` on), ``snapshot`` (to be made), or ``chunk``.
        sealing: the id of the key that it can open.
    """

    v: Literal[1] = 1
    log: Short | None = None
    epoch: Epoch | None = None
    held: Revision = 0
    want: Literal["head", "log", "snapshot", "chunk"] | None = None
    snapshot: Short | None = None
    chunk: Annotated[int, Field(ge=0, lt=MOST_CHUNKS)] | None = None
    sealing: Short
    refused: Refused | None = None


class Offer(Claims):
    """Somebody who was enrolled at a terminal, for the site's log.

    Attributes:
        iss: ``<site>/<terminal>`` that offers.
        log, epoch, held: what it held then; whatever the log says of the person later outweighs it.
    """

    sync: Literal["offer"]
    iss: Audience
    log: Short
    epoch: Epoch
    held: Revision
    digest: Digest


class Unreadable(ValueError):
    """What came is no such message; the text says why without repeating it."""


def read(kind: type[Message], given: Any) -> Message:
    """Claims out of JSON values.

    Raises:
        Unreadable: they are none.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as fault:
        raise Unreadable(described(fault)) from None


def read_text(kind: type[Message], text: bytes) -> Message:
    """Claims out of a JSON text.

    Raises:
        Unreadable: they are none.
    """
    if len(text) > LARGEST_LINE:
        raise Unreadable(f"more than {LARGEST_LINE} bytes")
    try:
        return kind.model_validate_json(text)
    except ValidationError as fault:
        raise Unreadable(described(fault)) from None


def write(claims: Claims) -> dict[str, Any]:
    """The JSON object of some claims."""
    return claims.model_dump(mode="json", by_alias=True)


def write_text(claims: Claims) -> bytes:
    """The JSON text of some claims."""
    return json.dumps(write(claims), separators=(",", ":")).encode()


def join(line: str | bytes, content: bytes) -> bytes:
    """A line and its sealed bytes as one message."""
    return (line.encode("ascii") if isinstance(line, str) else line) + b"\n" + content


def split(message: bytes) -> tuple[bytes, bytes]:
    """The line and the sealed bytes of a message.

    Raises:
        Unreadable: it is too large, or no line ends in it where one could.
    """
    if len(message) > LARGEST_MESSAGE:
        raise Unreadable(f"more than {LARGEST_MESSAGE} bytes")
    end = message.find(b"\n", 0, LARGEST_LINE + 1)
    if end < 0:
        raise Unreadable("no line ends in it")
    return message[:end], message[end + 1 :]


def digest(content: bytes) -> str:
    """SHA-256, base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")


def purpose(kind: str, *of: str | int) -> bytes:
    """What a sealed content is bound to, so that it opens in its own place only."""
    return "/".join(["edged/v1/sync", kind, *map(str, of)]).encode()


def chunk_nonce(number: int) -> bytes:
    """The AES-GCM nonce of a chunk: its number, as the key is the snapshot's own."""
    return number.to_bytes(12, "big")


def described(fault: ValidationError) -> str:
    """The places and kinds of what is wrong, without the values."""
    return "; ".join(
        f"{'.'.join(str(step)[:40] for step in error['loc']) or 'message'}: {error['msg']}"
        for error in fault.errors(include_url=False, include_input=False, include_context=False)
    )[:300]
