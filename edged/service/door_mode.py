"""The door's mode at work: ``door.mode`` obeyed, kept over a restart, ended in time, told."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from edged.config.door import SimulatedDoor
from edged.decision.outcome import Kind
from edged.door.acts import Ask, Ordered, Ring, Timed
from edged.door.machine import permits
from edged.door.mode import (
    NORMAL,
    RULES,
    Moment,
    Order,
    in_force,
    ordered,
    read_order,
    resumed,
    write_order,
)
from edged.door.plan import plan_of
from edged.door.timetable import Wish
from edged.errors import StorageError
from edged.events.clock import boot_id, boottime_s
from edged.mqtt.catalogue import Reply
from edged.service.door_control import DoorControl
from edged.service.door_inputs import DoorInputs
from edged.service.door_outputs import DoorOutputs
from edged.service.door_timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from edged.config.door import DoorSettings
    from edged.decision.outcome import Outcome
    from edged.door.door import Door
    from edged.door.mode import Asking, Mode
    from edged.door.timetable import Schedules
    from edged.events.trusted import Notes
    from edged.mqtt.catalogue import Context, Handler, SetMode
    from edged.service.door_control import Interlock
    from edged.service.journal import Journal
    from edged.service.state import State

log = logging.getLogger(__name__)

NOTE = "door.mode"
_UNREADABLE = Order("secured", cause="the mode before the restart cannot be read")
_NO_TIME = "the time is not known: the timetable opens nothing; set the clock"


class Time(Protocol):
    """What is needed of `edged.events.trusted.TrustedTime`."""

    def now(self) -> float: ...

    @property
    def trusted(self) -> bool: ...


class DoorMode:
    """The door's one entrance, and the mode in force. Any thread may ask; orders come from the
    commands', ticks from the supervisor's.

    Args:
        notes: keep over a restart what was ordered, how the door stood, and who was first.
        door: is driven by the state machine only, so that nothing opens what is to be shut.
        may_forget: the door opens also where that cannot be recorded.
        tell: publishes `document`.
        boot, up: which start of the machine this is, and for how long it runs.
        settings: inputs, outputs, timetable; None: there are none.
        schedules: of the timetable.
        sure: whether the time is known well enough to open a door by a timetable; None: when the
            clock is trusted.
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
        settings: DoorSettings | None = None,
        schedules: Schedules | None = None,
        sure: Callable[[], bool] | None = None,
    ) -> None:
        settings = settings or SimulatedDoor(driver="simulated")
        self._settings = settings
        self._plan = plan_of(settings)
        self._notes = notes
        self._door = door
        self._journal = journal
        self._state = state
        self._clock = clock
        self._may_forget = may_forget
        self._tell = tell
        self._boot = boot
        self._up = up
        outputs = DoorOutputs(settings, state) if settings.outputs else None
        self._control = DoorControl(door, self._plan, outputs, notes, journal.record, tell, up)
        self._inputs = DoorInputs(settings, self._control, state)
        self._timetable = Timetable(
            settings.timetable, schedules, notes, clock.now, sure or (lambda: clock.trusted)
        )
        self._changing = threading.Lock()  # one change at a time
        self._order = NORMAL
        self._wish = Wish("normal")

    @property
    def order(self) -> Order:
        """What was commanded, and by whom."""
        return self._order

    @property
    def mode(self) -> Mode:
        """What is in force: by the command or by the timetable."""
        return self._control.known.mode

    @property
    def in_fire(self) -> bool:
        """Whether a fire has the door unlocked."""
        return self._control.known.fire

    def open(self) -> None:
        """Take up again what was in force before a restart, see `resumed`, and read the inputs.

        What cannot be read is taken for ``secured``: nobody is let in by their face until
        somebody says what holds.

        Raises:
            DoorError: there are no threads to be had.
        """
        self._control.open()
        self._timetable.open()
        self._resume()
        self._control.happen(lambda t_s: Ordered(t_s, self._order.mode))
        self.tick()
        self._inputs.open()

    def close(self) -> None:
        """Read no inputs any more and let nobody in; safe twice and without `open`. The relay
        rests when the door itself is closed."""
        self._inputs.close()
        self._control.close()

    def entrance(self, asking: Asking) -> Entrance:
        """The door, for those who ask in this way."""
        return Entrance(self, asking)

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"door.mode": self._ordered}

    def tick(self) -> None:
        """End what is over, follow the timetable, hold open what is to be open."""
        with self._changing:
            if self._order.is_over(self._now()):
                self._end_order()
            self._follow_timetable()
        self._control.tick()

    def interlocked_with(self, interlock: Interlock) -> None:
        """Ask this other door before every grant; until then ``door.interlock`` lets nobody in."""
        self._control.interlocked_with(interlock)

    def refusal_of(self, asking: Asking) -> str | None:
        """Why the door would not open now for those who ask in this way; None: it would."""
        mode = self.mode
        if not permits(mode, asking, self._plan):
            return mode
        return "interlock" if self._control.blocked() else None

    def refusal(self) -> Reply | None:
        """Why ``door.unlock`` is not obeyed now; None: it is."""
        reason = self.refusal_of("ordered")
        if reason is None:
            return None
        if reason == "interlock":
            return Reply("refused", reason, "the other door of the interlock is not shut")
        return Reply("refused", reason, "the door is locked down; send door.mode first")

    def judged(self, outcome: Outcome) -> Outcome:
        """What becomes of a recognition: who it is, stays; whether the door opens, is said here."""
        if outcome.kind is not Kind.GRANTED:
            return outcome
        reason = self.refusal_of("recognised")
        return outcome if reason is None else replace(outcome, kind=Kind.DENIED, reason=reason)

    def somebody_in(self, groups: Iterable[str], at: float) -> None:
        """Somebody of these groups was let in (Unix seconds): spans of the timetable with
        ``first_in`` wait for them. Any thread; once they are in, or allowed in."""
        with self._changing:
            if self._timetable.somebody_in(groups, at):
                self._follow_timetable()

    def ring(self, alarm: Literal["duress", "bell"], for_s: float = 5.0) -> None:
        """Drive the outputs for such an alarm; from any thread, at once."""
        self._control.happen(lambda t_s: Ring(t_s, alarm, for_s))

    def pulse(
        self,
        asking: Asking,
        duration_s: float | None = None,
        *,
        extended: bool = False,
        on_end: Callable[[bool], None] | None = None,
    ) -> None:
        """See `Entrance.pulse`."""
        self._control.let_in(lambda t_s: Ask(t_s, asking, duration_s, extended), asking, on_end)

    def document(self) -> dict[str, Any]:
        """For ``state.door``: what the inputs say and the relay does, never what was wished."""
        known, order, wish = self._control.known, self._order, self._wish
        mode, by = in_force(known.ordered, known.timed)
        until_s = order.until_s if by == "command" else wish.until_s if by else None
        return {
            "mode": mode,
            "by": by,
            "until": written(until_s),
            "relay": "on" if self._door.relay else "rest",
            "causes": list(known.causes),
            "contact": known.leaf,
            "fire": known.fire if self._plan.fire else None,
            "tamper": known.tamper if self._plan.tamper else None,
            "alarms": sorted(a for a, _ in known.alarms if a in _TOLD),
        }

    def _resume(self) -> None:
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
        if order.rule.held and self._plan.interlock:
            order = NORMAL  # two doors that were none before
        if order != NORMAL:
            log.warning("the door's mode is %s, as before the restart", order.mode)
        self._order = order
        # told of an open door, too: who was killed on the way may not have come to tell
        changed = order.mode != kept.mode or order.rule.held
        if changed:
            recorded = self._record(kept.mode, "start", mode=order.mode)
            if not recorded and order.rule.held and not self._may_forget:
                log.error("the door does not open again: that cannot be recorded")
                self._order = order = NORMAL
        if order != kept:  # of another start of the machine: from now on it is counted by this one
            self._keep(order)

    def _ordered(self, args: SetMode, context: Context) -> Reply:
        if args.mode == "open" and self._plan.interlock:
            return Reply("refused", "interlock", "a door with an interlock is not held open")
        with self._changing:
            before, mode = self._order, self.mode
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
                if not self._record(mode, "command", order):
                    self._keep(before)
                    return _NOT_RECORDED
                fault = self._put(order)
                recorded = True
            else:
                fault = self._put(order)
                kept = self._keep(order)
                recorded = self._record(mode, "command") and kept
        self._state.restore("door_mode")
        self._tell()
        return self._answer(mode, fault, recorded=recorded or self._may_forget)

    def _answer(self, before: Mode, fault: str | None, *, recorded: bool) -> Reply:
        mode, by = in_force(self._order.mode, self._wish.mode)
        until_s = self._wish.until_s if by == "timetable" else self._order.until_s
        data = {"mode": mode, "before": before, "until": written(until_s)}
        if fault is not None:
            text = f"the mode is in force, but the relay does not obey: {fault}"
            return Reply("failed", "door", text, data)
        if not recorded:
            text = "the mode is in force, but a restart may forget it: it cannot be recorded"
            return Reply("failed", "not_recorded", text, data)
        if mode != self._order.mode:
            return Reply(text=f"the timetable says {mode}, and that comes first", data=data)
        return Reply(data=data)

    def _end_order(self) -> None:
        """Its time is up; where the timetable holds the door open then, that is on the record
        before it does."""
        before, after = self.mode, self._wish.mode
        opens = RULES[after].held and not RULES[before].held
        recorded = opens and not self._may_forget
        if recorded and not self._record(before, "time", NORMAL):
            return  # tried again with the next tick
        self._put(NORMAL)
        self._keep(NORMAL)
        if not recorded:
            self._record(before, "time")
        self._tell()

    def _follow_timetable(self) -> None:
        """One change at a time; what opens more is on the record before it is in force."""
        wish, before = self._timetable.wish(), self.mode
        if self._timetable.unsure:
            if self._state.degrade("door_timetable", _NO_TIME):
                log.error("%s", _NO_TIME)
        elif self._state.restore("door_timetable"):
            log.warning("the timetable opens the door again")
        if wish.mode == self._wish.mode:
            if wish != self._wish:
                self._wish = wish
                self._tell()
            return
        mode = in_force(self._order.mode, wish.mode)[0]
        looser = RULES[mode].caution < RULES[before].caution
        recorded = mode == before
        if looser and not self._may_forget:
            if not self._record(before, "timetable", mode=mode, until_s=wish.until_s):
                return  # tried again with the next tick
            recorded = True
        self._wish = wish
        self._control.happen(lambda t_s: Timed(t_s, wish.mode))
        if not recorded:
            self._record(before, "timetable", until_s=wish.until_s)
        self._tell()

    def _put(self, order: Order) -> str | None:
        """Put an order in force; what the relay has against it."""
        self._order = order
        return self._control.happen(lambda t_s: Ordered(t_s, order.mode))

    def _keep(self, order: Order) -> bool:
        try:
            self._notes.keep_note(NOTE, None if order.mode == "normal" else write_order(order))
        except StorageError as fault:
            log.error("the door's mode cannot be kept over a restart: %s", fault)
            return False
        return True

    def _record(
        self,
        before: Mode,
        by: _By,
        order: Order | None = None,
        *,
        mode: Mode | None = None,
        until_s: float | None = None,
    ) -> bool:
        """Tell of a change: of what was in force, to what is, or is about to be."""
        order = order or self._order
        mode = mode or in_force(order.mode, self._wish.mode)[0]
        log.info("the door's mode is %s, it was %s (%s)", mode, before, by)
        told: dict[str, Any] = {
            "mode": mode,
            "before": before,
            "by": by,
            "command": order.command if by == "command" else None,
            "key": order.key if by == "command" else None,
            "cause": order.cause if by == "command" else None,
            "until": written(until_s if by == "timetable" else order.until_s),
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
        self._mode.pulse(self._asking, duration_s, extended=extended, on_end=on_end)


_TOLD = frozenset({"forced", "pre_alarm", "held_open", "tamper", "fire"})
_NOT_RECORDED = Reply("failed", "not_recorded", "the change cannot be recorded; see state")

if TYPE_CHECKING:
    _By = Literal["command", "time", "start", "timetable"]


def written(unix_s: float | None) -> str | None:
    """A time as events write it."""
    if unix_s is None:
        return None
    text = datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
