"""The switch at the case: read by a thread of its own, believed after 50 ms."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from edged.door.gpio import GpioInput, Wire
from edged.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.config.schema import TamperLine

log = logging.getLogger(__name__)

DEBOUNCE_S = 0.05
_LOOK_S = 0.02
_TRY_AGAIN_S = 5.0


class Input(Protocol):
    """Something that is active or not."""

    def take(self) -> None:
        """Begin to read it; `DoorError` where that cannot be."""

    def active(self) -> bool:
        """Whether it is now; `DoorError` where nobody can say."""

    def free(self) -> None:
        """Let go of it; safe at any time."""


class FileInput:
    """Active while there is a file: a switch for simulations."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> None:
        return

    def active(self) -> bool:
        try:
            return self._path.exists()
        except OSError as fault:
            raise DoorError(f"{self._path}: {fault.strerror}") from fault

    def free(self) -> None:
        return


class Tamper:
    """Calls `on_active` when the input has been active for 50 ms, again only after it was not.

    It may be so from the start. What cannot be read is tried again for ever: a switch that is
    torn off is told, and is no reason to keep the door shut.

    Args:
        on_active, on_fault: called on this one's thread; the latter with what is wrong, and with
            None when it is well again.
    """

    def __init__(
        self,
        line: Input,
        on_active: Callable[[], None],
        on_fault: Callable[[str | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = line
        self._on_active = on_active
        self._on_fault = on_fault
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._since_s: float | None = None
        self._reported = False

    def open(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._work, name="tamper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; safe twice."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._line.take()
                self._on_fault(None)
                self._look()
            except DoorError as fault:
                self._since_s = None
                self._on_fault(str(fault))
                self._stop.wait(_TRY_AGAIN_S)
            except Exception:  # the edge of the thread
                log.exception("the tamper thread failed")
                self._on_fault("what reads the switch failed; see the log")
                self._stop.wait(_TRY_AGAIN_S)
            finally:
                with suppress(DoorError, OSError):
                    self._line.free()

    def _look(self) -> None:
        while not self._stop.is_set():
            self.step(self._line.active())
            self._stop.wait(_LOOK_S)

    def step(self, active: bool) -> None:
        """Take in one look at the input."""
        now_s = self._clock()
        if not active:
            self._since_s, self._reported = None, False
        elif self._since_s is None:
            self._since_s = now_s
        elif not self._reported and now_s - self._since_s >= DEBOUNCE_S:
            self._reported = True
            self._on_active()


def make_tamper(
    settings: TamperLine,
    on_active: Callable[[], None],
    on_fault: Callable[[str | None], None],
) -> Tamper:
    """The switch of these settings, not read yet."""
    line: Input
    if settings.file is not None:
        line = FileInput(settings.file)
    else:
        assert settings.line is not None  # noqa: S101  # the schema saw to it
        wire = Wire(settings.chip, settings.line, settings.active_low)
        line = GpioInput(wire, "gallery.wipe.tamper.chip", "gallery.wipe.tamper.line")
    return Tamper(line, on_active, on_fault)
