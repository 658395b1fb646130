"""The site's side of ``snapshot``: a sealed picture, opened with the private key."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edged.errors import ImageError, KeyUnavailable
from edged.vault.identity import SNAPSHOT, SUITE, key_id

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BYTES = 100_000


def open_snapshot(data: Mapping[str, Any], private_pem: bytes) -> bytes:
    """The JPEG of a reply's `data`, as bytes.

    Args:
        data: of the reply to ``snapshot``: ``sealed`` in base64, ``sealed_to`` the key's id.
        private_pem: an X25519 private key, the other half of ``mqtt.snapshot_key``.

    Raises:
        KeyUnavailable: that is no such key, or the picture is sealed to another.
        ImageError: it is damaged, or no picture.
    """
    key = _private(private_pem)
    text = data.get("sealed")
    if not isinstance(text, str) or len(text) > _MOST_BYTES:
        raise ImageError("the reply holds no sealed picture")
    try:
        sealed = base64.b64decode(text, validate=True)
    except ValueError as fault:
        raise ImageError("the sealed picture is not base64; ask for another") from fault
    ours, theirs = key_id(key.public_key()), data.get("sealed_to")
    try:
        picture = SUITE.decrypt(sealed, key, SNAPSHOT)
    except (InvalidTag, ValueError) as fault:
        if theirs not in (None, ours):
            raise KeyUnavailable(
                f"the picture is sealed to the key {str(theirs)[:16]}, this one is {ours}; use the "
                "private half of the terminal's mqtt.snapshot_key"
            ) from fault
        raise ImageError("the sealed picture is damaged; ask for another") from fault
    if not picture.startswith(b"\xff\xd8\xff"):
        raise ImageError("what was sealed is no picture")
    return picture


def _private(pem: bytes) -> X25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise KeyUnavailable("not a private key in PEM form without a password") from fault
    if not isinstance(key, X25519PrivateKey):
        raise KeyUnavailable("not an X25519 private key; make one with: edged ctl keygen")
    return key
