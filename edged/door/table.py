"""Which class serves which ``door.driver``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.config.schema import GpioDoor, SimulatedDoor
from edged.door.door import Door, PulsedDoor
from edged.door.gpio import GpioLine
from edged.door.simulated import SimulatedLine

if TYPE_CHECKING:
    from edged.door.door import Line

Settings = SimulatedDoor | GpioDoor


def make_door(settings: Settings) -> Door:
    """The door of these settings, not opened yet."""
    line: Line
    match settings:
        case SimulatedDoor():
            line = SimulatedLine(settings.record)
        case GpioDoor():
            line = GpioLine(settings)
    return PulsedDoor(line, settings.pulse_s)


def open_door(settings: Settings) -> Door:
    """The door of these settings, opened, its relay at rest.

    Raises:
        DoorError: the relay cannot be driven; says what to do.
    """
    door = make_door(settings)
    door.open()
    return door


def rest_door(settings: Settings) -> None:
    """Put the relay to rest and let it go: what is left to do after a crash.

    Raises:
        DoorError: the relay cannot be driven, for instance because edged still runs.
    """
    open_door(settings).close()
