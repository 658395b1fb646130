"""Punches at work: recorded when somebody was let in, and corrected when the site says so."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.attendance.choose import EARLIER_MS, Choice, choose
from edged.attendance.correct import Request, corrected
from edged.attendance.punch import PUNCHED
from edged.attendance.workday import WorkDays
from edged.errors import AttendanceError, StorageError
from edged.events.types import utc_text
from edged.mqtt.catalogue import Reply
from edged.service.punch_log import PunchLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from edged.config.attendance import Attendance, PunchState
    from edged.events.outbox import Outbox
    from edged.events.types import Event
    from edged.mqtt.catalogue import Context, CorrectPunch, Handler
    from edged.service.journal import Journal
    from edged.service.state import State

log = logging.getLogger(__name__)

MARK = "attendance"
"""The note that says from which event on punches were recorded, as long as they are."""

_MOST_LATE = 10_000
_LOOK_BACK = 1000  # events: those after a punch that a power cut took are fewer by far
_TRY_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class _Late:
    """A presentation that could not be recorded when it was."""

    person: str
    at_ms: int
    reader: str
    key: PunchState | None
    synced: bool = True


class Punches:
    """Any thread may call it; a punch is on the disk when `granted` returns, or told as late.

    Nothing is kept beside the log: what somebody's last punch was is read from there. What a
    full disk or a power cut between an access and its punch prevented is recorded as soon as it
    can be, as an ``attendance.corrected`` by the terminal itself with the right time.

    Args:
        in_force: whether a schedule holds at a moment, Unix seconds.
        zone: gives the terminal's time zone.
        known: whether somebody of this id is enrolled.
        wall: the clock of the log, Unix seconds.
        monotonic: the clock of keys.
    """

    def __init__(
        self,
        settings: Attendance,
        outbox: Outbox,
        journal: Journal,
        state: State,
        *,
        in_force: Callable[[str, float], bool],
        zone: Callable[[], tzinfo],
        known: Callable[[str], bool],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._punches = PunchLog(outbox)
        self._journal = journal
        self._state = state
        self._in_force = in_force
        self._zone = zone
        self._known = known
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._key: tuple[PunchState, float] | None = None
        self._late: deque[_Late] = deque()
        self._try_s = float("-inf")
        self._opened = False

    def open(self) -> None:
        """Record what a power cut prevented; errors: `Outbox`."""
        with self._lock:
            for grant in self._unpunched():
                self._late.append(_late(grant))
            self._flush()
            self._outbox.keep_note(MARK, str(self._outbox.head.seq))
            self._opened = True

    def granted(self, person_id: str, at: float, reader: str) -> PunchState | None:
        """Somebody was let in.

        Args:
            at: Unix seconds, by which the timetable says what it is.
            reader: where; "camera" for a face.

        Returns:
            Their punch; None: it could not be recorded yet.
        """
        with self._lock:
            synced = self._outbox.believe() == "synced"
            late = _Late(person_id, int(self._wall() * 1000), reader, self._pressed(), synced)
            if not self._late:
                state = self._record(late, at)
                if state is not None:
                    return state
            self._keep(late)
            return None

    def key(self, value: str, t_s: float | None = None) -> bool:
        """A key was pressed: it says what the next one who is let in does.

        Args:
            t_s: monotonic.

        Returns:
            False: no such key is configured.
        """
        state = next((state for state in self._settings.keys if state == value), None)
        if state is None:
            return False
        with self._lock:
            self._key = state, self._monotonic() if t_s is None else t_s
        return True

    def tick(self) -> None:
        """Try again what could not be recorded."""
        if self._late and self._monotonic() >= self._try_s:
            with self._lock:
                self._flush()

    def handlers(self) -> dict[str, Handler]:
        """Commands that it obeys."""
        return {"attendance.correct": self._correct}

    def close(self) -> None:
        """Record what can be; safe twice."""
        with self._lock:
            if not self._opened:
                return
            self._opened = False
            self._flush()
            if self._late:  # the mark stays: they are found at the next start
                log.error("%d punches are not recorded", len(self._late))
                return
            try:
                self._outbox.keep_note(MARK, None)
            except StorageError as fault:
                log.error("the punches cannot be closed: %s", fault)

    def _pressed(self) -> PunchState | None:
        """What a key said just now; it counts once."""
        pressed, self._key = self._key, None
        if pressed is None or self._monotonic() - pressed[1] > self._settings.key_within_s:
            return None
        return pressed[0]

    def _choose(self, late: _Late, at: float) -> Choice:
        settings, days = self._settings, WorkDays(self._zone(), self._settings.day_begins)
        begin_ms, _ = days.span(days.of(late.at_ms))
        last = self._punches.last(late.person, begin_ms, late.at_ms + EARLIER_MS)
        spans = (span.state for span in settings.timetable if self._in_force(span.when, at))
        return choose(
            late.at_ms,
            last,
            key=late.key,
            timetable=next(spans, None),
            role=settings.role,
            fold_ms=int(settings.fold_within_s * 1000),
        )

    def _record(self, late: _Late, at: float) -> PunchState | None:
        """Now; None where that failed."""
        choice = self._chosen(late, at)
        if choice is None:
            return None
        data: dict[str, Any] = {
            "person_id": late.person,
            "state": choice.state,
            "by": choice.by,
            "reader": late.reader,
            "count": choice.count,
        }
        if choice.folds is not None:
            data["folds"] = choice.folds
        return None if self._journal.record("attendance.punched", **data) is None else choice.state

    def _record_late(self, late: _Late) -> bool:
        choice = self._chosen(late, late.at_ms / 1000)
        if choice is None:
            return False
        data: dict[str, Any] = {
            "person_id": late.person,
            "action": "add",
            "punch": None,
            "state": choice.state,
            "time": utc_text(late.at_ms),
            "by": "terminal",
            "who": None,
            "why": "recorded late",
            "command": None,
            "key": None,
        }
        if choice.folds is not None:
            data["folds"] = choice.folds
        if not late.synced:
            data["clock"] = "unsynced"
        return self._journal.record("attendance.corrected", **data) is not None

    def _chosen(self, late: _Late, at: float) -> Choice | None:
        try:
            return self._choose(late, at)
        except StorageError as fault:
            log.error("punches cannot be read: %s", fault)
            return None

    def _keep(self, late: _Late) -> None:
        if len(self._late) >= _MOST_LATE:
            log.error("too many punches wait to be recorded; the oldest is lost")
            self._late.popleft()
        self._late.append(late)
        self._tell()

    def _flush(self) -> None:
        """In the order in which they were made, so that each knows the one before."""
        while self._late and self._record_late(self._late[0]):
            self._late.popleft()
        self._try_s = self._monotonic() + _TRY_AGAIN_S
        self._tell()

    def _tell(self) -> None:
        if self._late:
            self._state.degrade("attendance", f"{len(self._late)} punches wait to be recorded")
        else:
            self._state.restore("attendance")

    def _unpunched(self) -> list[Event]:
        """Of the run before, if it did not end by itself: who was let in and has no punch."""
        mark = self._outbox.note(MARK)
        if mark is None or not mark.isdecimal():
            return []
        head = self._outbox.head.seq
        grants: list[Event] = []
        started = False
        for event in self._outbox.events(max(int(mark) + 1, head - _LOOK_BACK), head):
            if event.type == "terminal.started":
                if started:  # what follows was a run of its own
                    break
                started = True
            elif event.type == "access.granted" and "person_id" in event.data:
                grants.append(event)
            elif event.type == "door.fault":  # those just before it were not let in
                before = event.seq - 1
                while grants and grants[-1].seq == before:
                    grants.pop()
                    before -= 1
            elif event.type == PUNCHED or event.data.get("by") == "terminal":
                person = event.data.get("person_id")
                of = (grant for grant in grants if grant.data["person_id"] == person)
                if (earliest := next(of, None)) is not None:
                    grants.remove(earliest)
        return grants

    def _correct(self, args: CorrectPunch, context: Context) -> Reply:
        stands = None
        if args.punch is not None:
            stands = self._punches.punch(args.punch)
            if stands is None:
                return Reply("refused", "no_such_punch", "no punch of this id is in the log")
        elif not self._known(args.person_id) and not self._punches.has(args.person_id):
            return Reply("refused", "not_enrolled", "nobody is enrolled as this, or ever punched")
        request = Request(
            args.person_id, args.action, args.punch, args.state, args.time, args.why, args.who
        )
        try:
            data = corrected(request, stands, int(self._wall() * 1000))
        except AttendanceError as fault:
            return Reply("refused", "bad_correction", str(fault))
        with self._lock:
            event = self._journal.record(
                "attendance.corrected", **data, by="command", command=context.id, key=context.key_id
            )
        if event is None:
            return Reply("failed", "not_recorded", "the event cannot be recorded; see state")
        told = {name: data[name] for name in ("person_id", "state", "time")}
        return Reply(data={"id": data["punch"] or event.id, **told, "event": event.id})


def _late(grant: Event) -> _Late:
    from edged.events.types import utc_ms

    synced = grant.clock == "synced"
    return _Late(str(grant.data["person_id"]), utc_ms(grant.time), "camera", None, synced)
