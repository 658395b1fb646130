"""No relay: a record of what would have happened."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from edged.errors import DoorError

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path


class SimulatedLine:
    """Writes ``{"t": …, "relay": "on" | "off" | "rest", "cause": …}``, one JSON object a line.

    Args:
        record: appended to line by line, unbuffered; None keeps the record in memory only.
        name: what is switched, instead of "relay".
        setting: which setting names the record, for messages.

    Attributes:
        history: what was written since this object was made (not more than the last 1,000).
    """

    def __init__(
        self, record: Path | None = None, name: str = "relay", setting: str = "door.record"
    ) -> None:
        self._name = name
        self._setting = setting
        self.history: list[dict[str, Any]] = []
        self._path = record
        self._file: FileIO | None = None
        self._taken = False

    def take(self) -> None:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
            except OSError as failure:
                raise DoorError(
                    f"{self._setting} {self._path} cannot be written: {failure.strerror}; "
                    "choose a file in a folder that edged may write to"
                ) from failure
        self._taken = True
        try:
            self._note("rest", "open")
        except DoorError:
            self._abandon()
            raise

    def switch(self, on: bool, cause: str) -> None:
        self._note("on" if on else "off", cause)

    def free(self) -> None:
        if not self._taken:
            return
        try:
            self._note("rest", "close")
        finally:
            self._abandon()

    def describe(self) -> dict[str, Any]:
        return {"driver": "simulated", "record": str(self._path) if self._path else None}

    def _abandon(self) -> None:
        self._taken = False
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as failure:
                raise DoorError(f"{self._setting} {self._path}: {failure.strerror}") from failure

    def _note(self, level: str, cause: str) -> None:
        line = {"t": round(time.time(), 3), self._name: level, "cause": cause}
        self.history = [*self.history[-999:], line]
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(line).encode() + b"\n")
        except OSError as failure:
            raise DoorError(f"{self._setting} {self._path}: {failure.strerror}") from failure
