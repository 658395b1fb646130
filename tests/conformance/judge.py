"""Whether what a site heard of one terminal is whole; written from the contract alone."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.conformance.parties import Heard

_SIGNED = ("log", "seq", "prev", "id", "type", "time", "clock", "data")


def judge(heard: Sequence[Heard], public_pem: str) -> dict[int, dict[str, Any]]:
    """The events by number, after everything that must hold of them was asserted.

    In each stream first arrivals are in the order of their numbers; what came twice came with
    the same content; each is signed by the terminal; each names the hash of the one before it;
    nothing between the first and the last is missing.
    """
    live = [m.content for m in heard if m.path.startswith("event/")]
    late = [m.content for m in heard if m.path.startswith("backlog/")]
    in_order(live)
    in_order(late)
    return chained([*live, *late], public_pem)


def in_order(stream: Iterable[dict[str, Any]]) -> None:
    """First arrivals; what is replayed because the site asked for it comes when it comes."""
    first = list(dict.fromkeys(event["seq"] for event in stream))
    assert first == sorted(first), "events came out of order"


def chained(events: Iterable[dict[str, Any]], public_pem: str) -> dict[int, dict[str, Any]]:
    """Like `judge`, without the order of arrival."""
    key = load_pem_public_key(public_pem.encode())
    assert isinstance(key, Ed25519PublicKey)
    by_seq: dict[int, dict[str, Any]] = {}
    for event in events:
        said = {name: event[name] for name in _SIGNED}
        if event["seq"] in by_seq:
            assert by_seq[event["seq"]] == said, f"two events have the number {event['seq']}"
            continue
        by_seq[event["seq"]] = said
        _signed(event["sig"], rfc8785.dumps({"v": 1, **said}), key)
    assert len({event["log"] for event in by_seq.values()}) <= 1
    assert len({event["id"] for event in by_seq.values()}) == len(by_seq)
    for seq in sorted(by_seq)[1:]:
        assert seq - 1 in by_seq, f"event {seq - 1} is missing"
        before = rfc8785.dumps({"v": 1, **by_seq[seq - 1]})
        assert by_seq[seq]["prev"] == _base64url(hashlib.sha256(before).digest())
    if 1 in by_seq:
        assert by_seq[1]["prev"] == ""
    return by_seq


def _signed(signature: str, content: bytes, key: Ed25519PublicKey) -> None:
    """RFC 7515, appendix F; raises unless it is."""
    header, nothing, raw = signature.split(".")
    assert nothing == ""
    text = f"{header}.{_base64url(content)}".encode()
    key.verify(urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), text)


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
