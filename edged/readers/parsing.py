"""What the bytes of a reader mean; pure, and bounded whatever comes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, Protocol

from edged.readers.digits import LONGEST, Digits
from edged.readers.keymap import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Read = tuple[Literal["card", "pin", "key"], str]
"""Kind and value; a value is 1-64 printable ASCII characters without a space."""

_LONGEST_PIN = 16
_LONGEST_LINE = 512
_SILENCE_S = 1.0
_PAUSE_S = 0.4


class Parser(Protocol):
    """Used by one thread."""

    @property
    def unreadable(self) -> int:
        """How many pieces were none of what was expected."""

    def feed(self, data: bytes, t_s: float) -> Iterator[Read]:
        """Take in bytes, as they came."""

    def idle(self, t_s: float) -> Iterator[Read]:
        """Nothing came up to now."""

    def reset(self) -> None:
        """Forget what was begun: the device is another one now."""


class Frames:
    """Pieces between `begin` and `end`. What is longer than any of them, or is followed by
    silence before its end, is dropped."""

    def __init__(self, begin: bytes, end: bytes) -> None:
        self.unreadable = 0
        self._begin = begin
        self._end = end
        self._buffer = b""
        self._flooded = False  # until the next end
        self._last_s = 0.0

    def feed(self, data: bytes, t_s: float) -> Iterator[bytes]:
        self.idle(t_s)
        self._last_s = t_s
        *whole, rest = (self._buffer + data).split(self._end)
        self._buffer = b""
        for piece in whole:
            if self._flooded:
                self._flooded = False
            elif (inner := self._inner(piece)) is not None:
                yield inner
        if len(rest) > _LONGEST_LINE:
            self.unreadable += 1
            self._flooded = True
            rest = rest[-len(self._end) :]  # an end may have begun
        self._buffer = rest

    def idle(self, t_s: float) -> None:
        if self._buffer and t_s - self._last_s > _SILENCE_S:
            self.unreadable += not self._flooded
            self.reset()

    def reset(self) -> None:
        self._buffer, self._flooded = b"", False

    def _inner(self, piece: bytes) -> bytes | None:
        if not self._begin:
            return piece or None
        _, begun, inner = piece.rpartition(self._begin)
        if not begun:
            self.unreadable += 1
            return None
        return inner


class _Framed:
    """Readings of a device that sends one a frame.

    Args:
        meaning: of a frame; None: it has none.
    """

    def __init__(self, frames: Frames, meaning: Callable[[bytes], Read | None]) -> None:
        self._frames = frames
        self._meaning = meaning
        self._bad = 0

    @property
    def unreadable(self) -> int:
        return self._bad + self._frames.unreadable

    def feed(self, data: bytes, t_s: float) -> Iterator[Read]:
        for piece in self._frames.feed(data, t_s):
            read = self._meaning(piece)
            if read is None:
                self._bad += 1
            else:
                yield read

    def idle(self, t_s: float) -> Iterator[Read]:
        self._frames.idle(t_s)
        return iter(())

    def reset(self) -> None:
        self._frames.reset()


class CardLines(_Framed):
    """Card numbers from a serial line."""

    def __init__(self, begin: str, end: str) -> None:
        super().__init__(Frames(begin.encode("ascii"), end.encode("ascii")), _card)


class Commands(_Framed):
    """Lines such as ``card 1234567``, ``pin 2468``, ``key in``."""

    def __init__(self) -> None:
        super().__init__(Frames(b"", b"\n"), _command)


def _card(piece: bytes) -> Read | None:
    value = printable(piece)
    return None if value is None else ("card", value)


def _command(piece: bytes) -> Read | None:
    word, _, rest = piece.strip().partition(b" ")
    value = printable(rest)
    if value is None:
        return None
    if word == b"pin":
        return ("pin", value) if is_pin(value) else None
    if word == b"card":
        return "card", value
    return ("key", value) if word == b"key" else None


class Typing:
    """A device that types: ``struct input_event`` of Linux' input layer.

    Args:
        keys: what a key means, by its name, such as ``f1``.
    """

    _EVENT = struct.Struct("@llHHi")  # struct timeval, type, code, value
    _EV_SYN, _EV_KEY = 0, 1
    _DROPPED = 3  # the kernel says that events are missing
    _PRESSED = 1

    def __init__(
        self, *, card_length: int, together_s: float, pin_length: int, keys: Mapping[str, str]
    ) -> None:
        self.unreadable = 0
        self._card_length = card_length
        self._keys = dict(keys)
        self._digits = Digits(
            pin_length=pin_length,
            together_s=together_s,
            pause_s=min(_PAUSE_S, together_s) if pin_length else 0,
        )
        self._rest = b""

    def feed(self, data: bytes, t_s: float) -> Iterator[Read]:
        yield from self.idle(t_s)
        data, size = self._rest + data, self._EVENT.size
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        for _, _, kind, code, value in self._EVENT.iter_unpack(data[:whole]):
            if kind == self._EV_KEY and value == self._PRESSED and (key := KEYS.get(code)):
                yield from self._pressed(key, t_s)
            elif kind == self._EV_SYN and code == self._DROPPED:
                self.unreadable += 1
                self._digits.clear()

    def idle(self, t_s: float) -> Iterator[Read]:
        typed = self._digits.due(t_s)
        if typed is not None:
            yield from self._read(typed)

    def reset(self) -> None:
        self._digits.clear()
        self._rest = b""

    def _pressed(self, key: str, t_s: float) -> Iterator[Read]:
        if key in self._keys:
            yield "key", self._keys[key]
        elif len(key) == 1 or key in ("enter", "clear", "back"):
            waiting = self._digits.count
            typed = self._digits.press(key, t_s)
            if typed is not None:
                yield from self._read(typed)
            elif key == "enter" and waiting:
                self.unreadable += 1

    def _read(self, typed: str) -> Iterator[Read]:
        if len(typed) >= self._card_length:
            yield "card", typed
        elif is_pin(typed):
            yield "pin", typed
        else:
            self.unreadable += 1


def is_pin(value: str) -> bool:
    """Whether it may be one: digits, at most 16."""
    return value.isascii() and value.isdecimal() and len(value) <= _LONGEST_PIN


def printable(piece: bytes) -> str | None:
    """As text, without blanks around it; None for what no card number looks like."""
    try:
        text = piece.decode("ascii").strip(" \t\r\n")
    except UnicodeDecodeError:
        return None
    good = 0 < len(text) <= LONGEST and text.isprintable() and " " not in text
    return text if good else None
