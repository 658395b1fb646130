"""What a terminal signs: events, and checkpoints of their chain."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from edged.mqtt.contract.fields import (
    Clock,
    Detached,
    EventId,
    EventType,
    Hash,
    LogId,
    Seq,
    Time,
    Told,
    Version,
)

EVENT_MEMBERS = ("v", "log", "seq", "prev", "id", "type", "time", "clock", "data")
CHECKPOINT_MEMBERS = ("v", "log", "seq", "hash", "time")


class Event(Told):
    """Something that happened. It is on the terminal's disk before it is sent, and arrives at
    least once: drop those whose `id` you have."""

    v: Version
    """Of the contract."""
    id: EventId
    """Never the same twice anywhere."""
    log: LogId
    """The terminal's log of events; another one begins when its file is made anew."""
    seq: Seq
    """1, 2, 3 … in this log, without a hole."""
    prev: Hash | Literal[""]
    """Hash of the event `seq` - 1 of this log; empty for the first. See `x-chain`."""
    type: EventType
    """What happened; the last level of the topic."""
    time: Time
    """When, by the terminal's clock."""
    clock: Clock
    """Whether that clock was to be trusted then."""
    historical: bool
    """True on `backlog/…`: it happened before it could be sent, or is sent again. Never act on it
    as if it were now. Not signed."""
    data: dict[str, Any]
    """What is said of it, by type."""
    sig: Detached
    """The terminal's signature, a detached JWS. See `x-signature`."""


class Checkpoint(Told):
    """How far the terminal's log of events is: a promise of what will come. Who keeps it sees
    later whether the end of the log was cut off."""

    v: Version
    """Of the contract."""
    time: Time
    """When it was made, by the terminal's clock."""
    clock: Clock
    """Whether that clock was to be trusted."""
    log: LogId
    """Which log."""
    seq: Annotated[int, Field(ge=0)]
    """The newest event that is on the terminal's disk; 0: none."""
    hash: Hash | Literal[""]
    """Its hash; empty: none."""
    sig: Detached
    """The terminal's signature, a detached JWS. See `x-signature`."""


CHAIN = {
    "members": list(EVENT_MEMBERS),
    "canonicalization": "RFC 8785",
    "digest": "SHA-256",
    "encoding": "base64url without padding",
    "previous": "prev",
    "sequence": "seq",
    "log": "log",
    "text": (
        "Take the message's members that are listed here, no others; write them as RFC 8785 (JCS) "
        "JSON; the SHA-256 of these bytes, base64url without padding, is the event's hash. `prev` "
        "of the event that follows in the same log is this hash; `prev` of the first (`seq` 1) is "
        "empty. An `events.gap` stands in for events that were lost: the event after `to_seq` "
        "names `last_hash`."
    ),
}


def signature(typ: str, members: tuple[str, ...]) -> dict[str, Any]:
    """How a detached signature is verified, for programs and for people."""
    return {
        "member": "sig",
        "form": "compact JWS (RFC 7515), detached (appendix F): header..signature",
        "header": {"alg": "EdDSA", "kid": "state.identity.signing.id", "typ": typ},
        "members": list(members),
        "canonicalization": "RFC 8785",
        "text": (
            "Take the message's members that are listed here, no others; write them as RFC 8785 "
            "(JCS) JSON: these bytes are the JWS payload. Put their base64url, without padding, "
            "between the two dots of `sig` and verify it as a compact JWS with the terminal's "
            f"Ed25519 key. The header holds alg `EdDSA`, typ `{typ}` and the key's id as kid; "
            "refuse every other alg and typ."
        ),
    }
