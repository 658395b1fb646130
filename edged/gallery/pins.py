"""PINs: what may be one, and how one is kept: as a salted hash that nobody reads back.

Four digits fall to anybody who has the hash, whatever it costs: what protects them is that the
hash is sealed with the person's key in an encrypted file. So the cost is chosen for the door: two
hashes within 50 ms and 2 MiB on a small machine (docs/credentials.md).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field
from typing import Any

_LOG_N, _R, _P = 11, 8, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
_SHORTEST = 4
_PIN = re.compile(r"[0-9]{4,16}")
# PHC string format; what others may have hashed costs no more than ours
_KEPT = re.compile(r"\$scrypt\$ln=(1[0-2]),r=8,p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})")
_RUNS = ("01234567890123456", "98765432109876543")
_FIRST_TRIED = frozenset({"2580", "0852"})  # a column of the keys


class WeakPin(str):
    """Digits that are allowed to be a PIN although they are easily guessed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Hash:
    log_n: int
    salt: bytes = field(repr=False)
    value: bytes = field(repr=False)

    def fits(self, pin: str) -> bool:
        return hmac.compare_digest(_scrypt(pin, self.log_n, self.salt), self.value)


def kept_pin(given: Any) -> Any:
    """How a PIN is kept; what is a hash already stays as it is. For pydantic.

    Raises:
        ValueError: neither a hash as we make it nor 4 to 16 digits, or too easily guessed; the
            text does not repeat it.
    """
    if given is None:
        return None
    if not isinstance(given, str):
        raise ValueError("expected 4 to 16 digits, as text")
    if _read(given) is not None:
        return given
    if not is_pin(given):
        raise ValueError("expected 4 to 16 digits")
    if not isinstance(given, WeakPin) and is_weak(given):
        raise ValueError("too easily guessed; take digits that neither repeat nor run up or down")
    salt = os.urandom(_SALT_BYTES)
    value = _scrypt(given, _LOG_N, salt)
    return f"$scrypt$ln={_LOG_N},r={_R},p={_P}${_base64(salt)}${_base64(value)}"


def is_pin(text: str) -> bool:
    """Whether it could be a PIN: 4 to 16 of the digits 0 to 9."""
    return _PIN.fullmatch(text) is not None


def is_weak(pin: str) -> bool:
    """Whether these digits are among the first that anybody tries."""
    again = (pin[:2] * 8)[: len(pin)]  # one digit or two, over and over
    return pin == again or pin in _FIRST_TRIED or any(pin in run for run in _RUNS)


def same_pin(one: Any, other: Any) -> bool:
    """Whether two of them, each as digits or as it is kept, are surely one PIN for a keypad that
    ends one after so many digits: they are the same, or one begins with the other.

    Of two hashes with different salts nobody can tell, nor how what is hashed goes on.
    """
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    for hashed, plain in ((_read(one), other), (_read(other), one)):
        if hashed is not None and is_pin(plain):
            return any(hashed.fits(plain[:end]) for end in range(_SHORTEST, len(plain) + 1))
    return one.startswith(other) or other.startswith(one)


def which(pin: str, kept: tuple[str | None, ...]) -> tuple[bool, ...]:
    """Of several kept PINs, which this is; takes as long whatever is kept and whatever fits."""
    usable = is_pin(pin)
    found = []
    for one in kept:
        hashed = None if one is None else _read(one)
        fits = (hashed or _NOBODYS).fits(pin if usable else "")
        found.append(fits and usable and hashed is not None)
    return tuple(found)


def _scrypt(pin: str, log_n: int, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=1 << log_n, r=_R, p=_P, dklen=_HASH_BYTES)


def _read(text: str) -> _Hash | None:
    parts = _KEPT.fullmatch(text)
    if parts is None:
        return None
    salt, value = (base64.b64decode(part + "=" * (-len(part) % 4)) for part in parts.groups()[1:])
    return _Hash(int(parts[1]), salt, value)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).rstrip(b"=").decode("ascii")


_NOBODYS = _Hash(_LOG_N, bytes(_SALT_BYTES), os.urandom(_HASH_BYTES))
