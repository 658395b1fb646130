"""The site's side of ``model.chunk``: an archive of a bundle, and the pieces that are missing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import tarfile
from typing import TYPE_CHECKING, Any

from edged.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CHUNK_BYTES = 45_000
"""As many as fit into one command, base64 and the signature's included."""

MOST_BYTES = 512 << 20
_AT_ONCE = 1 << 20


def pack(folder: Path, archive: Path) -> str:
    """Make a .tar.gz of a bundle's folder; the same folder makes the same archive.

    Returns:
        Its SHA-256, hex.

    Raises:
        BundleError: the folder holds something else than plain files, or cannot be read.
    """
    try:
        with (
            archive.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for path in sorted(folder.iterdir()):
                if path.is_symlink() or not path.is_file():
                    raise BundleError(f"{path}: not a plain file; a bundle holds nothing else")
                tar.add(path, path.name, filter=_plain)
    except (OSError, ValueError, tarfile.TarError) as fault:
        raise BundleError(f"{folder}: cannot be packed: {fault}") from fault
    return digest_of(archive)


def digest_of(archive: Path) -> str:
    """SHA-256 of a file, hex.

    Raises:
        BundleError: it cannot be read, is empty, or is larger than a terminal takes.
    """
    digest = hashlib.sha256()
    try:
        size = archive.stat().st_size
        with archive.open("rb") as file:
            while block := file.read(_AT_ONCE):
                digest.update(block)
    except OSError as fault:
        raise BundleError(f"{archive}: cannot be read: {fault.strerror}") from fault
    if not 0 < size <= MOST_BYTES:
        raise BundleError(f"{archive}: has {size:,} bytes; a terminal takes 1 to {MOST_BYTES:,}")
    return digest.hexdigest()


def chunks(
    archive: Path, sha256: str, missing: Iterable[tuple[int, int]] | None = None
) -> Iterator[dict[str, Any]]:
    """The arguments of one ``model.chunk`` after the other.

    Wait for each reply: its `data` says what is missing (``missing``, the first spans; ask again
    with them until ``complete``). A reply ``refused`` with reason ``too_often`` or ``busy`` is to
    be sent again a moment later.

    Args:
        sha256: as `digest_of` tells it.
        missing: spans of bytes, ends excluded; None: everything.
    """
    size = archive.stat().st_size
    with archive.open("rb") as file:
        for start, end in [(0, size)] if missing is None else missing:
            file.seek(start)
            for offset in range(start, min(end, size), CHUNK_BYTES):
                data = file.read(min(CHUNK_BYTES, end - offset))
                yield {
                    "sha256": sha256,
                    "size": size,
                    "offset": offset,
                    "data": base64.b64encode(data).decode("ascii"),
                }


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime, member.mode = 0, 0o644
    return member
