"""Refusals on the record: each, unless there is a flood of them; then how many there were."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from edged.errors import StorageError
from edged.mqtt.bucket import Bucket

if TYPE_CHECKING:
    from edged.mqtt.auth import Refusal
    from edged.mqtt.gate import Case, Records

_log = logging.getLogger(__name__)
_REFUSALS_HZ, _REFUSALS_BURST = 0.2, 20
_MANY = "refused without a record of each"


class Refusals:
    """Writes ``command.refused`` events; for any thread, of which `skip` never waits.

    Args:
        outbox: takes them.
    """

    def __init__(self, outbox: Records) -> None:
        self._outbox = outbox
        self._bucket = Bucket(_REFUSALS_HZ, _REFUSALS_BURST)
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._skipped = 0

    @property
    def skipped(self) -> int:
        """How many are not on the record yet."""
        return self._skipped

    def skip(self) -> None:
        """One was refused, or dropped, that is only counted."""
        with self._lock:
            self._skipped += 1

    def note(self, case: Case, refusal: Refusal) -> None:
        """One was refused."""
        with self._writing:
            told = self._bucket.take() and self._write(
                case.name, case.id, case.key_id, refusal.reason, refusal.text
            )
        if not told:
            self.skip()

    def flush(self, *, at_once: bool = False) -> None:
        """Record how many are not on the record, if there is none to tell it with."""
        with self._writing:
            if self._skipped and (at_once or self._bucket.take()):
                self._write(None, None, None, "many", _MANY)

    def _write(
        self, command: str | None, nonce: str | None, key: str | None, reason: str, text: str
    ) -> bool:
        told = self._skipped
        data = {"command": command, "id": nonce, "key": key, "reason": reason, "text": text}
        try:
            self._outbox.append("command.refused", {**data, "unrecorded": told})
        except StorageError as fault:
            _log.error("a refused command could not be recorded: %s", fault)
            return False
        with self._lock:
            self._skipped -= told
        return True
