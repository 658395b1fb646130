"""How a controller signs a command; the terminal itself only verifies."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from collections.abc import Mapping


def sign_command(
    private_key_pem: str | bytes,
    kid: str,
    audience: str,
    command: str,
    args: dict[str, Any],
    valid_s: float = 30,
) -> str:
    """A command as the terminal wants it: a compact JWS, good once and for `valid_s`.

    Args:
        private_key_pem: an Ed25519 private key in PEM form, without a passphrase.
        kid: the key's id in the terminal's ``mqtt.commands.keys``.
        audience: ``<site>/<terminal>``.
        command: such as ``door.unlock``; publish to ``…/cmd/door.unlock``.
        args: see docs/mqtt.md.
        valid_s: not more than the terminal's ``longest_validity_s``.
    """
    now = time.time()
    claims = {
        "aud": audience,
        "iat": round(now, 3),
        "exp": round(now + valid_s, 3),
        "jti": secrets.token_urlsafe(16),
        "cmd": command,
        "args": args,
    }
    return sign_claims(private_key_pem, kid, claims)


def sign_claims(
    private_key_pem: str | bytes, kid: str, claims: Mapping[str, Any], typ: str = "JWT"
) -> str:
    """A compact JWS of any claims, such as a head of the site's log; `typ` says what they are."""
    payload = json.dumps(claims, separators=(",", ":"), allow_nan=False).encode()
    headers = {"kid": kid, "typ": typ}
    return jwt.PyJWS().encode(payload, private_key_pem, algorithm="EdDSA", headers=headers)


def prove_key(private_key_pem: str | bytes, audience: str, new_id: str, replaces: str) -> str:
    """The `proof` of ``keys.rotate``: whoever brings a public key holds the private one.

    Args:
        private_key_pem: the new key.
        audience: ``<site>/<terminal>``.
    """
    claims = {"aud": audience, "id": new_id, "replaces": replaces}
    return sign_claims(private_key_pem, new_id, claims, typ="edged-key")
