"""The key of an OSDP secure channel (SCBK), in a file of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edged.errors import KeyUnavailable, ReaderError
from edged.vault.files import replaced
from edged.vault.keys import read_private

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULT = bytes(range(0x30, 0x40))
_MAKE_ONE = "make one with `openssl rand -hex 16`, see docs/osdp.md"


def read_key(path: Path, where: str) -> bytes:
    """The key that a line is talked over with.

    Args:
        where: the settings, such as ``readers.front``.

    Raises:
        ReaderError: there is no such file, it holds no key, others can read it, or it holds
            the default key that everybody knows.
    """
    what = f"{where}: key file {path}"
    try:
        content = read_private(path, what, _MAKE_ONE)
    except KeyUnavailable as fault:
        raise ReaderError(str(fault)) from fault
    text = content.strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{32}", text):
        raise ReaderError(f"{what} holds no 32 hex digits; {_MAKE_ONE}")
    key = bytes.fromhex(text.decode("ascii"))
    if key == _DEFAULT:
        raise ReaderError(f"{what} holds the default key, which is no secret; {_MAKE_ONE}")
    if len(set(key)) == 1:
        raise ReaderError(f"{what} repeats one byte: a placeholder, no key; {_MAKE_ONE}")
    return key


def store_key(path: Path, key: bytes) -> None:
    """Keep a key that the panel gave us; on the disk on return.

    Raises:
        ReaderError: it is the default key, or cannot be written.
    """
    if key == _DEFAULT or len(key) != 16 or len(set(key)) == 1:
        raise ReaderError("the panel gave the default key, or none; it is not taken")
    try:
        with replaced(path) as draft:
            draft.write_text(key.hex() + "\n", encoding="ascii")
    except OSError as fault:
        raise ReaderError(
            f"the panel's new key cannot be kept in {path}: {fault.strerror}; it is not taken"
        ) from fault
