"""The daemon begins anew, in its own place: the same process, another life.

The relay is at rest in between, everything is closed in order first, and systemd goes on watching
the process that it knows.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.errors import StorageError
from edged.events.clock import boot_id, boottime_s
from edged.mqtt.catalogue import Reply
from edged.service.notify import notify

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.events.trusted import Notes
    from edged.mqtt.catalogue import Context, Handler
    from edged.mqtt.catalogue import Restart as Args
    from edged.service.journal import Journal

log = logging.getLogger(__name__)

NOTE = "restart"
EVERY_S = 60.0
"""Not more often than this, over restarts: it must not be a way to keep a door from working."""

_REPLY_FIRST_S = 0.5
_SLOWEST_START_US = 90_000_000  # TimeoutStartSec of the unit
_ASK = (signal.SIGTERM, signal.SIGINT)


class Restart:
    """Whether the daemon is to begin anew. Any thread may ask; the supervisor looks.

    Args:
        notes: remember the last one.
        possible: False where somebody started the daemon for a purpose of their own.
        boot, up: which start of the machine this is, and for how long it runs.

    Attributes:
        busy: whether something is under way that a restart would cut.
    """

    def __init__(
        self,
        notes: Notes,
        journal: Journal,
        *,
        possible: bool = True,
        boot: Callable[[], str] = boot_id,
        up: Callable[[], float] = boottime_s,
    ) -> None:
        self._notes = notes
        self._journal = journal
        self._possible = possible
        self._boot = boot
        self._up = up
        self._began_s = up()
        self._asked_s: float | None = None
        self.busy: Callable[[], bool] = lambda: False

    @property
    def due(self) -> bool:
        """Whether it is time: whoever ordered it has had the reply."""
        asked_s = self._asked_s
        return asked_s is not None and self._up() - asked_s >= _REPLY_FIRST_S

    @property
    def possible(self) -> bool:
        """Whether there can be one at all."""
        return self._possible

    def wait_s(self) -> float:
        """How long none may begin yet."""
        try:
            text = self._notes.note(NOTE)
        except StorageError:  # then nothing was remembered either, but since when we run
            return max(0.0, self._began_s + EVERY_S - self._up())
        last_s, now_s = _read(text, self._boot()), self._up()
        if last_s is None or last_s > now_s:
            return 0.0
        return max(0.0, last_s + EVERY_S - now_s)

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"restart": self._ordered}

    def begin(
        self,
        by: str,
        *,
        command: str | None = None,
        key: str | None = None,
        cause: str | None = None,
    ) -> None:
        """End in a moment, and begin anew. Ask `possible` and `wait_s` first."""
        text = json.dumps({"v": 1, "boot": self._boot(), "up_s": self._up()})
        with suppress(StorageError):  # a full disk may be why
            self._notes.keep_note(NOTE, text)
        self._journal.record("terminal.restarting", by=by, command=command, key=key, cause=cause)
        log.warning("the terminal begins anew (%s)", by)
        self._asked_s = self._up()

    def _ordered(self, args: Args, context: Context) -> Reply:
        if not self._possible:
            return Reply("refused", "not_allowed", "it was started by hand, for a recording")
        if self._asked_s is not None:
            return Reply(text="it is about to")
        if self.busy():
            return Reply("refused", "busy", "a bundle is being installed, or there is a fire")
        wait_s = math.ceil(self.wait_s())
        if wait_s > 0:
            text = f"at most one restart a minute; try again in {wait_s} s"
            return Reply("refused", "too_often", text, {"wait_s": wait_s})
        self.begin("command", command=context.id, key=context.key_id, cause=args.cause)
        return Reply(text="the terminal begins anew")


def _read(text: str | None, boot: str) -> float | None:
    """When the last one was, since this start of the machine."""
    try:
        note = json.loads(text or "")
        at_s = float(note["up_s"])
        return at_s if boot and note["boot"] == boot and math.isfinite(at_s) else None
    except (ValueError, TypeError, KeyError):
        return None


def settled() -> None:
    """Once ready: what systemd was told about a slow start is taken back."""
    usual = os.environ.get("WATCHDOG_USEC", "")
    if usual.isdigit():
        notify(f"WATCHDOG_USEC={usual}")


def unblock() -> None:
    """Hear again who asks for the end; who asked between two lives is heard now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASK)


def begin_anew(asked_to_end: Callable[[], bool]) -> bool:
    """Become a new daemon, called as this one was; does not return as a rule.

    Returns:
        False: somebody asked for the end meanwhile, or the system refuses.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASK)  # stays with the new one until it can hear
    if asked_to_end():
        unblock()
        return False
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    notify(f"WATCHDOG_USEC={_SLOWEST_START_US}")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    _leave_nothing_open()
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    except OSError as fault:
        log.error("the terminal cannot begin anew: %s", fault)
        unblock()
        return False


def _leave_nothing_open() -> None:
    """A driver's library may have opened a device that would stay busy for the new one."""
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # numbers, no paths
            if int(name) > 2:
                with suppress(OSError):
                    os.set_inheritable(int(name), False)
