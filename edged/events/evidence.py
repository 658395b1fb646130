"""One message of a log, as far as it can be judged by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from edged.events.canon import dumps
from edged.events.types import CHECKPOINT_TYP, EVENT_TYP, GAP, checkpoint, digest
from edged.vault.identity import verifying_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MEMBERS = ("v", "log", "seq", "prev", "id", "type", "time", "clock")
_LOG = re.compile(r"[0-9a-f]{16}")
_ID = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")
_LARGEST_SEQ = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Gap:
    """What an ``events.gap`` event says was lost; `last_hash` is of the event `to_seq`."""

    from_seq: int
    to_seq: int
    last_hash: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a message says of its place in the chain.

    Attributes:
        signed: whether one of the keys signed it; None: no keys were given.
        redacted: its content was taken away, and `hash` is what it says itself.
        gap: where it tells of lost events.
    """

    log: str
    seq: int
    hash: str
    prev: str
    signed: bool | None
    redacted: bool = False
    gap: Gap | None = None


class Signatures:
    """Checks detached signatures with the keys that are trusted.

    Args:
        keys: Ed25519 public keys in PEM form; none: nothing is checked.

    Raises:
        KeyUnavailable: one is none.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys: dict[str, Ed25519PublicKey] = dict(map(verifying_key, keys))

    def good(self, token: object, payload: bytes, typ: str) -> bool | None:
        """Whether one of the keys signed this as this `typ`; None: there are no keys."""
        if not self._keys:
            return None
        header, between, signature = token.partition("..") if isinstance(token, str) else ("",) * 3
        key = self._keys.get(_kid(header, typ) or "")
        return bool(between) and key is not None and _verify(key, header, payload, signature)


def read_event(message: Mapping[str, Any], signatures: Signatures) -> Evidence:
    """What an event's message says.

    Raises:
        ValueError: it is no event.
    """
    document = {name: message.get(name) for name in _MEMBERS}
    log, seq, prev = _place(document)
    if document["v"] != 1 or not _matches(_ID, document["id"]):
        raise ValueError("no event of version 1")
    if not all(isinstance(document[name], str) for name in ("type", "time", "clock")):
        raise ValueError("type, time or clock is missing")
    kept = message.get("redacted")
    if kept is not None:
        if not _matches(_HASH, kept) or "data" in message:
            raise ValueError("redacted, but without the hash alone")
        good = signatures.good(message.get("sig"), dumps({**document, "redacted": kept}), EVENT_TYP)
        return Evidence(log, seq, str(kept), prev, good, redacted=True)
    data = message.get("data")
    if not isinstance(data, dict):
        raise ValueError("data is no object")
    canonical = dumps({**document, "data": data})
    good = signatures.good(message.get("sig"), canonical, EVENT_TYP)
    gap = _gap(data, seq) if document["type"] == GAP else None
    return Evidence(log, seq, digest(canonical), prev, good, gap=gap)


def read_checkpoint(message: Mapping[str, Any], signatures: Signatures) -> Evidence:
    """What a checkpoint says; its `prev` is empty.

    Raises:
        ValueError: it is none.
    """
    log, seq, last = message.get("log"), message.get("seq"), message.get("hash")
    time = message.get("time")
    fits = _matches(_LOG, log) and _whole(seq, 0) and (last == "" or _matches(_HASH, last))
    if message.get("v") != 1 or not fits or not isinstance(time, str):
        raise ValueError("no checkpoint of version 1")
    payload = checkpoint(str(log), int(str(seq)), str(last), time)
    good = signatures.good(message.get("sig"), payload, CHECKPOINT_TYP)
    return Evidence(str(log), int(str(seq)), str(last), "", good)


def _place(document: Mapping[str, Any]) -> tuple[str, int, str]:
    log, seq, prev = document["log"], document["seq"], document["prev"]
    if not _matches(_LOG, log):
        raise ValueError("no log, or none of 16 hex digits: not an event of a chain")
    if not _whole(seq, 1):
        raise ValueError("seq is no whole number from 1")
    if prev != "" and not _matches(_HASH, prev):
        raise ValueError("prev is no hash")
    return log, int(seq), prev


def _gap(data: Mapping[str, Any], seq: int) -> Gap | None:
    first, last, last_hash = (data.get(name) for name in ("from_seq", "to_seq", "last_hash"))
    if not (_whole(first, 1) and _whole(last, 1) and _matches(_HASH, last_hash)):
        return None
    gap = Gap(int(str(first)), int(str(last)), str(last_hash))
    return gap if gap.from_seq <= gap.to_seq < seq else None


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _whole(value: object, least: int) -> bool:
    return type(value) is int and least <= value <= _LARGEST_SEQ


@lru_cache(maxsize=64)  # the same few headers stand in front of a million signatures
def _kid(header: str, typ: str) -> str | None:
    import jwt

    try:
        found = jwt.get_unverified_header(f"{header}..")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    fits = found.get("alg") == "EdDSA" and found.get("typ") == typ
    kid = found.get("kid")
    return kid if fits and "crit" not in found and isinstance(kid, str) else None


def _verify(key: Ed25519PublicKey, header: str, payload: bytes, signature: str) -> bool:
    import jwt
    from jwt.utils import base64url_encode

    try:
        jwt.PyJWS().decode_complete(
            f"{header}.{base64url_encode(payload).decode()}.{signature}", key, algorithms=["EdDSA"]
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return False
    return True
