"""The trusted time at work: told in the state, and on the record when the clock is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.events.trusted import TrustedTime
    from edged.service.journal import Journal
    from edged.service.state import State


class Timekeeping:
    """Called by the supervisor."""

    def __init__(self, time: TrustedTime, journal: Journal, state: State) -> None:
        self._time = time
        self._journal = journal
        self._state = state

    def tick(self) -> None:
        """Follow the clock; tell what is news."""
        jump = self._time.tick()
        self._state.set(timekeeping=self._time.document())
        problem = self._time.problem
        if problem is not None:
            self._state.degrade("clock", problem)
        else:
            self._state.restore("clock")
        if jump is not None:
            self._journal.record("clock.jumped", **jump.document())
