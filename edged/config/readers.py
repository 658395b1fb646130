"""Readers of cards, PINs and codes, and the panel that this terminal may be a reader of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edged.config.base import Misplaced, Name, Settings, within

Baud = Literal[9600, 19200, 38400, 57600, 115200, 230400]
Framing = Annotated[str, Field(pattern=r"^[\x00-\x7f]*$", max_length=8)]
KeyName = Annotated[
    str,
    Field(
        pattern=r"^(f[1-9]|f1[0-2]|plus|slash|home|end|up|down|left|right|pageup|pagedown|insert"
        r"|tab|space)$"
    ),
]


class ReaderSettings(Settings):
    """What every reader has. ``direction`` is where its users go; left out:
    ``access.direction``. ``pin_length`` ends a PIN without a key for enter; 0: by enter only."""

    direction: Literal["in", "out"] | None = None
    pin_length: Annotated[int, *within(0, 16)] = 0


class KeyboardReader(ReaderSettings):
    """A USB reader or keypad that types like a keyboard (evdev), grabbed so that nobody else reads
    along. What is typed up to enter, no key more than ``together_s`` after the one before, is a
    card from ``card_length`` characters on, and otherwise a PIN. ``keys`` says what other keys
    mean: ``{f1: in, f2: out}``."""

    driver: Literal["keyboard"]
    device: Path
    card_length: Annotated[int, *within(1, 64)] = 8
    together_s: Annotated[float, *within(0.1, 30)] = 5
    keys: dict[KeyName, Name] = {}

    @model_validator(mode="after")
    def _pins_are_shorter(self) -> KeyboardReader:
        if self.pin_length >= self.card_length:
            raise Misplaced(
                [(("pin_length",), "must be below card_length: what is longer is a card")]
            )
        return self


class SerialReader(ReaderSettings):
    """A reader at a serial line that sends card numbers, each framed by ``begin`` and ``end``."""

    driver: Literal["serial"]
    device: Path
    baud: Baud = 9600
    begin: Framing = ""
    end: Annotated[Framing, Field(min_length=1)] = "\r\n"


def _secured(key_file: Path | None, insecure: bool) -> None:
    if key_file is None and not insecure:
        raise Misplaced(
            [(("key_file",), "is missing; insecure: true only to bring the line into service")]
        )


class OsdpReader(ReaderSettings):
    """An OSDP v2 reader on RS-485. ``key_file`` holds its secure channel key, 32 hex digits.
    ``insecure`` is for bringing it into service only: with a key, a reader that still has the
    default one is given it; without, it is talked to in the clear. Readers with different
    addresses may share a ``device``."""

    driver: Literal["osdp"]
    device: Path
    baud: Baud = 9600
    address: Annotated[int, *within(0, 126)] = 0
    key_file: Path | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _has_a_key(self) -> OsdpReader:
        _secured(self.key_file, self.insecure)
        return self


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

    ``bits`` is the length of the card number as the panel expects it (26, 34 and 37 with parity).
    ``key_file`` holds the secure channel's key, 32 hex digits; ``accept_key`` lets the panel
    replace it. ``insecure`` is for bringing it into service only: as long as there is no key, the
    panel is answered in the clear, too.
    """

    device: Path
    baud: Baud = 9600
    address: Annotated[int, *within(0, 126)] = 0
    key_file: Path | None = None
    insecure: bool = False
    accept_key: bool = False
    bits: Annotated[int, *within(8, 128)] = 26

    @model_validator(mode="after")
    def _has_a_key(self) -> Panel:
        _secured(self.key_file, self.insecure)
        if self.accept_key and self.key_file is None:
            raise Misplaced([(("accept_key",), "needs key_file, where the key is kept")])
        return self
