"""Where installed bundles are kept, and which of them is in force.

::

    <store>/<name>/in-force.json      {"current": "1.1.0-x3k9…", "previous": "1.0.0-p0q2…"}
    <store>/<name>/1.1.0-x3k9…/       a bundle; never changed once it is in force
    <store>/<name>/1.0.0-p0q2…/       the one before; what is in neither place is rubbish

Rubbish goes at the next change, unless a process holds it: a terminal opens again after a fault
what it opened at its start, whatever is in force by then.

The small file is replaced in one step, and that is the whole switch: whatever happens on the way,
either the old bundles or the new ones are in force. Nothing in the store is trusted; a bundle is
judged like any other each time it is loaded.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.errors import BundleError, DiskFull, EdgedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_POINTER = "in-force.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SPARE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_Folder = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+_-]{0,99}$")]


class InForce(BaseModel):
    """Which folders are used: the current one, and what it replaced (None: what ships)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    current: _Folder
    previous: _Folder | None = None


def installed(store: Path, name: str) -> list[Path]:
    """The folders of the bundle in force and of the one before it; empty when none is installed.

    Raises:
        BundleError: the store cannot be read, or does not say which is in force.
    """
    if not _NAME.fullmatch(name):
        return []
    shelf = Shelf(store, name)
    found = shelf.read()
    if found is None:
        return []
    return [shelf.folder / entry for entry in (found.current, found.previous) if entry]


def names(store: Path) -> list[str]:
    """What has a place in the store, in order; raises BundleError when it cannot be read."""
    try:
        return sorted(path.name for path in store.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise BundleError(f"{store}: cannot be read: {fault.strerror}") from fault


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Nobody else changes the store meanwhile; it is made where it is missing.

    Raises:
        StorageError: somebody else does, it cannot be made, or it is not this user's.
    """
    with writing(store):
        _make_sure_it_is_ours(store)
        _make(store)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        number = os.open(store / ".lock", flags, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise StorageError(
                f"{store}: another `edged model` changes it; try again when that is done"
            ) from fault
        yield
    finally:
        os.close(number)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses is a StorageError; DiskFull where there is no room."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _NO_ROOM:
            raise DiskFull(
                f"{path}: no room left on its disk; what was in force still is; free some"
            ) from fault
        raise StorageError(f"{fault.filename or path}: {fault.strerror}") from fault


def hold(folder: Path) -> int:
    """Keep a bundle's folder from being pruned while the returned descriptor is open.

    Raises:
        BundleError: it has gone, or is just being removed.
    """
    number = -1
    try:
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as fault:
        if number >= 0:
            os.close(number)
        raise BundleError(f"{folder}: cannot be kept open: {fault.strerror}") from fault
    return number


class Shelf:
    """One name's place in the store. Change it only while the store is `locked`."""

    def __init__(self, store: Path, name: str) -> None:
        self.folder = store / name

    def read(self) -> InForce | None:
        """What is in force; None when nothing was installed. See `installed` for the errors."""
        path = self.folder / _POINTER
        try:
            with path.open("rb") as file:
                return InForce.model_validate_json(file.read(4096))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            raise BundleError(
                f"{path}: cannot be read: {fault.strerror}; it belongs to the service's user"
            ) from fault
        except ValidationError as fault:
            raise BundleError(f"{path}: damaged; install the bundle again") from fault

    def write(self, value: InForce | None) -> None:
        """Put other folders in force, in one step; None: nothing is installed any more."""
        path = self.folder / _POINTER
        if value is None:
            path.unlink(missing_ok=True)
        else:
            number, draft = tempfile.mkstemp(prefix=".draft-", dir=self.folder)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(value.model_dump_json().encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(draft).replace(path)
            except BaseException:
                _remove(Path(draft))
                raise
        _sync(self.folder)

    def copy(self, source: Path, files: Iterable[str], version: str) -> Path:
        """Copy a bundle's files into a new folder, which is on the disk on return.

        Raises:
            BundleError: a file is a link, or nothing that can be copied.
            DiskFull: there is no room; nothing stays behind.
            OSError: it cannot be written; likewise.
        """
        listed = list(files)
        _make(self.folder)
        self._make_sure_of_room(source, listed)
        folder = Path(tempfile.mkdtemp(prefix=f"{version[:40]}-", dir=self.folder))
        try:
            for name in listed:
                _copy(source / name, folder / name)
            _sync(folder)
            _sync(self.folder)
        except BaseException:
            _remove(folder)
            raise
        return folder

    def discard(self, folder: Path) -> None:
        """Remove one folder, unless it is in force."""
        with suppress(BundleError):
            found = self.read()
            if found and found.current == folder.name:
                return
        _remove(folder)

    def prune(self) -> None:
        """Remove what is not in force, was not before and nobody holds."""
        try:
            found = self.read()
        except EdgedError:  # when it does not say what is in force, nothing is rubbish
            return
        kept = {_POINTER, found.current, found.previous} if found else {_POINTER}
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path.name not in kept and not _held(path):
                    _remove(path)
            if not found:
                self.folder.rmdir()

    def _make_sure_of_room(self, source: Path, files: list[str]) -> None:
        need = sum((source / name).lstat().st_size for name in files) + _SPARE_BYTES
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise DiskFull(
                f"{self.folder}: the bundle needs {need:,} bytes and {free:,} are free; "
                "what was in force still is; free some"
            )


def _make_sure_it_is_ours(store: Path) -> None:
    """Whatever is copied belongs to whoever copies it and is for nobody else to read; root can
    write everywhere, so where the store is still to be made its place counts for root."""
    there = next(path for path in (store, *store.absolute().parents) if path.exists())
    owner, me = there.stat().st_uid, os.geteuid()
    if owner != me and (there == store or me == 0):
        raise StorageError(
            f"{store}: belongs to uid {owner} and this is uid {me}, whose files the service could "
            "not read; run it as the service's user: sudo edged-as-service model …"
        )


def _make(folder: Path) -> None:
    """A folder that only we enter, on the disk on return."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(folder.parent)


def _copy(source: Path, target: Path) -> None:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        number = os.open(source, flags)
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            raise BundleError(f"{source}: is a link; put the file itself in its place") from fault
        raise
    with os.fdopen(number, "rb") as reader, target.open("xb") as writer:
        if not stat.S_ISREG(os.fstat(reader.fileno()).st_mode):
            raise BundleError(f"{source}: is not a plain file")
        target.chmod(0o600)
        shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
        writer.flush()
        os.fsync(writer.fileno())


def _held(path: Path) -> bool:
    """Who takes hold of it from now on finds that it has gone, at the latest as it is opened."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(number)
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
