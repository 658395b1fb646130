"""From what the rules say to the open door: who waits for whom, the record, the relay, the rest."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edged.access.request import Ask
from edged.decision.outcome import Kind, Outcome
from edged.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edged.access.request import Direction, Factor, Objection, Ruling, Subject
    from edged.door.mode import Asking
    from edged.service.access import AccessParts, House
    from edged.service.areas_passing import Passing
    from edged.service.visitors import Visitor

log = logging.getLogger(__name__)

CAMERA = "camera"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody's attempt, as far as it is known.

    Attributes:
        outcome: of their face, or `without_face`; kind and reason are replaced.
        reader: where something was shown last; None: before the camera alone.
        ruling: the rules' answer; None where they were not asked.
        duress: they are forced.
        more: for the event.
    """

    person_id: str | None
    outcome: Outcome
    factors: frozenset[Factor] = frozenset()
    reader: str | None = None
    direction: Direction = "in"
    ruling: Ruling | None = None
    subject: Subject | None = None
    visitor: Visitor | None = None
    duress: bool = False
    more: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of it: let in where `reason` is None.

    Attributes:
        waits: a second person or an escort may cure it.
        done: False: they should have been let in, and the door did not open.
    """

    reason: str | None = None
    waits: bool = False
    done: bool = True
    punched: str | None = None


class Entry:
    """The desk calls it under its lock."""

    def __init__(
        self,
        house: House,
        parts: AccessParts,
        within_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house = house
        self._parts = parts
        self._within_s = within_s
        self._monotonic = monotonic
        self._lockdown = frozenset(house.config.door.lockdown_groups)
        self._waiting: dict[str, tuple[Attempt, str, float]] = {}

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for somebody else."""
        return bool(self._waiting)

    def refusal(self, subject: Subject) -> str | None:
        """Why the door would not open for them now, whatever the rules say."""
        panel = self._parts.panel
        reason = self._house.mode.refusal_of(self._asking(subject))
        return panel.refusal_of(subject.person_id) if reason is None and panel else reason

    def _asking(self, subject: Subject) -> Asking:
        return "recognised" if self._lockdown.isdisjoint(subject.groups) else "named"

    def admit(self, attempt: Attempt, subject: Subject, ruling: Ruling, at: float) -> Result:
        """Let in somebody whom the rules let in, unless something else speaks against it."""
        who, direction = subject.person_id, attempt.direction
        self._waiting.pop(who, None)
        reason = self.refusal(subject)
        if reason is None:
            self._ask_again(at)
            objection = self._objection(subject, ruling, direction, at)
            if objection is not None and objection.waits:
                until_s = self._monotonic() + self._within_s
                # who is forced does not wait with the alarm, which is raised once
                self._raise_silent_alarm([attempt], opened=False)
                self._waiting[who] = replace(attempt, duress=False), objection.reason, until_s
                return Result(objection.reason, waits=True)
            reason = None if objection is None else objection.reason
        visitors = self._parts.visitors
        if reason is None and attempt.visitor is not None and visitors is not None:
            reason = None if visitors.spend(attempt.visitor) else "code_used"
        if reason is None:
            return self._open(attempt, subject, ruling, at)
        self._withdraw(who)
        self.deny(attempt, reason)
        return Result(reason)

    def _ask_again(self, at: float) -> None:
        """Whoever waits for somebody passes with them only if they still may by themselves."""
        for who, (attempt, reason, _) in list(self._waiting.items()):
            subject, before = attempt.subject, attempt.subject
            if subject is not None and not subject.visitor:
                subject = self._parts.credentials.subject(who)
            now: str | None = "not_in_force"
            if subject is not None:
                ask = Ask(subject, at, attempt.factors, attempt.direction)
                ruling = self._parts.rulebook.rule(ask)
                same = ruling == attempt.ruling and subject == before
                now = self.refusal(subject) or (None if same else reason)
                now = now if ruling.allowed else ruling.reason
            visitor, visitors = attempt.visitor, self._parts.visitors
            if visitor is not None and visitors is not None and visitors.used(visitor):
                now = "code_used"
            if now is not None:
                self._withdraw(who)
                self.deny(attempt, now)

    def _withdraw(self, who: str) -> None:
        self._waiting.pop(who, None)
        if self._parts.areas is not None:
            self._parts.areas.withdrawn(who)

    def _objection(
        self, subject: Subject, ruling: Ruling, direction: Direction, at: float
    ) -> Objection | None:
        areas = self._parts.areas
        return None if areas is None else areas.objection(subject, ruling, direction, at)

    def _open(self, attempt: Attempt, subject: Subject, ruling: Ruling, at: float) -> Result:
        """The event first, then the relay; after that whoever else has to know."""
        areas, house = self._parts.areas, self._house
        passing: Passing | None = None
        if areas is not None:
            passing = areas.granted(subject, ruling, attempt.direction, at)
        together = self._together(passing)
        everybody = [attempt, *together]
        extended = any(one.subject is not None and one.subject.extended for one in everybody)
        entrance = house.mode.entrance(self._asking(subject))

        def let_in() -> None:
            for one in together:
                self._record_with(one)
            entrance.pulse(extended=extended, on_end=None if passing is None else passing.ended)

        reason = "matched" if attempt.outcome.people is not None else "permitted"
        outcome = replace(attempt.outcome, kind=Kind.GRANTED, reason=reason)
        more = dict(self.told(attempt))
        if passing is not None and passing.passback:
            more["passback"] = True
        done = house.doorway.act(outcome, let_in, more)
        if not done and passing is not None:
            passing.not_entered()
        self._raise_silent_alarm(everybody, opened=done)
        punched = self._after(everybody, at) if done else None
        return Result(None if done else "door", done=done, punched=punched)

    def _together(self, passing: Passing | None) -> list[Attempt]:
        """Those who waited and pass with somebody, who come first."""
        names = () if passing is None else passing.together
        return [self._waiting.pop(one)[0] for one in names if one in self._waiting]

    def _record_with(self, attempt: Attempt) -> None:
        visitors = self._parts.visitors
        if attempt.visitor is not None and visitors and not visitors.spend(attempt.visitor):
            raise DoorError("the code of somebody who passes with them was used meanwhile")
        reason = "matched" if attempt.outcome.people is not None else "permitted"
        outcome = replace(attempt.outcome, kind=Kind.GRANTED, reason=reason)
        if not self._house.doorway.act(outcome, _nothing, self.told(attempt)):
            raise DoorError("the event about somebody who passes with them cannot be recorded")

    def _after(self, everybody: Iterable[Attempt], at: float) -> str | None:
        """Tell whoever counts on it that these were let in; the last one's punch."""
        punched: str | None = None
        for one in everybody:
            if one.subject is None:
                continue
            who, reader = one.subject.person_id, one.reader or CAMERA
            if one.direction == "in":
                self._house.mode.somebody_in(one.subject.groups, at)
            if self._parts.punches is not None:
                punched = self._parts.punches.granted(who, at, reader)
            if self._parts.panel is not None:
                self._parts.panel.granted(who)
        return punched

    def deny(self, attempt: Attempt, reason: str) -> None:
        """Record that somebody is not let in."""
        outcome = replace(
            attempt.outcome, kind=Kind.DENIED, reason=reason, person_id=attempt.person_id
        )
        self._house.doorway.act(outcome, _nothing, self.told(attempt))
        self._raise_silent_alarm([attempt], opened=False)

    def told(self, attempt: Attempt) -> dict[str, Any]:
        """What an event says beside the face: which rule, what was shown, where."""
        ruling = attempt.ruling
        by = None
        if ruling is not None and ruling.rule is not None:
            by = {"rule": ruling.rule, "line": ruling.line}
        return {
            "by": by,
            "factors": sorted(attempt.factors),
            "reader": attempt.reader,
            "direction": attempt.direction,
            **dict(attempt.more),
        }

    def tick(self) -> list[tuple[str, str | None]]:
        """End what was waited for too long; the reasons, and at which readers."""
        now_s = self._monotonic()
        ended = []
        for who, (attempt, reason, until_s) in list(self._waiting.items()):
            if now_s < until_s:
                continue
            self._withdraw(who)
            self.deny(attempt, reason)
            ended.append((reason, attempt.reader))
        return ended

    def close(self) -> None:
        """Nobody is waited for any more."""
        for who, (attempt, reason, _) in list(self._waiting.items()):
            self._withdraw(who)
            self.deny(attempt, reason)

    def _raise_silent_alarm(self, attempts: Iterable[Attempt], *, opened: bool) -> None:
        for one in attempts:
            if one.duress:
                self._house.journal.record(
                    "access.duress",
                    person_id=one.person_id,
                    reader=one.reader,
                    direction=one.direction,
                    opened=opened,
                )
                self._house.mode.ring("duress")


def without_face(person_id: str | None, duration_s: float = 0.0) -> Outcome:
    """What is said of a face where none was looked at."""
    return Outcome(
        kind=Kind.DENIED,
        reason="",
        person_id=person_id,
        similarity=None,
        runner_up=None,
        threshold=None,
        implied_fpir=None,
        people=None,
        quality=None,
        frames=0,
        duration_s=duration_s,
        instructions=(),
    )


def _nothing() -> None:
    """Nobody is let in by this."""
