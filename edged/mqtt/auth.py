"""Who sent a command, and whether it is meant for us and for now; pure but for the keys.

A command is a compact JWS (RFC 7515) signed with Ed25519. Everything here looks at hostile
bytes: it answers with a `Refusal` and never raises on them.
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cryptography.exceptions import InvalidSignature
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.events.clock import clock_state
from edged.mqtt.keys import configured_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from edged.config.schema import Commands as Settings
    from edged.events.types import Clock
    from edged.mqtt.keys import Key

LARGEST_COMMAND = 98_304  # a photo of 45 kB, base64 in JSON and that base64 in a JWS, fits in
CLOCK_SKEW_S = 5.0
_DEEPEST = 16
_READ_UNSIGNED = 2048  # of what is refused in any case
_HEADER = frozenset({"alg", "kid", "typ"})
_COMMAND_TYPES = (None, "JWT", "JOSE")
_COMPACT = re.compile(r"([A-Za-z0-9_-]{2,512})\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")
# 64 bytes; the last sign carries four bits that mean nothing and have to be 0
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{85}[AQgw]")
# a string, whole or cut off, or a bracket; possessive: no text makes it slow
_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
ALL_ROLES = frozenset({"operator", "enroller", "maintainer", "auditor"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is not obeyed: a code for programs, a text for people."""

    reason: str
    text: str


_TOO_DEEP = Refusal("too_deep", f"a command nests at most {_DEEPEST} deep")


class Time(Protocol):
    """What is asked of the time; see `edged.events.trusted.TrustedTime`."""

    @property
    def trusted(self) -> bool: ...

    def now(self) -> float: ...

    def earliest(self) -> float: ...


class WallTime:
    """The wall clock and the kernel's word for it, where nothing is remembered."""

    def __init__(self, kernel: Callable[[], Clock] = clock_state) -> None:
        self._kernel = kernel

    @property
    def trusted(self) -> bool:
        return self._kernel() == "synced"

    def now(self) -> float:
        return time.time()

    def earliest(self) -> float:
        return time.time() if self.trusted else 0.0


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
    """Who a command comes from; `key_id` is None for an unsigned one. A key and its successors
    are one person."""

    key_id: str | None
    roles: frozenset[str]
    person: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A command that is authentic; nothing is said yet about its time, place or arguments."""

    claims: Claims
    sender: Sender


class Keyring:
    """The controllers that this terminal listens to; any thread may ask.

    Args:
        settings: ``mqtt.commands``.
        now: the time by which a key that was replaced ends; see `edged.events.trusted`.

    Raises:
        BrokerError: a key of ``mqtt.commands.keys`` is no Ed25519 public key.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self.configured: Mapping[str, Key] = configured_keys(settings)
        self._keys = self.configured
        self._gone: Collection[str] = frozenset()
        self._problem: str | None = None
        self._now = now
        self._allow_unsigned = settings.allow_unsigned

    def put(
        self, keys: Mapping[str, Key], gone: Collection[str] = (), problem: str | None = None
    ) -> None:
        """From now on these keys count; see `edged.mqtt.rotation`.

        Args:
            gone: ids that do not count any more, to tell them from those that never did.
            problem: why there are none, where they cannot be known.
        """
        self._keys, self._gone, self._problem = dict(keys), frozenset(gone), problem

    def in_force(self) -> list[Key]:
        """The keys that count at this moment."""
        now_s = self._now()
        return [key for key in self._keys.values() if key.counts(now_s)]

    def find(self, kid: str) -> Key | Refusal:
        """The key with this id, if it counts at this moment."""
        key = self._keys.get(kid)
        if self._problem is not None:
            return Refusal("keys_unreadable", self._problem)
        if kid in self._gone:
            return Refusal("revoked_key", "the key was revoked")
        if key is None:
            return Refusal("unknown_key", "the key (kid) is none of mqtt.commands.keys")
        if not key.counts(self._now()):
            return Refusal("replaced_key", "the key was replaced, and its time is over")
        return key

    def open(self, payload: bytes) -> Envelope | Refusal:
        """Verify a payload and read its claims."""
        text = _text(payload)
        if isinstance(text, Refusal):
            return text
        if text.lstrip()[:1] in {"{", "["}:
            return self._unsigned(text)
        found = self._claims(text, None)
        return found if isinstance(found, Refusal) else _envelope(*found)

    def verified(
        self, payload: bytes, role: str, typ: str | None = None
    ) -> dict[str, Any] | Refusal:
        """What a key with this role has signed: the claims of something that is no command.

        Args:
            typ: what the header must say that it is; None: what a command says, too.
        """
        text = _text(payload)
        if isinstance(text, Refusal):
            return text
        found = self._claims(text, typ)
        if isinstance(found, Refusal):
            return found
        claims, sender = found
        if role not in sender.roles:
            return Refusal("wrong_role", f"the key lacks the role {role}")
        if not isinstance(claims, dict):
            return Refusal("malformed", "expected one JSON object")
        return claims

    def _unsigned(self, text: str) -> Envelope | Refusal:
        refusal = Refusal("unsigned", "this terminal obeys signed commands only")
        if not self._allow_unsigned and len(text) > _READ_UNSIGNED:
            # whoever is not obeyed anyhow gets little of our time
            return _TOO_DEEP if _deeper_than(text[:_READ_UNSIGNED], _DEEPEST) else refusal
        data = _read_json(text)
        if isinstance(data, Refusal):
            return data
        if not self._allow_unsigned:
            return refusal
        return _envelope(data, Sender(None, ALL_ROLES))

    def _claims(self, text: str, typ: str | None) -> tuple[Any, Sender] | Refusal:
        """What a compact JWS says and who signed it; what is cheap to find is found first."""
        token = read_token(text, typ)
        if isinstance(token, Refusal):
            return token
        if token.kid is None:
            return Refusal("unknown_key", "the header names no key (kid)")
        key = self.find(token.kid)
        if isinstance(key, Refusal):
            return key
        data = token.claims(key.public_key)
        if isinstance(data, Refusal):
            return data
        return data, Sender(key.id, key.roles, key.person)


