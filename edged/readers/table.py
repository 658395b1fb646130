"""Which class serves which ``readers.<name>.driver``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.config.readers import KeyboardReader, OsdpReader, SerialReader, SimulatedReader
from edged.readers.parsing import CardLines, Commands, Typing
from edged.readers.source import InputDevice, Pipe, SerialLine
from edged.readers.worker import ByteReader

if TYPE_CHECKING:
    from edged.access.request import Direction
    from edged.config.readers import Reader as ReaderSettings
    from edged.readers.reader import Reader


def make_reader(name: str, settings: ReaderSettings, direction: Direction) -> Reader:
    """The reader of these settings, not opened yet.

    Args:
        direction: where its users go, if the settings do not say.

    Raises:
        ReaderError: there is no such reader here.
    """
    way = settings.direction or direction
    match settings:
        case SimulatedReader():
            return ByteReader(name, settings.driver, Pipe(settings.pipe), Commands(), way)
        case SerialReader():
            lines = CardLines(settings.begin, settings.end)
            return ByteReader(name, settings.driver, SerialLine(settings), lines, way)
        case KeyboardReader():
            typing = Typing(
                card_length=settings.card_length,
                together_s=settings.together_s,
                pin_length=settings.pin_length,
                keys=settings.keys,
            )
            return ByteReader(name, settings.driver, InputDevice(settings.device), typing, way)
        case OsdpReader():
            from edged.readers.osdp_reader import OsdpReader as Osdp

            return Osdp(name, settings, way)
