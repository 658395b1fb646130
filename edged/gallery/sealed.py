"""What is sealed with a person's own key: unreadable for ever once that key is gone."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edged.errors import StorageError

if TYPE_CHECKING:
    from edged.types import Floats

_NONCE_BYTES = 12
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A template as it is kept.

    Attributes:
        embedding: unit-length float32 (d,), in the space that whoever hands it over says.
        quality: 0–1.
        source: where it came from.
        created: RFC 3339, UTC.
    """

    embedding: Floats = field(repr=False)
    quality: float
    source: str
    created: str


def seal(key: bytes, number: int, what: str, content: bytes) -> bytes:
    """AES-256-GCM (SP 800-38D): nonce, ciphertext, tag; bound to its person and its kind."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, _bound(number, what))


def unseal(key: bytes, number: int, what: str, sealed: bytes) -> bytes:
    """What `seal` was given.

    Raises:
        StorageError: it was altered, moved, or sealed with another key.
    """
    try:
        return AESGCM(key).decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(number, what)
        )
    except (InvalidTag, ValueError) as fault:
        raise StorageError(
            f"the gallery's {what} of person number {number} does not open with their key; "
            "restore a backup"
        ) from fault


def _bound(number: int, what: str) -> bytes:
    return f"{number}/{what}".encode()


def write_document(document: dict[str, Any]) -> bytes:
    """A JSON object as bytes."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def read_document(content: bytes) -> dict[str, Any]:
    """What `write_document` wrote."""
    document: dict[str, Any] = json.loads(content)
    return document


def write_kept(one: Kept) -> bytes:
    """A template as bytes: the length of what is said of it, that, and the numbers."""
    about = write_document({"quality": one.quality, "source": one.source, "created": one.created})
    numbers = one.embedding.astype("<f4", copy=False).tobytes()
    return len(about).to_bytes(_LENGTH_BYTES, "little") + about + numbers


def read_kept(content: bytes) -> Kept:
    """What `write_kept` wrote."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    about = read_document(content[_LENGTH_BYTES:end])
    numbers = np.frombuffer(content, "<f4", offset=end).astype(np.float32)
    return Kept(numbers, about["quality"], about["source"], about["created"])
