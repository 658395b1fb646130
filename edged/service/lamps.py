"""Which state the lamps and buzzers show."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edged.decision.presentation import Phase
from edged.door.signals import Signals
from edged.service.display import Display

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edged.config import schema
    from edged.service.state import State

_BLIND = frozenset({"camera", "runtime", "pipeline"})
"""Without one of these nobody is looked at, whatever was shown last."""


def states_of(display: Display, degraded: Iterable[str]) -> tuple[str, ...]:
    """What is to be shown, best first: a table need not have every state.

    Args:
        display: what the person is to see.
        degraded: the parts that do not work.
    """
    troubled = set(degraded)
    if troubled & _BLIND:
        return ("degraded",)
    if display.enrolling:
        return ("enrolling", "gathering")
    if display.phase is Phase.IDLE:
        return ("degraded", "idle") if troubled else ("idle",)
    if display.phase is Phase.GATHERING and display.instruction is not None:
        return ("instruction", "gathering")
    return (display.phase.value,)


class Lamps:
    """The lamps of a terminal, if it has any: off until something is shown.

    Args:
        settings: the table; None: there are no lamps.
        state: what is degraded; a lamp that fails is told of there.
    """

    def __init__(self, settings: schema.Signals | None, state: State) -> None:
        self._state = state
        self._signals = None if settings is None else Signals(settings, self._faulty)
        self._lock = threading.Lock()
        self._display = Display(Phase.IDLE)

    def open(self) -> None:
        """Begin; lamps that fail are degraded, and no error."""
        if self._signals is not None:
            self._signals.open()

    def close(self) -> None:
        """All off; safe without `open` and twice."""
        if self._signals is not None:
            self._signals.close()

    def show(self, display: Display | None = None) -> None:
        """Show this, or the same as before with what has become degraded; returns at once."""
        if self._signals is None:
            return
        with self._lock:  # else an older view could be shown after a newer one
            self._display = display or self._display
            self._signals.show(*states_of(self._display, self._state.degraded))

    def _faulty(self, fault: str | None) -> None:
        if fault is None:
            self._state.restore("signals")
        else:
            self._state.degrade("signals", fault)
