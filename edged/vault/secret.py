"""A key that does not show itself."""

from __future__ import annotations

import hmac
from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


class Secret:
    """32 bytes that stay out of text, logs, pickles and copies; `reveal` is the only way in.

    Raises:
        ValueError: the value is not 32 bytes long.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if len(value) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves; hold them no longer than the call that needs them."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would tell keys apart

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be copied or pickled")


def derive(secret: Secret, purpose: str) -> Secret:
    """A key of its own for `purpose`, by HKDF-SHA256 (RFC 5869).

    Neither the given key nor another purpose's key can be computed from it.
    """
    info = b"edged/v1/" + purpose.encode()
    return Secret(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(secret.reveal()))
