"""What became of each photo at each terminal, so that nothing is sent twice for nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TextIO

from edged.errors import StorageError
from edged.vault.files import sync

if TYPE_CHECKING:
    from pathlib import Path

_FIELDS = ("terminal", "person_id", "digest", "outcome", "reason")


@dataclass(frozen=True, slots=True)
class Line:
    """One photo at one terminal.

    Attributes:
        digest: of the photo and of what was said of the person; "" for all of theirs.
        outcome: ``enrolled``, ``known``, ``refused`` or ``removed``.
    """

    terminal: str
    person_id: str
    digest: str
    outcome: str
    reason: str = ""


class Roll:
    """A file of lines, the newest of which counts. It names people: it belongs where their
    photos are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._lines: dict[tuple[str, str], dict[str, Line]] = {}

    def open(self) -> None:
        """Read what there is; a line that was cut off is as if it had never been.

        Raises:
            StorageError: the file cannot be read or written.
        """
        try:
            if self._path.exists():
                with self._path.open(encoding="utf-8", errors="replace") as file:
                    for text in file:
                        self._note(text)
            self._file = self._path.open("a", encoding="utf-8")
            self._path.chmod(0o600)
            if self._file.tell():
                self._file.write("\n")  # after one that was cut off
        except OSError as fault:
            raise StorageError(f"{self._path}: cannot be written: {fault.strerror}") from fault

    def close(self) -> None:
        """Have it all on the disk; safe twice."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            sync(self._path)

    def of(self, terminal: str, person_id: str, digest: str) -> Line | None:
        """What became of it."""
        return self._lines.get((terminal, person_id), {}).get(digest)

    def held(self, terminal: str) -> list[str]:
        """Who is enrolled at a terminal by this roll."""
        return [
            person_id
            for (name, person_id), lines in self._lines.items()
            if name == terminal
            and any(line.outcome in {"enrolled", "known"} for line in lines.values())
        ]

    def add(self, line: Line) -> None:
        """Remember it.

        Raises:
            StorageError: the disk does not take it.
        """
        self._take(line)
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(asdict(line)) + "\n")
            self._file.flush()
        except OSError as fault:
            raise StorageError(f"{self._path}: cannot be written: {fault.strerror}") from fault

    def _take(self, line: Line) -> None:
        place = self._lines.setdefault((line.terminal, line.person_id), {})
        if line.outcome == "removed":
            place.clear()
        else:
            place[line.digest] = line

    def _note(self, text: str) -> None:
        try:
            found = json.loads(text)
            self._take(Line(*(str(found[name]) for name in _FIELDS)))
        except (ValueError, TypeError, LookupError, RecursionError):
            return
