"""All readers of the terminal: opened, listened to, told of when one is lost."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

from edged.errors import ReaderError
from edged.readers.table import make_reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.access.request import Reading
    from edged.config.schema import Config
    from edged.mqtt.catalogue import Handler
    from edged.readers.reader import Cue, Reader
    from edged.service.journal import Journal
    from edged.service.state import State

log = logging.getLogger(__name__)

PART = "readers"
_SETTLING = "not read yet"


class Readers:
    """A `Part`. A terminal with a reader that cannot be used serves those who need none.

    Args:
        on_reading: called on the readers' threads, with what was read; returns soon.
    """

    def __init__(
        self,
        config: Config,
        on_reading: Callable[[Reading], None],
        journal: Journal,
        state: State,
    ) -> None:
        self._config = config
        self._on_reading = on_reading
        self._journal = journal
        self._state = state
        self._readers: dict[str, Reader] = {}
        self._lock = threading.Lock()
        self._faults: dict[str, str | None] = {}
        self._lost: set[str] = set()

    def open(self) -> None:
        access = self._config.access
        direction = "in" if access is None else access.direction
        for name, settings in self._config.readers.items():
            self._faults[name] = _SETTLING
            reader = make_reader(name, settings, direction)
            self._readers[name] = reader
            try:
                reader.open(self._on_reading, partial(self._told, name))
            except ReaderError as fault:
                self._told(name, str(fault))

    def cue(self, name: str, cue: Cue) -> None:
        """Have a reader show something; one that there is not, such as the page, shows nothing."""
        reader = self._readers.get(name)
        if reader is not None:
            reader.cue(cue)

    def document(self) -> dict[str, str]:
        """By name "ok", or what is wrong."""
        with self._lock:
            return {name: fault or "ok" for name, fault in self._faults.items()}

    def tick(self) -> None:
        return

    def handlers(self) -> dict[str, Handler]:
        return {}

    def close(self) -> None:
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            reader.close()

    def _told(self, name: str, fault: str | None) -> None:
        """By a reader's thread."""
        with self._lock:
            self._faults[name] = fault
            wrong = {who: why for who, why in self._faults.items() if why not in (None, _SETTLING)}
            news = (fault is not None) != (name in self._lost)
            (self._lost.discard if fault is None else self._lost.add)(name)
            if wrong:
                why = "; ".join(f"{who}: {what}" for who, what in sorted(wrong.items()))
                self._state.degrade(PART, why)
            else:
                self._state.restore(PART)
        self._state.set(readers=self.document())
        if not news:
            return
        if fault is None:
            log.warning("reader %s is back", name)
            self._journal.record("reader.back", reader=name)
        else:
            log.error("reader %s: %s", name, fault)
            self._journal.record("reader.lost", reader=name, reason=fault)