@dataclass(frozen=True, slots=True)
class Token:
    """A compact JWS whose signature was not looked at yet."""

    kid: str | None
    signed: str
    signature: str

    def claims(self, key: Ed25519PublicKey) -> Any | Refusal:
        """What it says, if `key` has signed it."""
        refusal = Refusal("bad_signature", "the signature is not this key's over this text")
        if not _SIGNATURE.fullmatch(self.signature):
            return refusal
        try:
            key.verify(base64.urlsafe_b64decode(self.signature + "=="), self.signed.encode())
            payload = _decoded(self.signed.partition(".")[2])
        except InvalidSignature:
            return refusal
        except ValueError:
            return Refusal("malformed", "expected a compact JWS of JSON in UTF-8")
        return _read_json(payload)


def read_token(text: str, typ: str | None = None) -> Token | Refusal:
    """A compact JWS (RFC 7515) as we take it: EdDSA, and ``alg``, ``kid``, ``typ`` alone."""
    parts = _COMPACT.fullmatch(text)
    if parts is None:
        return Refusal("malformed", "expected a compact JWS")
    try:
        header = _read_json(_decoded(parts[1]))
    except ValueError:
        return Refusal("malformed", "expected a compact JWS")
    if not isinstance(header, dict):
        return header if isinstance(header, Refusal) else Refusal("malformed", "no JWS header")
    if header.get("alg") != "EdDSA":
        return Refusal("wrong_algorithm", "a command is signed with EdDSA (Ed25519)")
    kid, said = header.get("kid"), header.get("typ")
    if not _HEADER.issuperset(header) or not isinstance(kid, str | None):
        return Refusal("malformed", "the JWS header holds alg, kid and typ, nothing else")
    if (said not in _COMMAND_TYPES) if typ is None else (said != typ):
        return Refusal("wrong_type", f"the header's typ is {typ}" if typ else "no command (typ)")
    return Token(kid, text.rpartition(".")[0], parts[3])


def check_times(
    claims: Claims, time: Time, longest_validity_s: float, *, unsynced: str = "refuse"
) -> Refusal | None:
    """Whether a command is in force.

    A clock that is not trusted cannot tell its age. With ``unsynced`` "accept" only its length is
    judged then, and that it is not older than what is known for certain.
    """
    trusted = time.trusted
    if not trusted and unsynced == "refuse":
        return Refusal(
            "clock_unsynced", "the terminal's clock is not synchronised; it cannot tell the age"
        )
    if claims.exp <= claims.iat:
        return Refusal("bad_claims", "exp must be later than iat")
    if claims.exp - claims.iat > longest_validity_s:
        return Refusal("too_long", f"a command is valid for at most {longest_validity_s:g} s")
    now_s = time.now() if trusted else time.earliest()
    if trusted and claims.iat > now_s + CLOCK_SKEW_S:
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
        return _TOO_DEEP
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Refusal("malformed", "expected one JSON object, every key once")


def _deeper_than(text: str, limit: int) -> bool:
    depth = 0
    for found in _BRACKETS.finditer(text):
        sign = found[0][0]
        if sign in "{[":
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


def _text(payload: bytes) -> str | Refusal:
    if len(payload) > LARGEST_COMMAND:
        return Refusal("oversized", f"a command has at most {LARGEST_COMMAND} bytes")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        return Refusal("not_text", "a command is UTF-8 text")


def _decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8")
