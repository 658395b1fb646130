"""What every door does, whatever line is behind it: one pulse at a time, rest first and last."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Any, Protocol

from edged.errors import DoorError

_log = logging.getLogger(__name__)
_LONGEST_PULSE_S = 60.0
_RETRY_S = 0.05


class Door(Protocol):
    """A relay that can be pulsed. Every method may be called from any thread."""

    def open(self) -> None:
        """Take the relay, at rest.

        Raises:
            DoorError: the relay cannot be driven; says what to do.
        """

    def pulse(self, duration_s: float | None = None) -> None:
        """Let someone in for `duration_s` (the configured pulse when None) and return at once.

        A pulse during a pulse extends it to the later end; it never shortens it.

        Raises:
            DoorError: the door is not open, or the relay does not obey; it is then at rest.
        """

    def hold(self, duration_s: float) -> None:
        """Like `pulse`, whatever was said before: it ends then, be that sooner or later.

        Raises:
            DoorError: see `pulse`.
        """

    def rest(self) -> None:
        """End a pulse now. Does not raise: a relay that does not obey is tried again until it
        does, and `describe` tells of it."""

    @property
    def relay(self) -> bool:
        """True while the relay is driven."""

    def close(self) -> None:
        """Put the relay to rest and let it go; safe after a failed `open` and twice."""

    def describe(self) -> dict[str, Any]:
        """Driver, place, pulse length and fault (None when well), fit for JSON."""


class Opens(Protocol):
    """All that is needed of a door to let somebody in."""

    def pulse(self, duration_s: float | None = None) -> None:
        """See `Door.pulse`."""


class Line(Protocol):
    """What is switched. Calls never overlap; `DoorError` where the hardware does not obey."""

    def take(self) -> None:
        """Take the line so that it is at rest from the first moment on."""

    def switch(self, on: bool, cause: str) -> None:
        """Drive the line, or put it back."""

    def free(self) -> None:
        """Put the line to rest and let it go; safe when it was never taken."""

    def describe(self) -> dict[str, Any]:
        """Where the line is, fit for JSON."""


def check_duration(seconds: float) -> None:
    """Raises `DoorError` where a pulse cannot last that long."""
    if not (math.isfinite(seconds) and 0 < seconds <= _LONGEST_PULSE_S):
        raise DoorError(f"a pulse lasts more than 0 and at most 60 s, not {seconds} s")


class PulsedDoor:
    """A `Door` on a `Line`.

    The end of a pulse does not hang on one thread alone. The keeper switches off at the
    deadline and tries again while the line does not obey; if it dies, of whatever cause, the
    relay goes to rest on its way out; and everyone who calls the door enforces the deadline too.
    """

    def __init__(self, line: Line, pulse_s: float) -> None:
        self._line = line
        self._pulse_s = pulse_s
        self._changed = threading.Condition()
        self._taken = False
        self._deadline: float | None = None
        self._fault: str | None = None
        self._keeper: threading.Thread | None = None

    def open(self) -> None:
        with self._changed:
            if self._taken:
                return
            self._line.take()
            self._taken = True
            self._deadline = self._fault = None
            try:
                self._start_keeper()
            except DoorError:
                self._taken = False
                self._line.free()
                raise

    def pulse(self, duration_s: float | None = None) -> None:
        self._drive_for(self._pulse_s if duration_s is None else duration_s, at_least=True)

    def hold(self, duration_s: float) -> None:
        self._drive_for(duration_s, at_least=False)

    def _drive_for(self, seconds: float, *, at_least: bool) -> None:
        check_duration(seconds)
        with self._changed:
            if not self._taken:
                raise DoorError("the door is not open; open it before pulsing")
            self._enforce()
            if self._fault:
                raise DoorError(self._fault)
            if self._keeper is None or not self._keeper.is_alive():
                self._start_keeper()
            end = time.monotonic() + seconds
            if self._deadline is None:
                self._drive()
                self._deadline = end
            else:
                self._deadline = max(self._deadline, end) if at_least else end
            self._changed.notify_all()

    def rest(self) -> None:
        with self._changed:
            if self._deadline is not None:
                self._deadline = -math.inf
                self._enforce("ended")
                self._changed.notify_all()

    @property
    def relay(self) -> bool:
        with self._changed:
            self._enforce()
            return self._deadline is not None

    def close(self) -> None:
        with self._changed:
            keeper, self._keeper = self._keeper, None
            if self._taken:
                self._taken = False
                self._deadline = None
                self._line.free()
            self._changed.notify_all()
        if keeper is not None and keeper is not threading.current_thread():
            keeper.join()

    def describe(self) -> dict[str, Any]:
        with self._changed:
            self._enforce()
            return {**self._line.describe(), "pulse_s": self._pulse_s, "fault": self._fault}

    def _start_keeper(self) -> None:
        keeper = threading.Thread(target=self._keep, name="door-keeper", daemon=True)
        try:
            keeper.start()
        except RuntimeError as failure:
            raise DoorError(f"no thread to end a pulse with: {failure}; free some memory") from None
        self._keeper = keeper

    def _drive(self) -> None:
        try:
            self._line.switch(on=True, cause="pulse")
        except DoorError as failure:
            # Half switched is possible: the keeper puts it back until the line obeys.
            self._fault = str(failure)
            self._deadline = -math.inf
            self._enforce()
            self._changed.notify_all()
            raise

    def _enforce(self, cause: str = "pulse over") -> None:
        """Switch off when the pulse is over; the lock is held."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        try:
            self._line.switch(on=False, cause=cause)
        except DoorError as failure:
            if self._fault is None:
                _log.error("the relay does not go to rest: %s", failure)
            self._fault = str(failure)
            return
        if self._fault:
            _log.warning("the relay is at rest again")
        self._deadline = self._fault = None

    def _keep(self) -> None:
        me = threading.current_thread()
        try:
            with self._changed:
                while self._taken and self._keeper is me:
                    self._enforce()
                    self._changed.wait(self._time_left())
        finally:
            with self._changed:
                if self._taken and self._deadline is not None and self._keeper is me:
                    self._deadline = -math.inf
                    self._enforce("keeper died")

    def _time_left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(self._deadline - time.monotonic(), _RETRY_S if self._fault else 0.0)
