"""The door's state machine at work: the relay follows its word, and what it says is told."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from edged.door.acts import Answer, Claim, Ended, Record, Tick, Withdraw
from edged.door.door import check_duration
from edged.door.kept import read_door, resumed_door, write_door
from edged.door.machine import Door as Known
from edged.door.machine import permits, step
from edged.errors import DoorError, StorageError
from edged.events.clock import boottime_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.door.acts import Ask, Event
    from edged.door.door import Door
    from edged.door.mode import Asking
    from edged.door.plan import Plan
    from edged.events.trusted import Notes
    from edged.service.door_outputs import DoorOutputs

log = logging.getLogger(__name__)

NOTE = "door.state"
LEASE_S = 10.0
"""A door that is held open is driven for this long, renewed with every tick and by whoever reads
the fire input: whatever stops both ends it."""
_LONGEST_S = 60.0
_CLOSE_S = 10.0


class Interlock(Protocol):
    """The other door, see `edged.service.interlock`."""

    def blocked(self) -> str | None: ...
    def claim(self, on_answer: Callable[[bool, str], None]) -> None: ...
    def door_is(self, shut_and_locked: bool, *, fire: bool = False) -> None: ...


class DoorControl:
    """Takes events from any thread. The relay is driven at once, under one lock; what else
    follows (records, callbacks) is done in order by a thread of its own, so that no slow disk
    keeps the relay waiting.

    Args:
        record: writes an event; called on the control's thread, as are those whom `let_in` tells.
        changed: called there, too, when something may have changed.
        up: the counter, seconds.
    """

    def __init__(
        self,
        door: Door,
        plan: Plan,
        outputs: DoorOutputs | None,
        notes: Notes,
        record: Callable[..., object],
        changed: Callable[[], None] = lambda: None,
        up: Callable[[], float] = boottime_s,
    ) -> None:
        self._relay = door
        self._plan = plan
        self._outputs = outputs
        self._notes = notes
        self._write = record
        self._changed = changed
        self._up = up
        self._lock = threading.Lock()  # between what happens and the relay
        self._known = Known()
        self._driven = False
        self._callbacks: dict[int, Callable[[bool], None]] = {}
        self._work = threading.Condition()
        self._effects: deque[Record | Ended] = deque()
        self._claims: deque[int] = deque()
        self._due = False
        self._closing = False
        self._teller: threading.Thread | None = None
        self._kept: str | None = None
        self._interlock: Interlock | None = None
        self._telling = threading.Lock()
        self._untold = False
        self._told: tuple[bool, bool] | None = None  # shut and locked, fire

    def open(self) -> None:
        """Take up what was known before a restart, and begin.

        Raises:
            DoorError: there is no thread to be had.
        """
        self._known = resumed_door(self._read(), self._up(), self._plan)
        thread = threading.Thread(target=self._tell_all, name="door-teller", daemon=True)
        try:
            thread.start()
        except RuntimeError as failure:
            problem = f"no thread to tell of the door with: {failure}; free some memory"
            raise DoorError(problem) from None
        self._teller = thread
        if self._outputs is not None:
            self._outputs.open()
        self.tick()

    def close(self) -> None:
        """Let nobody in any more, and tell those who wait for the end of a grant; safe twice."""
        with self._work:
            self._closing = True
            self._work.notify_all()
        thread, self._teller = self._teller, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_S)
            if thread.is_alive():
                log.error("what tells of the door hangs; left behind")
        if self._outputs is not None:
            self._outputs.close()

    @property
    def known(self) -> Known:
        """The door as it is known."""
        return self._known

    def interlocked_with(self, interlock: Interlock) -> None:
        """Ask another door before this one is opened. Until then nobody is let in, where the
        configuration has such a door."""
        self._interlock = interlock
        self._tell_interlock()

    def blocked(self) -> bool:
        """Whether the other door is known to be open."""
        if not self._plan.interlock or self._known.fire:
            return False
        return self._interlock is None or self._interlock.blocked() is not None

    def tick(self) -> None:
        """What time brings; what is held open is held on."""
        self.happen(Tick)

    def happen(self, event: Callable[[float], Event]) -> str | None:
        """Something happens now; from any thread.

        Args:
            event: of the moment, which is asked for under the lock, so that time never goes back.

        Returns:
            What the relay has against it.
        """
        with self._lock:
            fault = self._step(event(self._up()))
        self._follow()
        return fault

    def record(self, type_: str, **data: Any) -> None:
        """Have an event recorded, after those that came before; returns at once."""
        self._effects.append(Record(type_, data))
        self._wake()

    def let_in(
        self, ask: Callable[[float], Ask], asking: Asking, on_end: Callable[[bool], None] | None
    ) -> None:
        """Let somebody in, and return at once; see `edged.service.door_mode.Entrance`.

        Raises:
            DoorError: they may not come in by now, or the relay does not obey.
        """
        with self._lock:
            event = ask(self._up())
            if event.duration_s is not None:
                check_duration(event.duration_s)
            mode = self._known.mode
            if not permits(mode, asking, self._plan):
                raise DoorError(f"the door is {mode.replace('_', ' ')} since a moment ago")
            grant = self._known.serial + 1
            if on_end is not None:
                self._callbacks[grant] = on_end
            fault = self._step(event)
            if fault is not None:
                self._callbacks.pop(grant, None)
                self._step(Withdraw(event.t_s, grant))
        self._follow()
        if fault is not None:
            raise DoorError(fault)

    def _step(self, event: Event) -> str | None:
        """The lock is held."""
        before = self._known
        self._known, effects = step(before, event, self._plan)
        fault = self._drive()
        if effects or not isinstance(event, Tick) or self._known.causes != before.causes:
            for effect in effects:
                if isinstance(effect, Claim):
                    self._claims.append(effect.id)
                else:
                    self._effects.append(effect)
            self._wake()
        return fault

    def _drive(self) -> str | None:
        """Make the relay follow; what it has against it."""
        known = self._known
        if not known.causes:
            if self._driven:
                self._driven = False
                self._relay.rest()
            return None
        ends_s = known.free_until_s
        seconds = LEASE_S if known.held or ends_s is None else ends_s - known.t_s
        try:
            self._relay.hold(min(max(seconds, 0.001), _LONGEST_S))
        except DoorError as fault:  # the state has it from the door itself
            return str(fault)
        finally:
            self._driven = True
        return None

    def _follow(self) -> None:
        """What is to be done at once, and not under the lock."""
        if self._outputs is not None:
            self._outputs.show(self._known.sounding(self._plan))
        while self._claims:
            with suppress(IndexError):  # somebody else took it
                self._claim(self._claims.popleft())
        self._tell_interlock()

    def _claim(self, grant: int) -> None:
        def answered(granted: bool, why: str) -> None:
            self.happen(lambda t_s: Answer(t_s, grant, granted, why))

        if self._interlock is None:
            answered(False, "not_ready")
        else:
            self._interlock.claim(answered)

    def _tell_interlock(self) -> None:
        """Nobody waits: whoever tells just now looks again when it is done."""
        self._untold = True
        while self._untold and self._telling.acquire(blocking=False):
            try:
                self._untold = False
                known, interlock = self._known, self._interlock
                told = (known.shut_and_locked, known.fire)
                if interlock is not None and told != self._told:
                    self._told = told
                    interlock.door_is(told[0], fire=told[1])
            finally:
                self._telling.release()

    def _tell_all(self) -> None:
        """The control's thread."""
        while self._wait():
            while self._effects:
                try:
                    self._do(self._effects.popleft())
                except Exception:  # one who listens fails; the others want to hear it, too
                    log.exception("what follows at the door failed")
            try:
                self._keep()
                self._changed()
            except Exception:
                log.exception("how the door stands cannot be told")
        for on_end in self._left():
            on_end(False)

    def _wait(self) -> bool:
        with self._work:
            while not self._due and not self._closing:
                self._work.wait()
            going_on = self._due
            self._due = False
            return going_on

    def _wake(self) -> None:
        with self._work:
            self._due = True
            self._work.notify_all()

    def _do(self, effect: Record | Ended) -> None:
        match effect:
            case Record(type=type_, data=data):
                self._write(type_, **data)
            case Ended(id=grant, opened=opened):
                with self._lock:
                    on_end = self._callbacks.pop(grant, None)
                if on_end is not None:
                    on_end(opened)

    def _left(self) -> list[Callable[[bool], None]]:
        with self._lock:
            left = list(self._callbacks.values())
            self._callbacks.clear()
        return left

    def _read(self) -> Known:
        try:
            text = self._notes.note(NOTE)
        except StorageError as fault:
            log.error("how the door stood before the restart cannot be read: %s", fault)
            return Known()
        kept = None if text is None else read_door(text)
        if text is not None and kept is None:
            log.error("how the door stood before the restart cannot be read: it is damaged")
        self._kept = None if kept is None else _lasting(kept, self._plan)
        return kept or Known()

    def _keep(self) -> None:
        """Over a restart, whenever something changed that outlasts one."""
        known = self._known
        lasting = _lasting(known, self._plan)
        if lasting == self._kept:
            return
        try:
            self._notes.keep_note(NOTE, write_door(known))
        except StorageError as fault:
            log.warning("how the door stands cannot be kept over a restart: %s", fault)
        else:
            self._kept = lasting


def _lasting(known: Known, plan: Plan) -> str:
    """Tells whether what outlasts a restart is the same."""
    return write_door(resumed_door(known, 0.0, plan))
