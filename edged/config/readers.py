"""Readers of cards, PINs and codes, and the panel that this terminal may be a reader of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edged.config.base import Settings, within

Baud = Literal[9600, 19200, 38400, 57600, 115200, 230400]


class ReaderSettings(Settings):
    """What every reader has. ``direction`` is where its users go; left out:
    ``access.direction``. ``pin_length`` ends a PIN without a key for enter; 0: by enter only."""

    direction: Literal["in", "out"] | None = None
    pin_length: Annotated[int, *within(0, 16)] = 0


class KeyboardReader(ReaderSettings):
    """A USB reader or keypad that types like a keyboard (evdev), grabbed so that nobody else reads
    along. Digits within ``together_s`` that end with enter are a card from ``card_length`` on,
    and otherwise a PIN."""

    driver: Literal["keyboard"]
    device: Path
    card_length: Annotated[int, *within(1, 64)] = 8
    together_s: Annotated[float, *within(0.1, 30)] = 5


class SerialReader(ReaderSettings):
    """A reader at a serial line that sends a card number a line, framed by ``begin`` and
    ``end``."""

    driver: Literal["serial"]
    device: Path
    baud: Baud = 9600
    begin: str = ""
    end: str = "\r\n"


class OsdpReader(ReaderSettings):
    """An OSDP v2 reader on RS-485. ``key_file`` holds its secure channel key, 32 hex digits;
    ``insecure`` talks to it without one, for bringing it into service only."""

    driver: Literal["osdp"]
    device: Path
    baud: Baud = 9600
    address: Annotated[int, *within(0, 126)] = 0
    key_file: Path | None = None
    insecure: bool = False


class SimulatedReader(ReaderSettings):
    """A named pipe: lines such as ``card 1234567``, ``pin 2468``, ``key in``."""

    driver: Literal["simulated"]
    pipe: Path


Reader = Annotated[
    KeyboardReader | SerialReader | OsdpReader | SimulatedReader, Field(discriminator="driver")
]


class Panel(Settings):
    """An existing access controller that this terminal is an OSDP v2 reader of: whoever is let in
    by the rules here, their first card number is sent to it, and the panel opens the door.

    ``bits`` is the length of the card number as the panel expects it (26 and 37 with parity).
    """

    device: Path
    baud: Baud = 9600
    address: Annotated[int, *within(0, 126)] = 0
    key_file: Path | None = None
    insecure: bool = False
    bits: Annotated[int, *within(8, 128)] = 26
