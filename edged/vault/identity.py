"""Who this terminal is to others: a key to sign with and a key that others seal to.

Both come from the terminal's key, so there is nothing to keep beside it and nothing to lose; a
new key is a new identity. Whom a public key belongs to is for the reader to know: from the
terminal's ``state``, or better from ``edged gallery identity`` on the terminal itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from edged.errors import KeyUnavailable
from edged.vault.secret import derive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.vault.secret import Secret

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
"""RFC 9180, mode base: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""

SNAPSHOT = b"edged/snapshot"
"""The purpose (HPKE's info) of a picture that a terminal seals to the site."""

_ID_LENGTH = 16


class Identity:
    """The terminal's two key pairs, derived from its key.

    Attributes:
        sealing_id, signing_id: the first 16 characters of the key's thumbprint (RFC 7638).
        sealing_public, signing_public: in PEM form.
        sealing_raw: the same X25519 key as 32 bytes.
    """

    def __init__(self, key: Secret) -> None:
        self._sealing = X25519PrivateKey.from_private_bytes(derive(key, "device/seal").reveal())
        self._signing = Ed25519PrivateKey.from_private_bytes(derive(key, "device/sign").reveal())
        self.sealing_public = pem(self._sealing.public_key())
        self.sealing_raw = self._sealing.public_key().public_bytes_raw()
        self.sealing_id = key_id(self._sealing.public_key())
        self.signing_public = pem(self._signing.public_key())
        self.signing_id = key_id(self._signing.public_key())

    def __repr__(self) -> str:
        return f"Identity(sealing {self.sealing_id}, signing {self.signing_id})"

    @cached_property
    def document(self) -> dict[str, dict[str, str]]:
        """What others may know, fit for JSON."""
        return {
            "sealing": {"id": self.sealing_id, "public_key": self.sealing_public},
            "signing": {"id": self.signing_id, "public_key": self.signing_public},
        }

    def open_sealed(self, sealed: bytes, info: bytes = b"") -> bytes | None:
        """What was sealed to this terminal, for the purpose `info`; None for anything else."""
        try:
            return SUITE.decrypt(sealed, self._sealing, info)
        except (InvalidTag, ValueError):
            return None

    def sign(self, payload: Mapping[str, Any], typ: str = "JOSE") -> str:
        """A compact JWS (RFC 7515, EdDSA) of this payload.

        Args:
            typ: what it is, in the protected header: a signature made for one purpose must not
                be good for another.
        """
        import jwt

        return jwt.PyJWS().encode(
            json.dumps(payload, separators=(",", ":"), allow_nan=False).encode(),
            self._signing,
            algorithm="EdDSA",
            headers={"kid": self.signing_id, "typ": typ},
        )

    def sign_detached(self, payload: bytes, typ: str) -> str:
        """A detached JWS (RFC 7515, appendix F) of these bytes: ``header..signature``."""
        import jwt

        headers = {"kid": self.signing_id, "typ": typ}
        token = jwt.PyJWS().encode(payload, self._signing, algorithm="EdDSA", headers=headers)
        header, _, signature = token.split(".")
        return f"{header}..{signature}"


def seal(data: bytes, to: X25519PublicKey, info: bytes = b"") -> bytes:
    """Seal `data` so that only the holder of the private key reads it, for the purpose `info`."""
    return SUITE.encrypt(data, to, info)


def sealing_key(text: str) -> X25519PublicKey:
    """An X25519 public key out of its PEM form.

    Raises:
        KeyUnavailable: it is none.
    """
    key = _public(text)
    if not isinstance(key, X25519PublicKey):
        raise KeyUnavailable(
            "not an X25519 public key in PEM form; `edged gallery identity` prints a terminal's"
        )
    return key


def read_signed(token: str, public_pem: str, typ: str = "JOSE") -> dict[str, Any] | None:
    """The payload of what `Identity.sign` made; None unless this key signed it as this `typ`.

    Raises:
        KeyUnavailable: `public_pem` is no Ed25519 public key.
    """
    import jwt

    key = _signing_key(public_pem)
    try:
        found = jwt.PyJWS().decode_complete(token, key, algorithms=["EdDSA"])
        payload = json.loads(found["payload"])
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    if found["header"].get("typ") != typ or not isinstance(payload, dict):
        return None
    return payload


def signed_detached(token: str, payload: bytes, public_pem: str, typ: str) -> bool:
    """Whether `Identity.sign_detached` made `token` of these bytes, with this key, as this `typ`.

    Raises:
        KeyUnavailable: `public_pem` is no Ed25519 public key.
    """
    import jwt

    key = _signing_key(public_pem)
    header, between, signature = token.partition("..")
    try:
        whole = f"{header}.{_base64url(payload)}.{signature}" if between else ""
        found = jwt.PyJWS().decode_complete(whole, key, algorithms=["EdDSA"])
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return False
    return bool(found["header"].get("typ") == typ)


def pem(key: X25519PublicKey | Ed25519PublicKey) -> str:
    """A public key as text (SubjectPublicKeyInfo)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def key_id(key: X25519PublicKey | Ed25519PublicKey) -> str:
    """A short name: the first 16 characters (96 bits) of the JWK thumbprint of RFC 7638."""
    curve = "X25519" if isinstance(key, X25519PublicKey) else "Ed25519"
    members = f'{{"crv":"{curve}","kty":"OKP","x":"{_base64url(key.public_bytes_raw())}"}}'
    return _base64url(hashlib.sha256(members.encode()).digest())[:_ID_LENGTH]


def signing_id(public_pem: str) -> str:
    """The id of a signing key in PEM form, as `Identity.signing_id`.

    Raises:
        KeyUnavailable: it is no Ed25519 public key.
    """
    return key_id(_signing_key(public_pem))


def verifying_key(public_pem: str) -> tuple[str, Ed25519PublicKey]:
    """A signing key's id and the key itself, for whoever checks many signatures.

    Raises:
        KeyUnavailable: it is no Ed25519 public key.
    """
    key = _signing_key(public_pem)
    return key_id(key), key


def _signing_key(public_pem: str) -> Ed25519PublicKey:
    key = _public(public_pem)
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnavailable("not an Ed25519 public key in PEM form")
    return key


def _public(text: str) -> object:
    try:
        return load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
