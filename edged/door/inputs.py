"""An input of the door, watched by a thread of its own and believed when it is at rest."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from edged.door.debounce import Bounce, look, waits_s
from edged.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.door.switch import Switch

log = logging.getLogger(__name__)

_TRY_AGAIN_S = 2.0
_IDLE_S = 0.25
_CLOSE_S = 2.0
_BREATH_S = 0.05
"""Between two looks at what flickers, so that it costs next to nothing."""


class InputFault(NamedTuple):
    """Why nobody knows what an input says."""

    kind: Literal["flickers", "unreadable"]
    text: str


class InputWatch:
    """Tells what an input says whenever that changes; what cannot be read is tried for ever.

    Args:
        name: of the input, for the log.
        on_value: called on this one's thread, with whether the switch has left its normal state,
            None where nobody knows, and since when (monotonic).
        on_fault: called there with what is wrong, before `on_value` tells None, and with None
            when it is well again.
        on_look: called there at least every two seconds.
    """

    def __init__(
        self,
        name: str,
        switch: Switch,
        debounce_s: float,
        on_value: Callable[[bool | None, float], None],
        on_fault: Callable[[InputFault | None], None],
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._switch = switch
        self._debounce_s = debounce_s
        self._on_value = on_value
        self._on_fault = on_fault
        self._on_look = on_look
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._value: bool | None = None
        self._fault: InputFault | None = None

    def open(self) -> None:
        """Begin to look.

        Raises:
            DoorError: there is no thread to be had.
        """
        thread = threading.Thread(target=self._work, name=f"door-{self._name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as failure:
            raise DoorError(f"no thread to read an input with: {failure}; free some memory") from (
                None
            )
        self._thread = thread

    def stop(self) -> None:
        """Have it stop, without waiting for it."""
        self._stop.set()

    def close(self) -> None:
        """Stop looking; safe twice and without `open`."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_S)
            if thread.is_alive():  # a file on a disk that hangs; the relay does not wait for it
                log.error("the input %s holds up its thread; left behind", self._name)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._switch.take()
                self._look()
            except DoorError as fault:
                self._unknown(InputFault("unreadable", str(fault)))
            except Exception:  # the edge of the thread
                log.exception("what reads the input %s failed", self._name)
                self._unknown(InputFault("unreadable", "what reads it failed; see the log"))
            finally:
                with suppress(DoorError, OSError):
                    self._switch.free()
            self._on_look()
            self._stop.wait(_TRY_AGAIN_S)

    def _look(self) -> None:
        bounce = Bounce()
        while not self._stop.is_set():
            if bounce.flickers:
                self._stop.wait(_BREATH_S)
            for raw, t_s in self._switch.wait(self._patience_s(bounce)):
                bounce = look(bounce, raw, t_s, self._debounce_s)
                if bounce.flickers:
                    self._unknown(InputFault("flickers", "it changes faster than it can be read"))
                elif bounce.value is not None:
                    self._well(bounce.value, bounce.since_s)
            self._on_look()

    def _patience_s(self, bounce: Bounce) -> float:
        """Closer together while something is going on, for switches that are polled."""
        if bounce.flickers:
            return _BREATH_S
        waits = waits_s(bounce, time.monotonic(), self._debounce_s)
        return _IDLE_S if waits is None else min(waits, max(0.001, self._debounce_s / 10))

    def _well(self, value: bool, since_s: float) -> None:
        if self._fault is not None:
            log.warning("the input %s is read again", self._name)
            self._fault = None
            self._on_fault(None)
        if value != self._value:
            self._value = value
            self._on_value(value, since_s)

    def _unknown(self, fault: InputFault) -> None:
        before, self._fault = self._fault, fault
        if before is None:
            log.error("the input %s: %s", self._name, fault.text)
        if before is None or before.kind != fault.kind:
            self._on_fault(fault)
            self._value = None
            self._on_value(None, time.monotonic())
