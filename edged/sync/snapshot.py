"""A snapshot's content: sealed once with a key of its own, which is sealed to each terminal."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edged.sync.entries import BadEntry
from edged.sync.wire import chunk_nonce, purpose

if TYPE_CHECKING:
    from edged.sync.wire import Head, Snapshot
    from edged.vault.identity import Identity

KEY_BYTES = 32


def seal_chunk(key: bytes, snapshot: str, number: int, content: bytes) -> bytes:
    """AES-256-GCM; the key must never be used for another snapshot."""
    return AESGCM(key).encrypt(chunk_nonce(number), content, purpose("chunk", snapshot, number))


def open_chunk(key: bytes, snapshot: Snapshot, number: int, sealed: bytes) -> bytes:
    """What `seal_chunk` was given.

    Raises:
        BadEntry: it was sealed with another key, or for another place.
    """
    bound = purpose("chunk", snapshot.id, number)
    try:
        return AESGCM(key).decrypt(chunk_nonce(number), sealed, bound)
    except (InvalidTag, ValueError):
        raise BadEntry(None, "a chunk does not open with the snapshot's key") from None


def key_purpose(audience: str, log: str, epoch: int, snapshot: str) -> bytes:
    """What a wrapped content key is bound to."""
    return purpose("snapshot", audience, log, epoch, snapshot)


def open_key(identity: Identity, head: Head) -> bytes | None:
    """The content key of a head's snapshot; None: it is not sealed to this terminal."""
    if head.snapshot is None:
        return None
    try:
        wrapped = base64.b64decode(head.snapshot.key, validate=True)
    except (binascii.Error, ValueError):
        return None
    bound = key_purpose(head.aud, head.log, head.epoch, head.snapshot.id)
    key = identity.open_sealed(wrapped, bound)
    return key if key is not None and len(key) == KEY_BYTES else None
