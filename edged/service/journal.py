"""Events on their way to the outbox, and what the door does when one cannot be recorded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edged.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.events.outbox import Outbox
    from edged.events.types import Event
    from edged.service.state import State

log = logging.getLogger(__name__)


class Journal:
    """Records events; a store that refuses is reported once, and once when it is back.

    Attributes:
        on_record: told of every event, recorded or not, by whichever thread it is; must return
            at once.
    """

    def __init__(self, outbox: Outbox, state: State) -> None:
        self._outbox = outbox
        self._state = state
        self.on_record: Callable[[str, Mapping[str, Any]], None] = lambda _type, _data: None

    def record(self, type: str, **data: Any) -> Event | None:  # noqa: A002 the field's name
        """Write an event to the disk; None when that failed, which `State` then says."""
        self.on_record(type, data)
        try:
            event = self._outbox.append(type, data)
        except StorageError as fault:
            if self._state.degrade("events", str(fault)):
                log.error("events cannot be recorded: %s", fault)
            return None
        if self._state.restore("events"):
            log.warning("events are recorded again")
        return event
