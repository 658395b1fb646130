"""Files that appear whole or not at all, and files that are made unreadable before they go."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 1 << 20


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """Give an empty draft, mode 0600; it becomes `path` when the block ends well.

    The draft lies in a folder of its own beside `path`, which takes with it whatever else was
    left there. It is on the disk before it gets its name, and so is the name on return.

    Raises:
        FileExistsError: `path` exists by then; it is left as it is.
        OSError: the folder cannot be written.
    """
    with tempfile.TemporaryDirectory(
        dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True
    ) as folder:
        draft = Path(folder) / path.name
        draft.touch(mode=0o600)
        yield draft
        sync(draft)
        path.hardlink_to(draft)  # unlike a rename, a link never replaces what is there
    sync(path.parent)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """As `placed`, but what is at `path` gives way to the draft, in one step."""
    with tempfile.TemporaryDirectory(
        dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True
    ) as folder:
        draft = Path(folder) / path.name
        draft.touch(mode=0o600)
        yield draft
        sync(draft)
        draft.replace(path)
    sync(path.parent)


def shred(path: Path) -> None:
    """Overwrite a file with noise and remove it; safe where there is none.

    Where the disk writes elsewhere than it was told to (flash, snapshots) the old content may
    outlive it: what matters must be worth nothing without a key that lay in a small file.

    Raises:
        OSError: it could not be overwritten or removed; the other one was done if it could be.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError:
        path.unlink()
        raise
    try:
        left = os.fstat(number).st_size
        while left > 0:
            left -= os.write(number, os.urandom(min(left, _AT_ONCE)))
        os.fsync(number)
    finally:
        os.close(number)
        path.unlink()


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk on return."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
