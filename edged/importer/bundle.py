"""A folder that becomes a bundle, or nothing: manifest, card, licences, digests."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from edged.bundle.read import MANIFEST_NAME
from edged.errors import BundleError, DiskFull, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target` that takes its name when the block is done.

    Whatever goes wrong, or interrupts, it is removed and `target` does not exist.

    Raises:
        BundleError: `target` exists.
        DiskFull, StorageError: it cannot be written.
    """
    refuse_existing(target)
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with _writing(target):
            yield folder
            refuse_existing(target)
            folder.chmod(0o755)
            for path in folder.iterdir():
                _to_disk(path)
            folder.rename(target)
            _to_disk(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_existing(target: Path) -> None:
    """Raises BundleError where there is something already: nothing is ever overwritten."""
    if target.exists() or target.is_symlink():
        raise BundleError(f"{target}: exists already; name another folder with --out, or remove it")


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"{target}: the disk is full; nothing was left behind") from fault
        raise StorageError(f"{target}: cannot be written: {fault.strerror or fault}") from fault


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sha256(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Finish a bundle: the manifest with the digest of every file that lies beside it."""
    path = folder / MANIFEST_NAME
    files = sorted(file for file in folder.iterdir() if file.is_file() and file != path)
    whole = manifest | {"files": {file.name: sha256(file) for file in files}}
    text = yaml.safe_dump(whole, sort_keys=False, width=100, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
