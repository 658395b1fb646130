"""Where a door's input is read: a GPIO line with its edges, or a file."""

from __future__ import annotations

import errno
import time
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from edged.door.gpio import GpioInput, Wire, _gpiod, _text
from edged.errors import DoorError

if TYPE_CHECKING:
    from pathlib import Path

    from edged.config.door import Input

Change = tuple[bool, float]
"""Whether the switch has left its normal state, and when that was seen (monotonic, seconds)."""

_POLL_S = 0.02
_GLITCH_S = 0.0002
"""What the kernel swallows: no person and no relay is that fast, and a line that flickers at
1 kHz is still seen to do so."""
_EVENTS = 256
_FINAL = (errno.EBUSY, errno.EPERM, errno.EACCES, errno.ENOENT)


class Switch(Protocol):
    """One input; used by one thread."""

    def take(self) -> None:
        """Begin to read it.

        Raises:
            DoorError: that cannot be; says what to do.
        """

    def wait(self, seconds: float) -> list[Change]:
        """Wait for changes; at most that long, or as long as it is wise.

        Returns:
            What changed in between, in its order, and last of all how it is now.

        Raises:
            DoorError: nobody can say.
        """

    def free(self) -> None:
        """Let go of it; safe at any time."""


class FileSwitch:
    """Has left its normal state while there is a file: for simulations."""

    def __init__(self, path: Path, at: str) -> None:
        self._path = path
        self._at = at
        self._pause = Event()

    def take(self) -> None:
        return

    def wait(self, seconds: float) -> list[Change]:
        self._pause.wait(min(seconds, _POLL_S))
        try:
            self._path.stat()
        except FileNotFoundError:
            return [(False, time.monotonic())]
        except OSError as fault:
            problem = f"{self._at} {self._path} cannot be read: {_text(fault)}"
            raise DoorError(problem) from fault
        return [(True, time.monotonic())]

    def free(self) -> None:
        return


class GpioSwitch(GpioInput):
    """A line of a GPIO chip: the kernel tells its edges; where it cannot, the line is polled.

    Args:
        settings: with a line.
        chip: where that names none.
        at: the setting, for messages.
    """

    def __init__(self, settings: Input, chip: str, at: str) -> None:
        assert settings.line is not None  # noqa: S101  # the schema saw to it
        pulled_up = settings.bias == "pull_up"
        low = pulled_up if settings.active_low is None else settings.active_low
        wire = Wire(settings.chip or chip, settings.line, low)
        super().__init__(wire, f"{at}.chip", f"{at}.line")
        self._bias = settings.bias
        self._normally_closed = settings.wiring == "normally_closed"
        self._edges = False
        self._pause = Event()

    def take(self) -> None:
        line = _gpiod().line
        bias = {
            "pull_up": line.Bias.PULL_UP,
            "pull_down": line.Bias.PULL_DOWN,
            "none": line.Bias.DISABLED,
        }[self._bias]
        plain: dict[str, Any] = {"direction": line.Direction.INPUT, "bias": bias}
        edges = {**plain, "events": _EVENTS, "edge_detection": line.Edge.BOTH}
        calm = {**edges, "debounce_period": timedelta(seconds=_GLITCH_S)}
        for wanted in (calm, edges):
            try:
                self._ask(**wanted)
            except DoorError as fault:
                if isinstance(fault.__cause__, OSError) and fault.__cause__.errno in _FINAL:
                    raise
            else:
                self._edges = True
                return
        self._edges = False
        self._ask(**plain)

    def wait(self, seconds: float) -> list[Change]:
        changes = self._changes(seconds) if self._edges else []
        if not self._edges:
            self._pause.wait(min(seconds, _POLL_S))
        return [*changes, (self._left(self.active()), time.monotonic())]

    def _changes(self, seconds: float) -> list[Change]:
        try:
            if not self._request.wait_edge_events(timedelta(seconds=seconds)):
                return []
            events = self._request.read_edge_events(_EVENTS)
        except OSError as failure:
            raise DoorError(
                f"{self._name()} cannot be read: {_text(failure)}; is the chip still there?"
            ) from failure
        rising = _gpiod().EdgeEvent.Type.RISING_EDGE
        return [(self._left(one.event_type is rising), one.timestamp_ns / 1e9) for one in events]

    def _left(self, closed: bool) -> bool:
        """Whether a circuit that is closed, or is not, has left its normal state."""
        return closed != self._normally_closed


def make_switch(settings: Input, chip: str, at: str) -> Switch:
    """The input of these settings, not read yet; see `GpioSwitch`."""
    if settings.file is not None:
        return FileSwitch(settings.file, f"{at}.file")
    return GpioSwitch(settings, chip, at)
