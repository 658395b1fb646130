"""What was heard, in a file: a line is a topic and a message, as ``mosquitto_sub -v`` prints it.

The file only grows; what it holds is on the disk before the broker is told so. Beside it lies
``<name>.seen``: which events were taken, so that a restart need not read everything again. It is
read up to where the file was then, and what came after from the file itself.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from edged.errors import StorageError
from edged.vault.files import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from io import FileIO
    from pathlib import Path

_EVERY = 5000
_LONGEST_LINE = 4 * 1024 * 1024


class Capture:
    """An open capture.

    Args:
        path: made if it is missing.
        known: told what the file holds already: topic and message of each whole line.
        restore: told what the note beside it says.
        document: what goes into that note.
    """

    def __init__(
        self,
        path: Path,
        known: Callable[[str, dict[str, Any]], None],
        restore: Callable[[Any], None],
        document: Callable[[], Any],
    ) -> None:
        self._path = path
        self._note = path.with_name(f"{path.name}.seen")
        self._known = known
        self._restore = restore
        self._document = document
        self._file: FileIO | None = None
        self._since = 0

    def open(self) -> None:
        """Take what is there, and go on behind it; a line that was cut off is taken away.

        Raises:
            StorageError: it cannot be read or written, or somebody else writes it.
        """
        try:
            with ExitStack() as failing:
                file = failing.enter_context(self._path.open("ab", buffering=0))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                size = self._read_all()
                file.truncate(size)
                os.fsync(file.fileno())
                self._write_note(size)  # the place in an older file means nothing in this one
                failing.pop_all()
                self._file = file
        except BlockingIOError as fault:
            raise StorageError(f"{self._path}: somebody else is writing it") from fault
        except OSError as fault:
            raise StorageError(f"{self._path}: cannot be used: {fault.strerror}") from fault

    def _read_all(self) -> int:
        """Read what the note does not know; how much of the file is whole lines."""
        with self._path.open("rb") as file:
            whole = file.seek(self._noted(file.seek(0, os.SEEK_END)))
            while (line := file.readline(_LONGEST_LINE)).endswith(b"\n"):
                whole += len(line)
                self._read(line)
            return whole

    def close(self, *, whole: bool = True) -> None:
        """Safe twice and after a failed `open`.

        Args:
            whole: all that counts as taken is in the file. If not, the older note stays, and what
                came after it is read from the file the next time.
        """
        file, self._file = self._file, None
        if file is not None:
            try:
                if whole:
                    self._write_note(os.fstat(file.fileno()).st_size)
            finally:
                file.close()

    def add(self, lines: Iterable[tuple[str, bytes]]) -> None:
        """Write topics and messages; they are on the disk on return.

        Raises:
            StorageError: the disk does not take them; none of them may be acknowledged.
        """
        file = self._file
        if file is None:
            raise StorageError(f"{self._path}: is closed")
        # a message is JSON: a line feed in it is only ever a blank
        text = b"".join(b"%s %s\n" % (t.encode(), m.replace(b"\n", b" ")) for t, m in lines)
        if not text:
            return
        before = os.fstat(file.fileno()).st_size
        try:
            _write(file, text)
        except OSError as fault:
            file.truncate(before)
            raise StorageError(f"{self._path}: cannot be written: {fault.strerror}") from fault
        self._since += text.count(b"\n")
        if self._since >= _EVERY:
            self._write_note(before + len(text))

    def _read(self, line: bytes) -> None:
        topic, _, text = line.decode("utf-8", "replace").partition(" ")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        if isinstance(message, dict):
            self._known(topic, message)

    def _noted(self, size: int) -> int:
        """Where to read on from: behind what the note knows. What it knows counts also where the
        file was moved away meanwhile (logrotate)."""
        try:
            note = json.loads(self._note.read_bytes())
            offset = int(note["offset"])
            self._restore(note["seen"])
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return 0
        return offset if 0 <= offset <= size else 0

    def _write_note(self, offset: int) -> None:
        self._since = 0
        try:
            with replaced(self._note) as draft:
                draft.write_text(json.dumps({"offset": offset, "seen": self._document()}))
        except OSError as fault:
            raise StorageError(f"{self._note}: cannot be written: {fault.strerror}") from fault


def _write(file: FileIO, text: bytes) -> None:
    if file.write(text) != len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())
