"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        _sync(draft)
        path.hardlink_to(draft)  # unlike a rename, a link never replaces what is there
    _sync(path.parent)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
