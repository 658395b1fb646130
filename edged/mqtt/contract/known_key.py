"""A key that the world knows, to sign the examples with: the one of RFC 8037, appendix A.

Nobody must ever trust it. Whoever writes a controller can check their verification with the
examples of docs/asyncapi.json before they have a terminal.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edged.vault.identity import key_id, pem

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN_TO_ALL = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"


@cache
def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(_KNOWN_TO_ALL + "="))


def public_key() -> dict[str, str]:
    """The public key, as `state.identity.signing` has one."""
    public = _key().public_key()
    return {"id": key_id(public), "public_key": pem(public)}


def jws(payload: bytes | Mapping[str, Any], kid: str, typ: str | None = None) -> str:
    """A compact JWS."""
    content = payload if isinstance(payload, bytes) else json.dumps(dict(payload)).encode()
    headers = {"kid": kid} if typ is None else {"kid": kid, "typ": typ}
    return jwt.PyJWS().encode(content, _key(), algorithm="EdDSA", headers=headers)


def detached(payload: bytes, typ: str) -> str:
    """A compact JWS by a terminal, without its payload."""
    header, _, signature = jws(payload, public_key()["id"], typ).split(".")
    return f"{header}..{signature}"
