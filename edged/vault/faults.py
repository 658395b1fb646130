"""What SQLite says, in this project's errors, and what is wrong with a file that will not open."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edged.errors import DiskFull, StorageError, WrongKey
from edged.vault.note import halfway

if TYPE_CHECKING:
    from pathlib import Path

    from edged.vault.secret import Secret

# SQLCipher 4: 4096-byte pages that end in an IV and an HMAC-SHA512 of the encrypted bytes, the
# IV and the page number; page 1 begins with the salt. https://www.zetetic.net/sqlcipher/design/
PAGE_BYTES = 4096
_SALT_BYTES = 16
_NO_ROOM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """The pages of an encrypted file; as they stand here those of SQLCipher 4.

    Attributes:
        page_bytes: large pages are read faster, small ones written with less.
        mac: what each page is authenticated with; ``sha256`` is fast where the processor knows it.
    """

    page_bytes: int = PAGE_BYTES
    mac: Literal["sha512", "sha256"] = "sha512"


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


def unreadable(path: Path, key: Secret, layout: Layout) -> StorageError:
    """Why a file whose first page does not decrypt will not open."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_SALT_BYTES)
    if head.startswith(b"SQLite format 3"):
        return StorageError(f"{path}: a database that is not encrypted, so none of ours")
    if size == 0 or size % layout.page_bytes:
        return StorageError(
            f"{path}: cut short, or no database of ours ({size} bytes); restore it from a backup"
        )
    if _any_page_authentic(path, size // layout.page_bytes, key, layout):
        return StorageError(f"{path}: its first page is damaged; restore it from a backup")
    otherwise = "give the key it was made with, or restore the file from a backup"
    return WrongKey(
        f"{path}: the key does not open it; it was left as it is; {halfway(path, key) or otherwise}"
    )


def _any_page_authentic(path: Path, pages: int, key: Secret, layout: Layout) -> bool:
    """Whether a later page was written with this key; a look at a few is enough."""
    with path.open("rb") as file:
        salt = bytes(byte ^ 0x3A for byte in file.read(_SALT_BYTES))
        mac_key = hashlib.pbkdf2_hmac("sha512", key.reveal(), salt, 2, 32)
        for page in {2, 3, pages // 2, pages - 1, pages}:
            if not 2 <= page <= pages:
                continue
            file.seek((page - 1) * layout.page_bytes)
            content = file.read(layout.page_bytes)
            mac_bytes = hashlib.new(layout.mac).digest_size
            body, found = content[:-mac_bytes], content[-mac_bytes:]
            made = hmac.digest(mac_key, body + page.to_bytes(4, "little"), layout.mac)
            if hmac.compare_digest(made, found):
                return True
    return False
