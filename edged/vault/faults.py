"""What SQLite says, in this project's errors, and what is wrong with a file that will not open."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from typing import TYPE_CHECKING

from edged.errors import DiskFull, StorageError, WrongKey

if TYPE_CHECKING:
    from pathlib import Path

    from edged.vault.secret import Secret

# SQLCipher 4: 4096-byte pages that end in an IV and an HMAC-SHA512 of the encrypted bytes, the
# IV and the page number; page 1 begins with the salt. https://www.zetetic.net/sqlcipher/design/
PAGE_BYTES = 4096
_SALT_BYTES = 16
_HMAC_BYTES = 64
_NO_ROOM_BYTES = 1 << 20


def translate(fault: Exception, path: Path) -> StorageError:
    """The error to raise for an error of SQLite; the binding gives nothing but its text."""
    text = str(fault)
    if "is full" in text or ("disk I/O error" in text and _no_room(path)):
        return DiskFull(f"{path}: no room left on its disk; nothing was half-written; free some")
    if "malformed" in text or "not a database" in text:
        return StorageError(f"{path}: damaged; restore it from a backup")
    if "locked" in text or "busy" in text:
        return StorageError(f"{path}: held by another process for too long; close that one")
    if "readonly" in text or "unable to open" in text:
        return StorageError(f"{path}: {text}; check the rights of the file and its folder")
    return StorageError(f"{path}: {text}")


def _no_room(path: Path) -> bool:
    """SQLite calls a full disk an I/O error where it meets it in its shared memory."""
    try:
        return shutil.disk_usage(path.parent).free < _NO_ROOM_BYTES
    except OSError:
        return False


def unreadable(path: Path, key: Secret) -> StorageError:
    """Why a file whose first page does not decrypt will not open."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_SALT_BYTES)
    if head.startswith(b"SQLite format 3"):
        return StorageError(f"{path}: a database that is not encrypted, so none of ours")
    if size == 0 or size % PAGE_BYTES:
        return StorageError(
            f"{path}: cut short, or no database of ours ({size} bytes); restore it from a backup"
        )
    if _any_page_authentic(path, size // PAGE_BYTES, key):
        return StorageError(f"{path}: its first page is damaged; restore it from a backup")
    return WrongKey(
        f"{path}: the key does not open it; it was left as it is; "
        "give the key it was made with, or restore the file from a backup"
    )


def _any_page_authentic(path: Path, pages: int, key: Secret) -> bool:
    """Whether a later page was written with this key; a look at a few is enough."""
    with path.open("rb") as file:
        salt = bytes(byte ^ 0x3A for byte in file.read(_SALT_BYTES))
        mac_key = hashlib.pbkdf2_hmac("sha512", key.reveal(), salt, 2, 32)
        for page in {2, 3, pages // 2, pages - 1, pages}:
            if not 2 <= page <= pages:
                continue
            file.seek((page - 1) * PAGE_BYTES)
            content = file.read(PAGE_BYTES)
            body, found = content[:-_HMAC_BYTES], content[-_HMAC_BYTES:]
            made = hmac.digest(mac_key, body + page.to_bytes(4, "little"), "sha512")
            if hmac.compare_digest(made, found):
                return True
    return False
