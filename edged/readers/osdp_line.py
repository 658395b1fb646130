"""A serial line that libosdp talks over: only what `osdp_frame` lets in comes through.

Of libosdp's Python packages only ``osdp_sys``, the library itself, is used: its other one,
``osdp``, has the name of another project's.
"""

from __future__ import annotations

import ctypes
import os
import termios
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from edged.errors import ReaderError
from edged.readers.osdp_frame import Commands, Frames, Replies

if TYPE_CHECKING:
    from pathlib import Path

_AT_ONCE = 1024
_WRITE_S = 0.5
_QUIET = 0  # emergencies only: its messages are ours to word
PACE_S = 0.005
"""How often a line is looked at; at 38400 baud a frame takes about as long."""
TRY_AGAIN_S = 1.0
"""How often a device that is not there is looked for."""
SILENT_S = 3.0
"""After so long without a word the other side is taken for lost."""

_load = threading.Lock()


def osdp() -> Any:
    """libosdp.

    Raises:
        ReaderError: it is not installed.
    """
    try:
        import osdp_sys
        import serial  # noqa: F401
    except ImportError as fault:
        raise ReaderError(
            f"OSDP needs a library that is not installed ({fault.name}); "
            "run pip install 'edged[readers]'"
        ) from fault
    with _load:
        osdp_sys.set_loglevel(_QUIET)
    return osdp_sys


def reseed() -> None:
    """Give libosdp randomness: it draws its nonces from C's ``rand``, which nobody seeds.

    Without it every start has the same nonces, and what was recorded once is good again. To be
    called before whatever may begin a secure channel.
    """
    _LIBC.srand(int.from_bytes(os.urandom(4), "little"))


_LIBC = ctypes.PyDLL(None)  # keeps the interpreter's lock: nobody else draws in between
_LIBC.srand.argtypes = [ctypes.c_uint]
_LIBC.srand.restype = None


class Channel(ABC):
    """What libosdp reads from and writes to; used by one thread.

    Its methods never raise: they are called from C. What went wrong is in `fault`, after which
    it is to be closed.
    """

    id = 1  # 0 would let two readers of one line talk at once

    def __init__(self, device: Path, baud: int) -> None:
        self._device = device
        self._baud = baud
        self._line: Any = None
        self._frames = Frames()
        self._ready = b""
        self.fault: str | None = None

    def open(self) -> None:
        """Take hold of the device.

        Raises:
            ReaderError: it is not there, or somebody else holds it.
        """
        import serial

        self.close()
        try:
            self._line = serial.Serial(
                str(self._device),
                self._baud,
                timeout=0,
                write_timeout=_WRITE_S,
                exclusive=True,
            )
        except (OSError, ValueError, termios.error) as fault:  # SerialException is an OSError
            number = getattr(fault, "errno", None)
            why = os.strerror(number) if number else str(fault)
            raise ReaderError(f"device {self._device} cannot be opened: {why}") from fault

    def close(self) -> None:
        """Let go of it; safe at any time."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        self._frames.clear()
        self._ready = b""
        self.fault = None

    def read(self, most: int) -> bytes:
        """The next of what was let in; empty where there is nothing."""
        if not self._ready:
            self._ready = self._take(self._frames.feed(self._raw(), time.monotonic()))
        given, self._ready = self._ready[:most], self._ready[most:]
        return given

    def write(self, data: bytes) -> int:
        """Send; how many bytes went out."""
        self._wrote(data)
        return self._send(data)

    def flush(self) -> None:
        """Forget what came: it answers nothing that is asked from now on."""
        self._raw()
        self._frames.clear()
        self._ready = b""

    @abstractmethod
    def _take(self, frames: list[Any]) -> bytes:
        """What is let in of these."""

    @abstractmethod
    def _wrote(self, data: bytes) -> None:
        """This goes out now."""

    def _raw(self) -> bytes:
        if self._line is None or self.fault is not None:
            return b""
        try:
            data: bytes = self._line.read(_AT_ONCE)
        except (OSError, TypeError, termios.error) as fault:
            self._lose(fault)
            return b""
        return data

    def _send(self, data: bytes) -> int:
        if self._line is None or self.fault is not None:
            return 0
        try:
            return int(self._line.write(data) or 0)
        except (OSError, TypeError, termios.error) as fault:
            self._lose(fault)
            return 0

    def _lose(self, fault: Exception) -> None:
        self.fault = f"device {self._device} is gone ({fault}); check its cable"


class PanelChannel(Channel):
    """The line of a control panel.

    Args:
        secure: see `Replies`.
    """

    def __init__(self, device: Path, baud: int, secure: frozenset[int]) -> None:
        super().__init__(device, baud)
        self.guard = Replies(secure)

    def _take(self, frames: list[Any]) -> bytes:
        return self.guard.take(frames, time.monotonic())

    def _wrote(self, data: bytes) -> None:
        self.guard.wrote(data)


class ReaderChannel(Channel):
    """The line of a reader."""

    def __init__(self, device: Path, baud: int, address: int, *, secure: bool) -> None:
        super().__init__(device, baud)
        self.guard = Commands(address, secure=secure)

    def _take(self, frames: list[Any]) -> bytes:
        let_in, again = self.guard.take(frames, time.monotonic())
        if again:
            self._send(again)
        return let_in

    def _wrote(self, data: bytes) -> None:
        self.guard.wrote(data)
