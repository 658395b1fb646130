"""Lamps and buzzers that tell how things stand, on a thread of their own."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from edged.door.gpio import GpioLine, Wire
from edged.door.pattern import level
from edged.door.simulated import SimulatedLine
from edged.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.schema import Pulses
    from edged.config.schema import Signals as Settings
    from edged.door.door import Line

log = logging.getLogger(__name__)
_RETRY_S = 2.0
_CLOSE_S = 2.0


class _Lamp:
    """A line that is off until told otherwise, and is tried again when it fails."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._taken = False
        self._on = False
        self._again_s = float("-inf")
        self.fault: str | None = None

    def drive(self, *, on: bool, cause: str, now_s: float) -> None:
        """Make it so; what fails is tried again after a while."""
        if now_s < self._again_s or (self._taken and on == self._on):
            return
        try:
            if not self._taken:
                self._line.take()
                self._taken, self._on = True, False
            if on != self._on:
                self._line.switch(on, cause)
                self._on = on
        except DoorError as failure:
            self.fault = str(failure)
            self._again_s = now_s + _RETRY_S
            self._taken = True  # half taken is possible
            self.free()
        else:
            self.fault = None

    def free(self) -> None:
        """Off, and let go."""
        if not self._taken:
            return
        self._taken = self._on = False
        try:
            self._line.free()
        except DoorError as failure:
            self.fault = str(failure)


class Signals:
    """Shows the newest state; nothing queues, and whoever tells it never waits for a lamp.

    A lamp that does not obey is told of and tried again every two seconds; the others go on. The
    lines are off before the first state, after `close`, and when the thread dies. It never
    touches the door.

    Args:
        settings: the table.
        on_fault: called from the thread with the reason when a lamp fails or the reason is
            another, and with None when all obey again.
    """

    def __init__(
        self, settings: Settings, on_fault: Callable[[str | None], None] = lambda _: None
    ) -> None:
        self._settings = settings
        self._on_fault = on_fault
        self._lamps = {name: _Lamp(line) for name, line in _lines(settings).items()}
        self._changed = threading.Condition()
        self._closing = False
        self._state = "off"
        self._since_s = 0.0
        self._told: str | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin, with everything off. A lamp that fails is no error: see ``on_fault``."""
        if self._thread is not None:
            return
        self._closing, self._state = False, "off"
        thread = threading.Thread(target=self._guarded, name="signals", daemon=True)
        try:
            thread.start()
        except RuntimeError as failure:
            self._tell(f"no thread for the lamps: {failure}; free some memory")
        else:
            self._thread = thread

    def show(self, *states: str) -> None:
        """Show the first of these states that the table has; all off where it has none.

        From any thread; returns at once. A state that is shown already goes on as it is.
        """
        state = next((name for name in states if name in self._settings.states), "off")
        with self._changed:
            if state != self._state:
                self._state, self._since_s = state, time.monotonic()
                self._changed.notify_all()

    def close(self) -> None:
        """All off, within seconds; safe without `open` and twice."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_S)
            if thread.is_alive():  # the door, which is closed after this, does not wait for it
                log.error("a lamp holds up the lamps' thread; left behind")

    @property
    def fault(self) -> str | None:
        """Why a lamp does not work; None while all do."""
        return self._told

    def _guarded(self) -> None:
        """The edge of the thread: whatever happens, the lines go off."""
        try:
            self._work()
        except Exception:
            log.exception("the lamps' thread failed")
            self._tell("the lamps' thread failed; see the log")
        finally:
            for lamp in self._lamps.values():
                lamp.free()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                state, since_s = self._state, self._since_s
            next_s = self._drive(state, time.monotonic(), since_s)
            with self._changed:
                if not self._closing and (state, since_s) == (self._state, self._since_s):
                    self._changed.wait(next_s)

    def _drive(self, state: str, now_s: float, since_s: float) -> float | None:
        """Switch what is to be switched; how long until something changes by itself."""
        table: Mapping[str, bool | Pulses] = self._settings.states.get(state, {})
        waits_s: list[float] = []
        for name, lamp in self._lamps.items():
            on, next_s = level(table.get(name, False), now_s - since_s)
            lamp.drive(on=on, cause=state, now_s=now_s)
            if lamp.fault is not None:
                next_s = _RETRY_S if next_s is None else min(next_s, _RETRY_S)
            if next_s is not None:
                waits_s.append(next_s)
        faults = [lamp.fault for lamp in self._lamps.values() if lamp.fault is not None]
        self._tell("; ".join(faults) or None)
        return min(waits_s, default=None)

    def _tell(self, fault: str | None) -> None:
        """Said once when lost and once when back; the reason is always the newest."""
        before, self._told = self._told, fault
        if fault == before:
            return
        if fault is None:
            log.warning("the lamps work again")
        elif before is None:
            log.error("lamps: %s", fault)
        self._on_fault(fault)


def rest_signals(settings: Settings) -> list[str]:
    """Turn all off and let go: what is left to do after a crash; why a lamp did not obey."""
    lamps = [_Lamp(line) for line in _lines(settings).values()]
    for lamp in lamps:
        lamp.drive(on=False, cause="rest", now_s=0.0)
        lamp.free()
    return [lamp.fault for lamp in lamps if lamp.fault is not None]


def _lines(settings: Settings) -> dict[str, Line]:
    if settings.driver == "simulated":
        return {
            name: SimulatedLine(settings.record, name, "signals.record") for name in settings.lines
        }
    return {
        name: GpioLine(
            Wire(settings.chip, wired.line, wired.active_low),
            "signals.chip",
            f"signals.lines.{name}.line",
        )
        for name, wired in settings.lines.items()
    }
