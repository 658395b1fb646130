"""Sirens, lamps and second relays of the door, driven on a thread of their own."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from edged.door.door import PulsedDoor
from edged.door.gpio import GpioLine, Wire
from edged.door.simulated import SimulatedLine
from edged.errors import DoorError

if TYPE_CHECKING:
    from edged.config.door import DoorSettings, Output
    from edged.door.door import Line
    from edged.service.state import State

log = logging.getLogger(__name__)

LEASE_S = 10.0
"""An output is driven for this long, renewed with every tick: whatever stops the ticks ends it."""
_RETRY_S = 2.0
_CLOSE_S = 2.0


class DoorOutputs:
    """Drives those that are to be driven, the others rest; nothing queues, nobody waits for it.

    One that does not obey is told of and tried again; the others, and the door, go on.
    """

    def __init__(self, settings: DoorSettings, state: State) -> None:
        self._state = state
        self._outputs = {
            name: _Sounder(_line(settings, name, output), LEASE_S)
            for name, output in settings.outputs.items()
        }
        self._changed = threading.Condition()
        self._wanted: frozenset[str] | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._told: str | None = None

    def open(self) -> None:
        """Begin, with everything at rest."""
        if not self._outputs:
            return
        self._wanted = frozenset()
        thread = threading.Thread(target=self._guarded, name="door-outputs", daemon=True)
        try:
            thread.start()
        except RuntimeError as failure:
            self._tell(f"no thread for the outputs: {failure}; free some memory")
        else:
            self._thread = thread

    def show(self, names: frozenset[str]) -> None:
        """Drive these and no others, for `LEASE_S` unless it is said again; returns at once."""
        if self._thread is None:
            return
        with self._changed:
            self._wanted = names
            self._changed.notify_all()

    def close(self) -> None:
        """All at rest, and let go; safe twice and without `open`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_CLOSE_S)
            if thread.is_alive():
                log.error("an output holds up its thread; left behind")

    def _guarded(self) -> None:
        """The edge of the thread: whatever happens, the outputs rest."""
        try:
            self._work()
        except Exception:
            log.exception("the outputs' thread failed")
            self._tell("the outputs' thread failed; see the log")
        finally:
            for output in self._outputs.values():
                output.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._wanted is None and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                wanted, self._wanted = self._wanted or frozenset(), None
            for name, output in self._outputs.items():
                output.drive(on=name in wanted, now_s=time.monotonic())
            faults = [f"{name}: {o.fault}" for name, o in self._outputs.items() if o.fault]
            self._tell("; ".join(faults) or None)

    def _tell(self, fault: str | None) -> None:
        before, self._told = self._told, fault
        if fault is not None:
            self._state.degrade("door_outputs", fault)
            if before is None:
                log.error("outputs of the door: %s", fault)
        elif before is not None:
            self._state.restore("door_outputs")
            log.warning("the outputs of the door work again")


class _Sounder:
    """One output, with what keeps a relay from staying on."""

    def __init__(self, line: Line, lease_s: float) -> None:
        self._relay = PulsedDoor(line, lease_s)
        self._again_s = float("-inf")
        self.fault: str | None = None

    def drive(self, *, on: bool, now_s: float) -> None:
        if now_s < self._again_s:
            return
        try:
            self._relay.open()
            if on:
                self._relay.pulse()
            else:
                self._relay.rest()
            self.fault = self._relay.describe()["fault"]
        except DoorError as failure:
            self.fault = str(failure)
            self._again_s = now_s + _RETRY_S

    def close(self) -> None:
        try:
            self._relay.close()
        except DoorError as failure:
            log.error("an output cannot be put to rest: %s", failure)


def rest_outputs(settings: DoorSettings) -> list[str]:
    """All to rest: what is left to do after a crash; why one does not obey."""
    faults = []
    for name, output in settings.outputs.items():
        relay = PulsedDoor(_line(settings, name, output), LEASE_S)
        try:
            relay.open()
            relay.close()
        except DoorError as failure:
            faults.append(str(failure))
    return faults


def _line(settings: DoorSettings, name: str, output: Output) -> Line:
    at = f"door.outputs.{name}"
    if output.line is None:
        return SimulatedLine(getattr(settings, "record", None), name, "door.record")
    chip = output.chip or settings.usual_chip
    return GpioLine(Wire(chip, output.line, output.active_low), f"{at}.chip", f"{at}.line")
