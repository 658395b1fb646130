"""Who sent a command, and whether it is meant for us and for now; pure but for the keys.

A command is a compact JWS (RFC 7515) signed with Ed25519. Everything here looks at hostile
bytes: it answers with a `Refusal` and never raises on them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.config.schema import Commands as Settings

LARGEST_COMMAND = 98_304  # a photo of 45 kB, base64 in JSON and that base64 in a JWS, fits in
CLOCK_SKEW_S = 5.0
_DEEPEST = 16
_HEADER = frozenset({"alg", "kid", "typ"})
ALL_ROLES = frozenset({"operator", "enroller", "maintainer", "auditor"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is not obeyed: a code for programs, a text for people."""

    reason: str
    text: str


class Claims(BaseModel):
    """What a command says; times are Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    aud: Annotated[str, Field(max_length=200)]
    iat: float
    exp: float
    jti: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{8,64}$")]
    cmd: Annotated[str, Field(max_length=64)]
    args: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a command comes from; `key_id` is None for an unsigned one."""

    key_id: str | None
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A command that is authentic; nothing is said yet about its time, place or arguments."""

    claims: Claims
    sender: Sender


class Keyring:
    """The controllers that this terminal listens to.

    Raises:
        BrokerError: a key of ``mqtt.commands.keys`` is no Ed25519 public key.
    """

    def __init__(self, settings: Settings) -> None:
        self._keys: dict[str, tuple[Ed25519PublicKey, frozenset[str]]] = {}
        self._allow_unsigned = settings.allow_unsigned
        for key in settings.keys:
            self._keys[key.id] = (_public_key(key.id, key.public_key), frozenset(key.roles))

    def open(self, payload: bytes) -> Envelope | Refusal:
        """Verify a payload and read its claims."""
        if len(payload) > LARGEST_COMMAND:
            return Refusal("oversized", f"a command has at most {LARGEST_COMMAND} bytes")
        try:
            text = payload.decode("utf-8").strip()
        except UnicodeDecodeError:
            return Refusal("not_text", "a command is UTF-8 text")
        if text[:1] in {"{", "["}:
            return self._unsigned(text)
        return self._signed(text)

    def _unsigned(self, text: str) -> Envelope | Refusal:
        data = _read_json(text)
        if isinstance(data, Refusal):
            return data
        if not self._allow_unsigned:
            return Refusal("unsigned", "this terminal obeys signed commands only")
        return _envelope(data, Sender(None, ALL_ROLES))

    def verified(self, payload: bytes, role: str) -> dict[str, Any] | Refusal:
        """What a key with this role has signed: the claims of something that is no command."""
        if len(payload) > LARGEST_COMMAND:
            return Refusal("oversized", f"what is signed has at most {LARGEST_COMMAND} bytes")
        try:
            found = self._claims(payload.decode("ascii"))
        except UnicodeDecodeError:
            return Refusal("not_text", "expected a compact JWS")
        if isinstance(found, Refusal):
            return found
        claims, sender = found
        if role not in sender.roles:
            return Refusal("wrong_role", f"the key lacks the role {role}")
        if not isinstance(claims, dict):
            return Refusal("malformed", "expected one JSON object")
        return claims

    def _signed(self, text: str) -> Envelope | Refusal:
        found = self._claims(text)
        return found if isinstance(found, Refusal) else _envelope(*found)

    def _claims(self, text: str) -> tuple[Any, Sender] | Refusal:
        """What a compact JWS says and who signed it."""
        try:
            header = jwt.PyJWS().get_unverified_header(text)
        except RecursionError:
            return Refusal("too_deep", f"a command nests at most {_DEEPEST} deep")
        except (jwt.PyJWTError, ValueError, TypeError):
            return Refusal("malformed", "expected a compact JWS")
        if header.get("alg") != "EdDSA":
            return Refusal("wrong_algorithm", "a command is signed with EdDSA (Ed25519)")
        if not _HEADER.issuperset(header):
            return Refusal("malformed", "the JWS header holds alg, kid and typ, nothing else")
        kid = header.get("kid")
        known = self._keys.get(kid) if isinstance(kid, str) else None
        if known is None:
            return Refusal("unknown_key", "the key (kid) is none of mqtt.commands.keys")
        public_key, roles = known
        try:
            payload = jwt.PyJWS().decode(text, public_key, algorithms=["EdDSA"])
            data = _read_json(payload.decode("utf-8"))
        except (jwt.PyJWTError, ValueError, TypeError):
            return Refusal("bad_signature", "the signature is not this key's over this text")
        if isinstance(data, Refusal):
            return data
        return data, Sender(str(kid), roles)


def check_times(
    claims: Claims, now_s: float, longest_validity_s: float, clock_trusted: bool
) -> Refusal | None:
    """Whether a command is in force; without a trusted clock only its length can be judged."""
    if claims.exp <= claims.iat:
        return Refusal("bad_claims", "exp must be later than iat")
    if claims.exp - claims.iat > longest_validity_s:
        return Refusal("too_long", f"a command is valid for at most {longest_validity_s:g} s")
    if not clock_trusted:
        return None
    if claims.iat > now_s + CLOCK_SKEW_S:
        return Refusal("from_future", "iat lies in the future; compare the clocks")
    if claims.exp <= now_s:
        return Refusal("expired", "the command is expired; compare the clocks or send it sooner")
    return None


def _envelope(data: Any, sender: Sender) -> Envelope | Refusal:
    try:
        return Envelope(Claims.model_validate(data), sender)
    except ValidationError as fault:
        return Refusal("bad_claims", describe(fault))


def describe(fault: ValidationError) -> str:
    """The places and kinds of what is wrong, without the values."""
    lines = [
        f"{'.'.join(str(step)[:40] for step in error['loc']) or 'command'}: {error['msg']}"
        for error in fault.errors(include_url=False, include_input=False, include_context=False)
    ]
    return "; ".join(lines)[:300]


def _read_json(text: str) -> Any | Refusal:
    if _deeper_than(text, _DEEPEST):
        return Refusal("too_deep", f"a command nests at most {_DEEPEST} deep")
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Refusal("malformed", "expected one JSON object, every key once")


def _deeper_than(text: str, limit: int) -> bool:
    depth, quoted, escaped = 0, False, False
    for sign in text:
        if quoted:
            if escaped:
                escaped = False
            elif sign == "\\":
                escaped = True
            elif sign == '"':
                quoted = False
        elif sign == '"':
            quoted = True
        elif sign in "{[":
            depth += 1
            if depth > limit:
                return True
        elif sign in "}]":
            depth -= 1
    return False


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is given twice")
    return made


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _public_key(key_id: str, pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise BrokerError(
            f"mqtt.commands.keys: {key_id}: not a public key in PEM form; "
            "make one with: openssl pkey -in private.pem -pubout"
        ) from fault
    if not isinstance(key, Ed25519PublicKey):
        raise BrokerError(
            f"mqtt.commands.keys: {key_id}: not an Ed25519 key; "
            "make one with: openssl genpkey -algorithm ed25519"
        )
    return key
