"""Where the bytes of a reader come from: a descriptor that can be waited for."""

from __future__ import annotations

import fcntl
import os
import stat
import termios
from typing import TYPE_CHECKING, Any, Protocol

from edged.errors import ReaderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.config.readers import SerialReader

_EVIOCGRAB = 0x40044590  # _IOW('E', 0x90, int) of linux/input.h


class Source(Protocol):
    """Opened and closed again and again, by one thread; never blocks."""

    def check(self) -> None:
        """Raise `ReaderError` if it can never work, such as without a library."""

    def open(self) -> int:
        """The descriptor to wait for and to read from.

        Raises:
            ReaderError: it is not there, or of no use; says what to do.
        """

    def close(self) -> None:
        """Let go of it; safe at any time."""

    @property
    def path(self) -> Path:
        """Where it is."""


class _File:
    """A special file of one kind."""

    def __init__(self, path: Path, setting: str) -> None:
        self.path = path
        self._setting = setting
        self._fd: int | None = None

    def check(self) -> None:
        return

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def _opened(self, flags: int, wanted: Callable[[int], bool], kind: str) -> int:
        try:
            fd = os.open(self.path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as fault:
            raise ReaderError(self._problem(fault)) from fault
        self._fd = fd
        if not wanted(os.fstat(fd).st_mode):
            raise ReaderError(f"{self._setting} {self.path} is no {kind}")
        return fd

    def _problem(self, fault: OSError) -> str:
        if isinstance(fault, PermissionError):
            what = "may not be opened by this user; add it to the group that owns the device"
        else:
            what = f"cannot be opened: {fault.strerror}"
        return f"{self._setting} {self.path} {what}"


class Pipe(_File):
    """A named pipe; made, for this user only, where nothing is in its place."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "pipe")

    def open(self) -> int:
        try:
            os.mkfifo(self.path, 0o600)
        except FileExistsError:
            pass
        except OSError as fault:
            raise ReaderError(
                f"pipe {self.path} cannot be made: {fault.strerror}; choose a folder that edged "
                "may write to"
            ) from fault
        # with a writing end of our own it does not end with whoever writes
        return self._opened(os.O_RDWR, stat.S_ISFIFO, "named pipe")


def grab(fd: int) -> None:
    """Take an input device for ourselves.

    Raises:
        OSError: somebody else has it, or it is no input device.
    """
    fcntl.ioctl(fd, _EVIOCGRAB, 1)


class InputDevice(_File):
    """A keyboard of Linux' input layer, ours alone as long as it is open.

    Args:
        take: grabs it.
    """

    def __init__(self, path: Path, take: Callable[[int], None] = grab) -> None:
        super().__init__(path, "device")
        self._take = take

    def open(self) -> int:
        fd = self._opened(os.O_RDONLY, stat.S_ISCHR, "input device")
        try:
            self._take(fd)
        except OSError as fault:
            raise ReaderError(
                f"device {self.path} cannot be had for edged alone: {fault.strerror}; others "
                "would read along: is it a keyboard, and what else holds it?"
            ) from fault
        return fd


class SerialLine:
    """A serial line, by pyserial."""

    def __init__(self, settings: SerialReader) -> None:
        self._settings = settings
        self._line: Any = None

    @property
    def path(self) -> Path:
        return self._settings.device

    def check(self) -> None:
        _pyserial()

    def open(self) -> int:
        serial = _pyserial()
        try:
            self._line = serial.Serial(
                str(self.path), self._settings.baud, timeout=0, exclusive=True
            )
            return int(self._line.fileno())
        except (OSError, ValueError, termios.error) as fault:  # SerialException is an OSError
            number = getattr(fault, "errno", None)
            why = os.strerror(number) if number else str(fault)
            raise ReaderError(f"device {self.path} cannot be opened: {why}") from fault

    def close(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            line.close()


def _pyserial() -> Any:
    try:
        import serial
    except ImportError as failure:
        raise ReaderError(
            f"a serial reader needs pyserial ({failure}); install it by: "
            "pip install 'edged[readers]'"
        ) from failure
    return serial
