from __future__ import annotations

import base64
import hashlib
import json

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edged.errors import KeyUnavailable
from edged.vault.identity import Identity, key_id, read_signed, seal, sealing_key
from edged.vault.secret import Secret

KEY, OTHER = Secret(b"\x01" * 32), Secret(b"\x02" * 32)


def test_the_same_key_gives_the_same_identity_and_another_key_another() -> None:
    assert Identity(KEY).document == Identity(KEY).document
    one, other = Identity(KEY), Identity(OTHER)
    assert one.sealing_id != other.sealing_id
    assert one.signing_id != other.signing_id
    assert one.sealing_id != one.signing_id


def test_what_is_sealed_to_a_terminal_opens_there_for_its_purpose_only() -> None:
    identity = Identity(KEY)
    sealed = seal(b"template", sealing_key(identity.sealing_public), b"edged/sync")
    assert identity.open_sealed(sealed, b"edged/sync") == b"template"
    assert identity.open_sealed(sealed, b"edged/other") is None
    assert Identity(OTHER).open_sealed(sealed, b"edged/sync") is None


@pytest.mark.parametrize("garbage", [b"", b"x", bytes(48), b"\xff" * 100, bytes(1 << 20)])
def test_garbage_does_not_open(garbage: bytes) -> None:
    assert Identity(KEY).open_sealed(garbage) is None


def test_an_altered_byte_does_not_open() -> None:
    identity = Identity(KEY)
    sealed = bytearray(seal(b"template", sealing_key(identity.sealing_public)))
    for place in range(len(sealed)):
        sealed[place] ^= 1
        assert identity.open_sealed(bytes(sealed)) is None
        sealed[place] ^= 1


def test_a_signature_is_good_for_its_purpose_and_its_key_only() -> None:
    identity = Identity(KEY)
    token = identity.sign({"erased": "p1"}, "edged-receipt")
    assert read_signed(token, identity.signing_public, "edged-receipt") == {"erased": "p1"}
    assert read_signed(token, identity.signing_public, "edged-offer") is None
    assert read_signed(token, Identity(OTHER).signing_public, "edged-receipt") is None
    assert read_signed(token[:-4] + "AAAA", identity.signing_public, "edged-receipt") is None
    assert jwt.get_unverified_header(token)["kid"] == identity.signing_id


@pytest.mark.parametrize("token", ["", "a.b.c", "no token", "é" * 9, "." * 1000])
def test_what_is_no_signature_is_none(token: str) -> None:
    assert read_signed(token, Identity(KEY).signing_public) is None


def test_a_key_of_another_kind_is_refused() -> None:
    identity = Identity(KEY)
    with pytest.raises(KeyUnavailable, match="X25519"):
        sealing_key(identity.signing_public)
    with pytest.raises(KeyUnavailable, match="X25519"):
        sealing_key("no key at all")
    with pytest.raises(KeyUnavailable, match="Ed25519"):
        read_signed("a.b.c", identity.sealing_public)


def test_a_key_is_named_by_its_jwk_thumbprint() -> None:
    identity = Identity(KEY)
    x = base64.urlsafe_b64encode(identity.sealing_raw).rstrip(b"=").decode()
    jwk = json.dumps({"crv": "X25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(jwk.encode()).digest()).decode()
    assert identity.sealing_id == thumbprint[:16]
    public = load_pem_public_key(identity.signing_public.encode())
    assert key_id(public) == identity.signing_id  # type: ignore[arg-type]


def test_no_private_key_shows() -> None:
    identity = Identity(KEY)
    assert "PRIVATE" not in repr(identity) + json.dumps(identity.document)
