"""The door's mode at work: ``door.mode`` obeyed, kept over a restart, ended in time, told."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from edged.decision.outcome import Kind
from edged.door.mode import (
    NORMAL,
    Moment,
    Order,
    opens,
    ordered,
    read_order,
    resumed,
    write_order,
)
from edged.errors import DoorError, StorageError
from edged.events.clock import boot_id, boottime_s
from edged.mqtt.catalogue import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from edged.decision.outcome import Outcome
    from edged.door.door import Door
    from edged.door.mode import Asking
    from edged.events.trusted import Notes
    from edged.mqtt.catalogue import Context, Handler, SetMode
    from edged.service.journal import Journal
    from edged.service.state import State

log = logging.getLogger(__name__)

NOTE = "door.mode"
_LEASE_S = 10.0
"""An open door is held in pulses of this length, renewed with every tick: whatever stops the
ticks ends the opening, too."""

_UNREADABLE = Order("secured", cause="the mode before the restart cannot be read")


class Time(Protocol):
    """What is needed of `edged.events.trusted.TrustedTime`."""

    def now(self) -> float: ...

    @property
    def trusted(self) -> bool: ...


class DoorMode:
    """The mode in force. Any thread may ask; orders come from the commands', ticks from the
    supervisor's.

    Args:
        notes: keep the order over a restart.
        door: is pulsed through `entrance` only, so that nothing opens what the mode keeps shut.
        may_forget: the door opens also where that cannot be recorded.
        tell: publishes how door and mode stand.
        boot, up: which start of the machine this is, and for how long it runs.
    """

    def __init__(
        self,
        notes: Notes,
        door: Door,
        journal: Journal,
        state: State,
        clock: Time,
        *,
        may_forget: bool,
        tell: Callable[[], None] = lambda: None,
        boot: Callable[[], str] = boot_id,
        up: Callable[[], float] = boottime_s,
    ) -> None:
        self._notes = notes
        self._door = door
        self._journal = journal
        self._state = state
        self._clock = clock
        self._may_forget = may_forget
        self._tell = tell
        self._boot = boot
        self._up = up
        self._lock = threading.Lock()  # between looking at the mode and driving the relay
        self._changing = threading.Lock()  # one change at a time
        self._order = NORMAL

    @property
    def order(self) -> Order:
        """What is in force, and who put it there."""
        return self._order

    def open(self) -> None:
        """Take up again what was in force before a restart, see `resumed`.

        What cannot be read is taken for ``secured``: nobody is let in by their face until
        somebody says what holds.
        """
        try:
            text = self._notes.note(NOTE)
            kept = NORMAL if text is None else read_order(text)
            problem = "the note is damaged"
        except StorageError as fault:
            kept, problem = None, str(fault)
        if kept is None:
            log.error("the door's mode before the restart cannot be read: %s", problem)
            why = f"the mode before the restart cannot be read ({problem}); send door.mode"
            self._state.degrade("door_mode", why)
            self._order = _UNREADABLE
            return
        order = resumed(kept, self._now())
        if order != NORMAL:
            log.warning("the door's mode is %s, as before the restart", order.mode)
        self._order = order
        # told of an open door, too: who was killed on the way may not have come to tell
        changed = order.mode != kept.mode or order.rule.held
        if changed and not self._record(kept, "start") and order.rule.held and not self._may_forget:
            log.error("the door does not open again: that cannot be recorded")
            self._order = order = NORMAL
        if order != kept:  # of another start of the machine: from now on it is counted by this one
            self._keep(order)
        self._hold()

    def entrance(self, asking: Asking) -> Entrance:
        """The door, for those who ask in this way."""
        return Entrance(self, asking)

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"door.mode": self._ordered}

    def tick(self) -> None:
        """End what is over, hold open what is to be open."""
        with self._changing:
            before = self._order
            if before.is_over(self._now()):
                self._put(NORMAL)
                self._keep(NORMAL)
                self._record(before, "time")
                self._tell()
        self._hold()

    def refusal_of(self, asking: Asking) -> str | None:
        """Why the door would not open now for those who ask in this way; None: it would."""
        mode = self._order.mode
        return None if opens(mode, asking) else mode

    def somebody_in(self, groups: Iterable[str], at: float) -> None:
        """Somebody of these groups was let in (Unix seconds): for ``first_in``."""

    def ring(self, alarm: Literal["duress", "bell"], for_s: float = 5.0) -> None:
        """Drive the outputs for such an alarm; from any thread, at once."""

    def judged(self, outcome: Outcome) -> Outcome:
        """What becomes of a recognition: who it is, stays; whether the door opens, is said here."""
        mode = self._order.mode
        if outcome.kind is not Kind.GRANTED or opens(mode, "recognised"):
            return outcome
        return replace(outcome, kind=Kind.DENIED, reason=mode)

    def refusal(self) -> Reply | None:
        """Why ``door.unlock`` is not obeyed now; None: it is."""
        mode = self._order.mode
        if opens(mode, "ordered"):
            return None
        return Reply("refused", mode, "the door is locked down; send door.mode first")

    def pulse(self, asking: Asking, duration_s: float | None) -> None:
        """Open the door, unless the mode speaks against it at this very moment.

        Raises:
            DoorError: it does, or the relay does not obey.
        """
        with self._lock:
            mode = self._order.mode
            if not opens(mode, asking):
                raise DoorError(f"the door is {mode.replace('_', ' ')} since a moment ago")
            self._door.pulse(duration_s)

    def _ordered(self, args: SetMode, context: Context) -> Reply:
        with self._changing:
            before = self._order
            order = ordered(
                args.mode,
                args.for_s,
                self._now(),
                command=context.id,
                key=context.key_id,
                cause=args.cause,
            )
            if order.looser_than(before) and not self._may_forget:
                # what opens more is on the record, and in the note, before it is in force
                if not self._keep(order):
                    return _NOT_RECORDED
                if not self._record(before, "command", order):
                    self._keep(before)
                    return _NOT_RECORDED
                self._put(order)
                recorded = True
            else:
                self._put(order)
                kept = self._keep(order)
                recorded = self._record(before, "command") and kept
        self._state.restore("door_mode")
        fault = self._hold()
        self._tell()
        return self._answer(order, before, fault, recorded=recorded or self._may_forget)

    def _answer(self, order: Order, before: Order, fault: str | None, *, recorded: bool) -> Reply:
        data = {"mode": order.mode, "before": before.mode, "until": written(order.until_s)}
        if fault is not None:
            text = f"the mode is in force, but the relay does not obey: {fault}"
            return Reply("failed", "door", text, data)
        if not recorded:
            text = "the mode is in force, but a restart may forget it: it cannot be recorded"
            return Reply("failed", "not_recorded", text, data)
        return Reply(data=data)

    def _put(self, order: Order) -> None:
        """Put an order in force; the relay goes to rest where the door is not open any more."""
        with self._lock:
            before, self._order = self._order, order
            if not opens(order.mode, "ordered") or (before.rule.held and not order.rule.held):
                self._door.rest()

    def _hold(self) -> str | None:
        """Keep an open door open; what the relay has against it."""
        try:
            with self._lock:
                if self._order.rule.held:
                    self._door.pulse(_LEASE_S)
        except DoorError as fault:  # the state has it from the door itself
            return str(fault)
        return None

    def _keep(self, order: Order) -> bool:
        try:
            self._notes.keep_note(NOTE, None if order.mode == "normal" else write_order(order))
        except StorageError as fault:
            log.error("the door's mode cannot be kept over a restart: %s", fault)
            return False
        return True

    def _record(self, before: Order, by: _By, order: Order | None = None) -> bool:
        order = order or self._order
        log.info("the door's mode is %s, it was %s (%s)", order.mode, before.mode, by)
        told: dict[str, Any] = {
            "mode": order.mode,
            "before": before.mode,
            "by": by,
            "command": order.command if by == "command" else None,
            "key": order.key if by == "command" else None,
            "cause": order.cause if by == "command" else None,
            "until": written(order.until_s),
        }
        return self._journal.record("door.mode_changed", **told) is not None

    def _now(self) -> Moment:
        return Moment(self._clock.now(), self._clock.trusted, self._boot(), self._up())


class Entrance:
    """The door, for one kind of asking: all that whoever opens it needs."""

    def __init__(self, mode: DoorMode, asking: Asking) -> None:
        self._mode = mode
        self._asking = asking

    def pulse(
        self,
        duration_s: float | None = None,
        *,
        extended: bool = False,
        on_end: Callable[[bool], None] | None = None,
    ) -> None:
        """Open the door, and return at once.

        Args:
            duration_s: instead of the configured time.
            extended: for somebody who needs longer.
            on_end: called once, on some thread: with True as soon as the door was opened (at once
                where there is no contact), with False when the time was up without. Never
                where this raises.

        Raises:
            DoorError: the mode speaks against it by now, or the relay does not obey.
        """
        del extended
        self._mode.pulse(self._asking, duration_s)
        if on_end is not None:
            on_end(True)


_NOT_RECORDED = Reply("failed", "not_recorded", "the change cannot be recorded; see state")

if TYPE_CHECKING:
    _By = Literal["command", "time", "start"]


def written(unix_s: float | None) -> str | None:
    """A time as events write it."""
    if unix_s is None:
        return None
    text = datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
