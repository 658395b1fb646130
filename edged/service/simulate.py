"""What a day of events would come to, by the rules, areas and timetable of a terminal; pure.

Nothing is opened and nothing waits: a door that opens is gone through at once, unless the event
says that nobody entered. No other terminals are heard, and what they would say is not missed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edged.access.daily import day_of, last_time
from edged.access.presence import Forgotten, LetIn, Moved, Presence
from edged.access.request import Ask
from edged.access.threshold import Threshold
from edged.door.mode import in_force, opens
from edged.door.timetable import noticed, wished
from edged.service.areas_passing import here_of

if TYPE_CHECKING:
    from edged.access.request import Direction, Factor, Objection, Ruling, Subject
    from edged.access.rulebook import Rulebook
    from edged.config.schema import Config
    from edged.door.mode import Mode

Verdict = Literal["opens", "stays shut", "waits", "noted"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a day.

    Attributes:
        at: Unix seconds.
        subject: who stands at the door; None: nobody.
        absent: why they are not recognised; None: they are.
        direction: where they want to go.
        entered: whether they go through the door once it is open.
        mode: what a command puts in force from now on.
        fire: whether the fire input says so from now on.
    """

    line: int
    at: float
    subject: Subject | None = None
    absent: str | None = None
    factors: frozenset[Factor] = frozenset()
    direction: Direction = "in"
    entered: bool = True
    mode: Mode | None = None
    fire: bool | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one event came to.

    Attributes:
        reason: a code.
        ruling: the rules' answer, where they were asked.
    """

    event: Event
    verdict: Verdict
    reason: str
    why: str = ""
    ruling: Ruling | None = None


@dataclass(slots=True)
class _State:
    mode: Mode = "normal"
    fire: bool = False
    order: int = 0
    t_s: float = 0.0
    forgiven: float | None = None
    seen: dict[str, float] = field(default_factory=dict)


class Simulation:
    """A terminal without doors, cameras and clocks; takes one event after the other."""

    def __init__(self, config: Config, book: Rulebook) -> None:
        self._config = config
        self._book = book
        self._here = here_of(config)
        self._state = _State()
        self.presence = Presence()
        self._threshold = Threshold(self._here, self.presence)
        self.verdicts: Counter[str] = Counter()
        self.decided: Counter[str] = Counter()

    @property
    def inside(self) -> int | None:
        """How many are in the area; None: there is none."""
        return None if self._here.area is None else self.presence.inside(self._here.area)

    @property
    def idle(self) -> list[str]:
        """The rules that decided nothing."""
        return [rule.name for rule in self._book.rules if rule.name not in self.decided]

    def take(self, event: Event) -> Outcome:
        """What an event comes to."""
        state = self._state
        state.order = max(state.order + 1, int(event.at * 1000))
        state.t_s = max(state.t_s, event.at)
        self._forgive(event.at)
        if event.mode is not None:
            state.mode = event.mode
        if event.fire is not None:
            state.fire = event.fire
        outcome = self._noted(event) if event.subject is None else self._asked(event, event.subject)
        self.verdicts[outcome.verdict] += 1
        if outcome.ruling is not None and outcome.ruling.rule is not None:
            self.decided[outcome.ruling.rule] += 1
        return outcome

    def _noted(self, event: Event) -> Outcome:
        now = "fire" if self._state.fire else self._mode(event.at)
        return Outcome(event, "noted", now, f"from now on: {now}")

    def _asked(self, event: Event, subject: Subject) -> Outcome:
        if self._state.fire:
            self._enter(event, (subject,))
            return Outcome(event, "opens", "fire", "the door is open while there is fire")
        if event.absent is not None:
            return Outcome(event, "stays shut", "not_recognised", event.absent)
        ruling = self._book.rule(Ask(subject, event.at, event.factors, event.direction))
        if not ruling.allowed:
            return Outcome(event, "stays shut", ruling.reason, ruling.why, ruling)
        mode = self._mode(event.at)
        named = not subject.groups.isdisjoint(self._config.door.lockdown_groups)
        if not opens(mode, "named" if named else "recognised"):
            return Outcome(event, "stays shut", mode, f"the door is {mode}", ruling)
        objection = self._threshold.objection(
            subject,
            ruling,
            event.direction,
            now=self._state.order,
            t_s=self._state.t_s,
            today=day_of(event.at, self._book.calendar.zone),
        )
        if objection is not None:
            return _objected(event, objection, ruling)
        party = self._threshold.granted(subject, event.direction, t_s=self._state.t_s)
        self._state.seen |= noticed(
            self._config.door.timetable, self._book.calendar, subject.groups, event.at
        )
        for going in party:
            if event.entered:
                self._threshold.passed(going)
                self._move(going.person_id, going.groups, event)
                self._threshold.arrived(going)
            else:
                self._threshold.unused(going)
        others = [going.person_id for going in party if going.person_id != subject.person_id]
        together = f", together with {', '.join(others)}" if others else ""
        return Outcome(event, "opens", ruling.reason, ruling.why + together, ruling)

    def _enter(self, event: Event, subjects: tuple[Subject, ...]) -> None:
        if event.entered:
            for one in subjects:
                self._move(one.person_id, one.groups, event)

    def _move(self, person_id: str, groups: frozenset[str], event: Event) -> None:
        order, terminal = self._state.order, self._config.terminal
        area = self._here.leads_to(event.direction)
        if area is not None:
            self.presence.take(Moved(person_id, area, order, terminal))
        if event.direction == "in":
            day = day_of(event.at, self._book.calendar.zone)
            self.presence.take(LetIn(groups, day, order))

    def _mode(self, at: float) -> Mode:
        timed = wished(
            self._config.door.timetable, self._book.calendar, at, self._state.seen, sure=True
        )
        return in_force(self._state.mode, timed.mode)[0]

    def _forgive(self, at: float) -> None:
        area = None if self._config.access is None else self._config.access.area
        clock = None if area is None or area.passback is None else area.passback.forgive_at
        if clock is None:
            return
        last = last_time(clock, at, self._book.calendar.zone)
        if self._state.forgiven is not None and last > self._state.forgiven:
            self.presence.take(Forgotten(self._state.order))
            self._state.order += 1
        self._state.forgiven = max(last, self._state.forgiven or last)


def _objected(event: Event, objection: Objection, ruling: Ruling) -> Outcome:
    verdict: Verdict = "waits" if objection.waits else "stays shut"
    return Outcome(event, verdict, objection.reason, objection.why, ruling)
