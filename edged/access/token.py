"""Visitors' codes: a signed text that fits into a small QR code; pure but for the keys.

::

    EDGED1: base45( claims, JSON | Ed25519 signature, 64 bytes )

The signature is over ``edged/v1/visitor``, a NUL byte and the claims. There is no algorithm to be
chosen and no header to be believed: a text is of this form or it is none of ours. Base45
(RFC 9285) is what a QR code holds most compactly of bytes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from cryptography.exceptions import InvalidSignature
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.vault.identity import key_id

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PREFIX = "EDGED1:"
LARGEST = 800
"""Characters of a code."""

TokenFault = Literal[
    "oversized",
    "malformed",
    "unknown_key",
    "bad_signature",
    "bad_claims",
    "wrong_site",
    "wrong_terminal",
    "too_long",
    "not_yet",
    "expired",
    "wrong_group",
    "clock_unsynced",
    "used",
]
FAULTS: tuple[TokenFault, ...] = get_args(TokenFault)
"""Why a code does not count."""

_PURPOSE = b"edged/v1/visitor\0"
_SIGNATURE_BYTES = 64
_JTI_BYTES = 12
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Group = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Time = Annotated[int, Field(ge=0, lt=253_402_300_800)]


class _Claims(BaseModel):
    """What a code says, by short names, since every letter costs room."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    k: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16}$")]
    s: _Name
    t: Annotated[list[_Name], Field(max_length=16)] = []
    v: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
    g: Annotated[list[_Group], Field(max_length=16)] = []
    n: _Time
    e: _Time
    j: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,32}$")]


@dataclass(frozen=True, slots=True)
class Visit:
    """Who may come, where and when.

    Attributes:
        visitor_id: as a person's id.
        site: its terminals alone take it; where `terminals` is given, these of them.
        begins, ends: Unix seconds.
        groups: for the rules; empty: those of ``access.qr.groups``.
        jti: makes it one of its own, good once; left out: drawn.
    """

    visitor_id: str
    site: str
    begins: int
    ends: int
    terminals: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    jti: str = field(default_factory=lambda: secrets.token_urlsafe(_JTI_BYTES), repr=False)

    @property
    def digest(self) -> str:
        """What others may be told of the code, so that it is used up everywhere: 32 hex digits."""
        return hashlib.sha256(_PURPOSE + self.jti.encode()).hexdigest()[:32]


def write_token(visit: Visit, key: Ed25519PrivateKey) -> str:
    """The text of a visitor's code.

    Raises:
        ValueError: no terminal would take it; the text says why.
    """
    given = {
        "k": key_id(key.public_key()),
        "s": visit.site,
        "t": list(visit.terminals),
        "v": visit.visitor_id,
        "g": list(visit.groups),
        "n": visit.begins,
        "e": visit.ends,
        "j": visit.jti,
    }
    try:
        claims = _Claims.model_validate(given)
    except ValidationError as fault:
        wrong = ", ".join(_WORDS[str(error["loc"][0])] for error in fault.errors())
        raise ValueError(f"a code cannot be made of this: {wrong}") from None
    if visit.ends <= visit.begins:
        raise ValueError("a code cannot be made of this: it ends before it begins")
    document = claims.model_dump(exclude_defaults=True)
    payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text = PREFIX + encode_base45(payload + key.sign(_PURPOSE + payload))
    if len(text) > LARGEST:
        raise ValueError(f"a code has at most {LARGEST} characters; name fewer terminals or groups")
    return text


_WORDS = {
    "k": "the key",
    "s": "the site's name",
    "t": "the terminals (at most 16)",
    "v": "the visitor's id (1 to 64 of A-Z a-z 0-9 _ . @ -)",
    "g": "the groups (at most 16)",
    "n": "when it begins",
    "e": "when it ends",
    "j": "its own id",
}


def read_token(text: str, keys: Mapping[str, Ed25519PublicKey]) -> Visit | TokenFault:
    """What a code says, if one of these keys signed it; hostile text is never more than an answer.

    Args:
        keys: by their `key_id`.
    """
    if len(text) > LARGEST:
        return "oversized"
    if not text.startswith(PREFIX):
        return "malformed"
    content = decode_base45(text[len(PREFIX) :])
    if content is None or len(content) <= _SIGNATURE_BYTES:
        return "malformed"
    payload, signature = content[:-_SIGNATURE_BYTES], content[-_SIGNATURE_BYTES:]
    try:
        claims = _Claims.model_validate_json(payload)
    except ValidationError as fault:
        whole = any(error["type"] == "json_invalid" for error in fault.errors())
        return "malformed" if whole else "bad_claims"
    key = keys.get(claims.k)
    if key is None:
        return "unknown_key"
    try:
        key.verify(signature, _PURPOSE + payload)
    except InvalidSignature:
        return "bad_signature"
    if claims.e <= claims.n:
        return "bad_claims"
    terminals, groups = tuple(claims.t), tuple(claims.g)
    return Visit(claims.v, claims.s, claims.n, claims.e, terminals, groups, claims.j)


def judge_visit(
    visit: Visit,
    *,
    site: str,
    terminal: str,
    now_s: float,
    longest_validity_s: float,
    groups: Collection[str],
) -> TokenFault | None:
    """Why a code that is authentic does not count here and now; None: it does.

    Args:
        groups: those that a code may give.
    """
    if visit.site != site:
        return "wrong_site"
    if visit.terminals and terminal not in visit.terminals:
        return "wrong_terminal"
    if visit.ends - visit.begins > longest_validity_s:
        return "too_long"
    if now_s < visit.begins:
        return "not_yet"
    if now_s >= visit.ends:
        return "expired"
    if not set(visit.groups) <= set(groups):
        return "wrong_group"
    return None


def encode_base45(content: bytes) -> str:
    """RFC 9285."""
    text = []
    for place in range(0, len(content), 2):
        pair = content[place : place + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, digit = divmod(value, 45)
            text.append(_ALPHABET[digit])
    return "".join(text)


def decode_base45(text: str) -> bytes | None:
    """What `encode_base45` was given; None for anything else."""
    content = bytearray()
    for place in range(0, len(text), 3):
        digits = [_VALUES.get(character) for character in text[place : place + 3]]
        value = 0
        for digit in reversed(digits):
            if digit is None:
                return None
            value = 45 * value + digit
        width = len(digits) - 1
        if width < 1 or value >= 1 << (8 * width):
            return None
        content += value.to_bytes(width, "big")
    return bytes(content)
