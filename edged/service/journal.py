"""Events on their way to the outbox, and what the door does when one cannot be recorded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edged.errors import StorageError

if TYPE_CHECKING:
    from edged.events.outbox import Outbox
    from edged.events.types import Event
    from edged.service.state import State

log = logging.getLogger(__name__)


class Journal:
    """Records events; a store that refuses is reported once, and once when it is back."""

    def __init__(self, outbox: Outbox, state: State) -> None:
        self._outbox = outbox
        self._state = state

    def record(self, type: str, **data: Any) -> Event | None:  # noqa: A002 the field's name
        """Write an event to the disk; None when that failed, which `State` then says."""
        try:
            event = self._outbox.append(type, data)
        except StorageError as fault:
            if self._state.degrade("events", str(fault)):
                log.error("events cannot be recorded: %s", fault)
            return None
        if self._state.restore("events"):
            log.warning("events are recorded again")
        return event
