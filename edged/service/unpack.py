"""An archive of a bundle's folder, unpacked without trusting it."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from edged.bundle.read import MANIFEST_NAME
from edged.bundle.store import writing
from edged.errors import BundleError, DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES = 64
MOST_BYTES = 512 << 20
_MOST_AT_ONCE = 1 << 20  # what tarfile reads at once of a header that lies about its length
_SPARE_BYTES = 16 << 20
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, gzip.BadGzipFile)


class _Careful(gzip.GzipFile):
    """Refuses to fill the memory because a header says so."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MOST_AT_ONCE:
            raise tarfile.ReadError("a header that is larger than any name")
        return super().read(size)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a .tar.gz of a bundle's folder, or of what is in it.

    Plain files and folders only, at most 64 and 512 MB of them; nothing outside of `folder`,
    nothing executable for others, no owner.

    Args:
        folder: is made; it must not be there.

    Returns:
        The folder that holds the manifest.

    Raises:
        BundleError: damaged, or there is something in it that does not belong there.
        DiskFull, StorageError: it cannot be written.
    """
    with writing(folder):
        folder.mkdir(mode=0o700)
        try:
            with _Careful(archive, "rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in _members(tar, folder):
                    _put(tar, member, _within(folder, member.name))
        except _DAMAGED as fault:
            raise BundleError(f"the archive cannot be unpacked: {fault}") from fault
    places = [folder, *(path for path in sorted(folder.iterdir()) if path.is_dir())]
    for place in places:
        if (place / MANIFEST_NAME).is_file():
            return place
    raise BundleError(f"the archive holds no {MANIFEST_NAME}; pack a bundle's folder")


def _within(folder: Path, name: str) -> Path:
    """Where a member goes; an absolute name is taken as one below the folder."""
    path = folder.joinpath(*(part for part in name.split("/") if part not in ("", ".")))
    if ".." in path.parts:
        raise BundleError("the archive holds a name that leads outside of it")
    return path


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Content alone, neither owner nor mode nor time; Python 3.11.2 has no filters of its own."""
    if member.isdir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise BundleError("the archive holds a link or a device; pack plain files only")
    with source, path.open("xb") as target:
        shutil.copyfileobj(source, target)


def _members(tar: tarfile.TarFile, folder: Path) -> Iterator[tarfile.TarInfo]:
    """Each member, once it is known to be harmless and to find room."""
    number = total = 0
    seen: set[str] = set()
    free = shutil.disk_usage(folder).free - _SPARE_BYTES
    for member in tar:
        number, total = number + 1, total + member.size
        name = str(Path(member.name))
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise BundleError("the archive holds a link or a device; pack plain files only")
        if number > MOST_FILES or total > MOST_BYTES:
            raise BundleError(
                f"the archive holds more than {MOST_FILES} files or {MOST_BYTES >> 20} MB"
            )
        if member.isreg() and name in seen:
            raise BundleError("the archive holds a file twice")
        if total > free:
            raise DiskFull(f"{folder}: no room to unpack the archive; free some")
        seen.add(name)
        yield member
