"""The keys that count: those of the configuration, and what was made of them over MQTT; pure.

What changed over MQTT is a `Book`. It says of public keys, not of ids, that they were replaced or
revoked, and hangs every new key on the key of the configuration that it descends from: whoever
exchanges a key in the configuration starts afresh, and nothing else does.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.config.schema import Commands as Settings

MOST_RECORDS = 120  # they fit into a note, however long the ids
CHANGES = frozenset({"keys.rotate", "keys.revoke"})
"""The commands that change keys; a key that was replaced may not give them any more."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that counts.

    Attributes:
        x: the public key, base64url (as in RFC 8037).
        person: `x` of the first of its line; a key and its successor are one person.
        until: Unix seconds; from then on it counts no more. None: no end is set.
        replaced_by: the id of its successor.
    """

    id: str
    x: str
    public_key: Ed25519PublicKey
    roles: frozenset[str]
    person: str
    until: float | None = None
    replaced_by: str | None = None

    def counts(self, now_s: float) -> bool:
        """Whether it counts at this moment."""
        return self.until is None or now_s < self.until


Id = Annotated[str, Field(min_length=1, max_length=100)]
PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class Record(BaseModel):
    """What happened to a key over MQTT: it was made there, or replaced, or revoked.

    Attributes:
        root, root_x: the key of the configuration that it descends from, or is.
        person: see `Key`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    id: Id
    x: PublicKey
    root: Id
    root_x: PublicKey
    person: PublicKey
    until: float | None = None
    replaced_by: Id | None = None
    revoked: bool = False

    @property
    def ended(self) -> bool:
        """Whether it was replaced or revoked."""
        return self.revoked or self.replaced_by is not None


class Book(BaseModel):
    """What happened, the oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    v: Literal[1]
    records: tuple[Record, ...] = ()

    def of(self, x: str) -> Record | None:
        """What is known of a public key."""
        return next((record for record in self.records if record.x == x), None)

    def with_record(self, record: Record) -> Book:
        """With a new record, or in the place of that of the same key."""
        if self.of(record.x) is None:
            return Book(v=1, records=(*self.records, record))
        return Book(v=1, records=tuple(record if r.x == record.x else r for r in self.records))

    def pruned(self, configured: Mapping[str, Key]) -> Book:
        """Without the oldest keys that nothing could bring back, if there are too many.

        Those of the configuration stay: to forget that one was revoked would revive it.
        """
        kept = {key.x for key in configured.values()}
        spare = len(self.records) - MOST_RECORDS
        idle = [r.x for r in self.records if r.ended and r.x not in kept][: max(0, spare)]
        return Book(v=1, records=tuple(r for r in self.records if r.x not in idle))


def read_book(text: str | None) -> Book | None:
    """A book from a note; an empty one from none, None for garbage."""
    if text is None:
        return Book(v=1)
    try:
        book = Book.model_validate_json(text)
    except (ValidationError, RecursionError):
        return None
    distinct = len({record.x for record in book.records}) == len(book.records)
    usable = all(_decoded(record.x) is not None for record in book.records)
    return book if distinct and usable else None


def write_book(book: Book) -> str:
    """A book as a note."""
    records = [record.model_dump(exclude_defaults=True) for record in book.records]
    return json.dumps({"v": book.v, "records": records}, separators=(",", ":"))


def in_force(configured: Mapping[str, Key], book: Book) -> dict[str, Key]:
    """The keys that count, by id, with those whose end is set; whether it has come is not asked."""
    keys: dict[str, Key] = {}
    given = {key.x for key in configured.values()}
    for r in book.records:
        root, known = configured.get(r.root), _decoded(r.x)
        if known is None or r.revoked or r.x in given or r.id in configured:
            continue
        if root is not None and root.x == r.root_x:
            keys[r.id] = Key(r.id, r.x, known, root.roles, r.person, r.until, r.replaced_by)
    for key in configured.values():
        record = book.of(key.x)
        if record is None:
            keys[key.id] = key
        elif not record.revoked:
            keys[key.id] = replace(
                key, person=record.person, until=record.until, replaced_by=record.replaced_by
            )
    return keys


def record_of(key: Key, configured: Mapping[str, Key], book: Book) -> Record:
    """What is known of a key that counts, or the beginning of it."""
    known = book.of(key.x)
    if known is not None and key.id not in configured:
        return known
    return Record(  # one of the configuration is a root, whatever it was before
        id=key.id,
        x=key.x,
        root=key.id,
        root_x=key.x,
        person=key.person,
        until=key.until,
        replaced_by=key.replaced_by,
    )


def configured_keys(settings: Settings) -> dict[str, Key]:
    """The keys of the configuration.

    Raises:
        BrokerError: one is no Ed25519 public key.
    """
    return {key.id: _configured(key.id, key.public_key, key.roles) for key in settings.keys}


def public_key(text: str) -> Ed25519PublicKey | None:
    """A public key in PEM form; None if it is none, or not an Ed25519 one."""
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None


def pem(key: Ed25519PublicKey) -> str:
    """A public key in PEM form, as the configuration takes it."""
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(Encoding.PEM, form).decode()


def encoded(key: Ed25519PublicKey) -> str:
    """A public key in base64url, as in RFC 8037."""
    return base64.urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()


def _configured(key_id: str, text: str, roles: frozenset[str]) -> Key:
    key = public_key(text)
    if key is None:
        raise BrokerError(
            f"mqtt.commands.keys: {key_id}: not an Ed25519 public key in PEM form; make one with: "
            "openssl genpkey -algorithm ed25519 -out private.pem; "
            "openssl pkey -in private.pem -pubout"
        )
    x = encoded(key)
    return Key(key_id, x, key, roles, x)


def _decoded(x: str) -> Ed25519PublicKey | None:
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "="))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if encoded(key) == x else None
