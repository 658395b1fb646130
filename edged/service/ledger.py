"""The report of an import: a line for each image, and where to go on after a power cut."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

from edged.errors import DiskFull, SourceError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

Outcome = Literal["enrolled", "known", "refused"]
_VERSION = 1
_LONGEST_LINE = 100_000
# the rest may end otherwise another time
_FINAL = frozenset({"unreadable", "no_face", "several_faces", "low_quality", "incoherent"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of an image.

    Attributes:
        digest: SHA-256 of its bytes, hex; None where it could not be read.
        reason, text: why it was refused, for programs and for people.
        revision: of the gallery, when it held the person with this image.
    """

    person_id: str
    image: str
    outcome: Outcome
    reason: str | None = None
    text: str | None = None
    quality: float | None = None
    digest: str | None = None
    revision: int | None = None

    @property
    def held(self) -> bool:
        """Whether the gallery was said to hold it."""
        return self.outcome != "refused"


class Ledger:
    """JSON lines in a file of mode 0600, since it names people; None: nothing is written.

    A line is written after what it tells has happened. A torn last line is no line.
    """

    def __init__(self, path: Path | None, model: str) -> None:
        self.path = path
        self._model = model
        self._stack = ExitStack()
        self._file: IO[bytes] | None = None
        self._entries: dict[tuple[str, str], Entry] = {}

    def open(self) -> None:
        """Read what is there and get ready to go on.

        Raises:
            SourceError: it cannot be written, is another kind of file, or in use.
            StorageError: it cannot be read.
        """
        if self.path is None:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            number = os.open(self.path, flags, 0o600)
        except (OSError, ValueError) as fault:
            why = getattr(fault, "strerror", None) or "not a file name"
            raise SourceError(
                f"{self.path}: the report cannot be written: {why}; name another one by --report"
            ) from fault
        self._file = self._stack.enter_context(os.fdopen(number, "r+b", buffering=0))
        try:
            self._check(number)
            self._read()
            self._write({"report": _VERSION, "model": self._model})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file; safe after a failed `open`, and twice."""
        self._file = None
        self._stack.close()

    def entry(self, person_id: str, digest: str) -> Entry | None:
        """What became of this image of this person, by this model, the last time."""
        return self._entries.get((person_id, digest))

    def entries(self) -> list[Entry]:
        """All that is settled, however the gallery may have changed since."""
        return list(self._entries.values())

    def write(self, entries: list[Entry]) -> None:
        """Add lines. The system may lose them with its power: then the images are done again.

        Raises:
            DiskFull, StorageError: they may be there in part.
        """
        lines = []
        for one in entries:
            if one.digest is not None:
                self._entries[one.person_id, one.digest] = one
            told: dict[str, Any] = {"id": one.person_id, "image": one.image, "outcome": one.outcome}
            more = {
                "reason": one.reason,
                "text": one.text,
                "quality": None if one.quality is None else round(one.quality, 4),
                "sha256": one.digest,
                "revision": one.revision,
            }
            lines.append(told | {name: value for name, value in more.items() if value is not None})
        self._write(*lines)

    def _check(self, number: int) -> None:
        about = os.fstat(number)
        if not stat.S_ISREG(about.st_mode):
            raise SourceError(f"{self.path}: the report is to be a file; name one by --report")
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise SourceError(f"{self.path}: another import is writing this report") from fault
        if about.st_mode & 0o077:
            try:
                os.fchmod(number, 0o600)
            except OSError as fault:
                raise SourceError(
                    f"{self.path}: others can read it, and it names people: {fault.strerror}"
                ) from fault

    def _read(self) -> None:
        assert self._file is not None  # noqa: S101  # by open
        model, last, first = None, b"\n", True
        with os.fdopen(os.dup(self._file.fileno()), "rb") as file:
            file.seek(0)
            while line := file.readline(_LONGEST_LINE):
                last = line
                told = _parsed(line)
                if first and (told is None or told.get("report") != _VERSION):
                    raise SourceError(
                        f"{self.path}: is no report of an import; name another file by --report"
                    )
                first = False
                if told is None:
                    continue
                if "report" in told:
                    model = told.get("model")
                elif model == self._model:
                    self._remember(told)
        if not last.endswith(b"\n"):
            self._put(b"\n")

    def _remember(self, told: dict[str, Any]) -> None:
        digest, reason, outcome = told.get("sha256"), told.get("reason"), told.get("outcome")
        if not isinstance(digest, str) or outcome not in ("enrolled", "known", "refused"):
            return
        if outcome == "refused" and reason not in _FINAL:
            return
        entry = Entry(
            str(told.get("id")),
            str(told.get("image")),
            outcome,
            reason,
            told.get("text"),
            told.get("quality"),
            digest,
            told["revision"] if isinstance(told.get("revision"), int) else None,
        )
        self._entries[entry.person_id, digest] = entry

    def _write(self, *lines: dict[str, Any]) -> None:
        if self._file is not None and lines:
            self._put("".join(json.dumps(line) + "\n" for line in lines).encode())

    def _put(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101  # by open
        try:
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        except OSError as fault:
            kind = DiskFull if fault.errno in (28, 122) else StorageError
            raise kind(f"{self.path}: the report cannot be written: {fault.strerror}") from fault


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
