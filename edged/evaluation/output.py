"""Files that a long measurement will write: checked before, and whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edged.errors import DiskFull, EvaluationError
from edged.evaluation.files import shown

_FULL = 28  # ENOSPC


def writable(path: Path) -> None:
    """Raises EvaluationError unless a file of this name can be written."""
    try:
        if path.is_dir():
            raise EvaluationError(f"{shown(path)}: is a folder; name a file")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".edged-"):
            pass
    except OSError as fault:
        raise EvaluationError(f"{shown(path)}: cannot be written: {fault.strerror}") from fault


def write(path: Path, text: str) -> None:
    """Put a text where `path` is, mode 0600; what was there is replaced.

    Raises:
        DiskFull, EvaluationError: it cannot be written; what was there is left.
    """
    draft = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".edged-", encoding="utf-8", delete=False
        ) as file:
            draft = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as fault:
        if draft is not None:
            draft.unlink(missing_ok=True)
        if fault.errno == _FULL:
            raise DiskFull(f"{shown(path)}: no room left on the disk") from fault
        raise EvaluationError(f"{shown(path)}: cannot be written: {fault.strerror}") from fault
