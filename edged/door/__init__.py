"""The relay that opens the door: one protocol, a GPIO line behind it or a record of it."""

from edged.door.door import Door, PulsedDoor
from edged.door.table import make_door, open_door, rest_door

__all__ = ["Door", "PulsedDoor", "make_door", "open_door", "rest_door"]
