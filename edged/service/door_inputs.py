"""What the door's inputs say, told to its state machine by the threads that read them."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from edged.door.acts import Contact, Exit, Fire, Tamper
from edged.door.inputs import InputWatch
from edged.door.switch import make_switch

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.door import DoorSettings, Input
    from edged.door.inputs import InputFault
    from edged.service.door_control import DoorControl
    from edged.service.state import State

log = logging.getLogger(__name__)

PART = "door_inputs"
_RENEW_S = 1.0


class DoorInputs:
    """Contact, button, fire and tamper of a door, as far as there are.

    What cannot be read is told, and fails safe: of the contact nobody knows, the button is not
    pressed, the case is as it was; a fire that was goes on, and where the circuit is closed while
    there is no fire, one that cannot be read is one, as if it were cut.
    """

    def __init__(self, settings: DoorSettings, control: DoorControl, state: State) -> None:
        self._control = control
        self._state = state
        self._lock = threading.Lock()  # one teller at a time
        self._faults: dict[str, InputFault] = {}
        self._pressed: bool | None = None
        self._renewed_s = 0.0
        told: dict[str, Callable[[bool | None, float], None]] = {
            "contact": self._contact,
            "exit_button": self._button,
            "fire": self._fire(settings.fire),
            "tamper": self._tamper,
        }
        self._watches = [
            InputWatch(
                name,
                make_switch(wired, settings.usual_chip, f"door.{name}"),
                wired.debounce_s,
                told[name],
                self._fault(name),
                self._renew if name == "fire" else lambda: None,
            )
            for name, wired in settings.inputs.items()
        ]

    def open(self) -> None:
        """Begin to read.

        Raises:
            DoorError: there are no threads to be had.
        """
        for watch in self._watches:
            watch.open()

    def close(self) -> None:
        """Read no more; safe twice and without `open`."""
        for watch in self._watches:
            watch.stop()
        for watch in self._watches:
            watch.close()

    def _contact(self, active: bool | None, since_s: float) -> None:
        leaf = None if active is None else ("open" if active else "closed")
        ago_s = time.monotonic() - since_s
        self._control.happen(lambda t_s: Contact(t_s, leaf, t_s - ago_s))  # type: ignore[arg-type]

    def _button(self, active: bool | None, _since_s: float) -> None:
        before, self._pressed = self._pressed, active
        if before is False and active:  # one that sticks from the start was not pressed
            self._control.happen(Exit)

    def _fire(self, wired: Input | None) -> Callable[[bool | None, float], None]:
        closed = wired is not None and wired.wiring == "normally_closed"

        def told(active: bool | None, _since_s: float) -> None:
            if active is None:
                fault = self._faults.get("fire")
                if not closed and (fault is None or fault.kind != "flickers"):
                    return
                active = True
            self._control.happen(lambda t_s: Fire(t_s, active))

        return told

    def _renew(self) -> None:
        """Whoever reads the fire input holds the door open, whatever became of the ticks."""
        now_s = time.monotonic()
        if self._control.known.fire and now_s - self._renewed_s >= _RENEW_S:
            self._renewed_s = now_s
            self._control.tick()

    def _tamper(self, active: bool | None, _since_s: float) -> None:
        if active is not None:
            self._control.happen(lambda t_s: Tamper(t_s, active))

    def _fault(self, name: str) -> Callable[[InputFault | None], None]:
        def told(fault: InputFault | None) -> None:
            kind, text = (None, "") if fault is None else (fault.kind, fault.text[:300])
            self._control.record("door.input_fault", input=name, fault=kind, text=text)
            with self._lock:
                self._faults = {one: f for one, f in self._faults.items() if one != name}
                if fault is not None:
                    self._faults[name] = fault
                self._tell()

        return told

    def _tell(self) -> None:
        if not self._faults:
            self._state.restore(PART)
            return
        what = (f"{name} {fault.kind}: {fault.text}" for name, fault in self._faults.items())
        self._state.degrade(PART, "; ".join(what))
