"""The door as a state machine: what its inputs, orders and grants make of lock and alarms; pure.

There is no clock in here: every event brings its moment, on a counter that nobody can set. The
lock is released as long as there is a cause (`Door.causes`), and for nothing else.

=====================  ===========  =============================================================
in force (first wins)  says so      what opens the door
=====================  ===========  =============================================================
fire                   the input    it is open as long as the fire lasts
locked_down            timetable,   somebody of ``lockdown_groups``; the button with
                       or command   ``in_lockdown``
secured                likewise     the same; ``door.unlock``; the button with ``when_secured``
open                   timetable    it is open
open                   command      it is open
normal                 nobody       whoever may: recognition, ``door.unlock``, the button
=====================  ===========  =============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from edged.door.acts import (
    Answer,
    Ask,
    Claim,
    Contact,
    Ended,
    Exit,
    Fire,
    Ordered,
    Record,
    Ring,
    Tamper,
    Timed,
    Withdraw,
)
from edged.door.mode import in_force, opens

if TYPE_CHECKING:
    from edged.door.acts import Effect, Event, Leaf
    from edged.door.mode import Asking, Mode
    from edged.door.plan import Plan

LOOK_BACK_S = 3.0
"""So long ago at most an input may have changed that is told now; debouncing lasts up to 2 s."""
MOST_GRANTS = 64

Causes = tuple[str, ...]


class Grant(NamedTuple):
    """Somebody is let in.

    Attributes:
        stage: "waiting" for the other door until `ends_s`, "open" until then, or "over" since then.
        limit_s: how long they may keep the door open.
        opened: the door was opened meanwhile.
        told: whether it was used is told already.
    """

    id: int
    asking: Asking
    stage: Literal["waiting", "open", "over"]
    began_s: float
    ends_s: float
    duration_s: float
    limit_s: float
    opened: bool = False
    told: bool = False


class Door(NamedTuple):
    """A door at a moment.

    Attributes:
        t_s: the moment.
        ordered, timed: the modes that command and timetable want.
        leaf: what the contact says; None: nobody knows.
        last: what it said last.
        opened_s: since when it stands open, where it does.
        alarm_at_s: when it has stood open for too long.
        history: what the causes to release the lock were from each of these moments on.
        alarms: which there are, and since when.
        rung: when those end that end by themselves.
        serial: of the last grant.
    """

    t_s: float = 0.0
    ordered: Mode = "normal"
    timed: Mode = "normal"
    leaf: Leaf | None = None
    last: Leaf | None = None
    opened_s: float = 0.0
    alarm_at_s: float | None = None
    fire: bool = False
    tamper: bool = False
    grants: tuple[Grant, ...] = ()
    history: tuple[tuple[float, Causes], ...] = ((0.0, ()),)
    alarms: tuple[tuple[str, float], ...] = ()
    rung: tuple[tuple[str, float], ...] = ()
    serial: int = 0

    @property
    def mode(self) -> Mode:
        """What is in force."""
        return in_force(self.ordered, self.timed)[0]

    @property
    def causes(self) -> Causes:
        """Why the lock is released: "fire", "open", or how those ask who are let in; empty: it
        is not."""
        return self.history[-1][1]

    @property
    def held(self) -> bool:
        """Whether it is released for as long as something lasts."""
        return self.fire or self.mode == "open"

    @property
    def free_until_s(self) -> float | None:
        """When the last grant ends; None without any."""
        return max((g.ends_s for g in self.grants if g.stage == "open"), default=None)

    @property
    def shut_and_locked(self) -> bool:
        """For the other door of an interlock; what nobody knows is not so."""
        return self.leaf == "closed" and not self.causes

    def sounding(self, plan: Plan) -> frozenset[str]:
        """The outputs that are driven."""
        return frozenset(
            name
            for name, siren in plan.outputs
            if any(
                alarm in siren.on and (not siren.longest_s or self.t_s - since_s < siren.longest_s)
                for alarm, since_s in self.alarms
            )
        )


def permits(mode: Mode, asking: Asking, plan: Plan) -> bool:
    """Whether the door opens in this mode for those who ask in this way."""
    if asking == "exit":
        if mode == "locked_down":
            return plan.exit_in_lockdown
        return mode != "secured" or plan.exit_when_secured
    return opens(mode, asking)


def step(door: Door, event: Event, plan: Plan) -> tuple[Door, tuple[Effect, ...]]:
    """What an event makes of a door, and what is to be done beside driving lock and outputs.

    An event that comes late counts as of now: time never goes back.
    """
    work = _Step(door, plan, max(door.t_s, event.t_s))
    work.pass_time()
    work.take(event)
    return work.result(), tuple(work.effects)


class _Step:
    """One step at work."""

    def __init__(self, door: Door, plan: Plan, t_s: float) -> None:
        self.plan = plan
        self.t_s = t_s
        self.door = door
        self.effects: list[Effect] = []
        self.ordered, self.timed, self.mode = door.ordered, door.timed, door.mode
        self.leaf, self.last = door.leaf, door.last
        self.opened_s, self.alarm_at_s = door.opened_s, door.alarm_at_s
        self.fire, self.tamper = door.fire, door.tamper
        self.grants = list(door.grants)
        self.history = list(door.history)
        self.alarms = dict(door.alarms)
        self.rung = door.rung
        self.serial = door.serial

    # what time alone brings

    def pass_time(self) -> None:
        if self.grants:
            self._end_grants()
        at_s = self.alarm_at_s
        if at_s is not None:
            if self.t_s >= at_s:
                self.alarm_at_s = None
                self.alarms.pop("pre_alarm", None)
                self.alarms["held_open"] = at_s
                self.record("door.held_open", open_s=self._open_s(self.t_s))
            elif self._is_near(at_s) and "pre_alarm" not in self.alarms:
                self.alarms["pre_alarm"] = at_s - self.plan.pre_alarm_s
                left_s = round(at_s - self.t_s, 1)
                self.record("door.pre_alarm", open_s=self._open_s(self.t_s), alarm_in_s=left_s)
        for alarm, ends_s in self.rung:
            if self.t_s >= ends_s:
                del self.alarms[alarm]
                self.rung = tuple(one for one in self.rung if one[0] != alarm)

    def _end_grants(self) -> None:
        over = [g for g in self.grants if g.stage == "open" and g.ends_s <= self.t_s]
        for grant in sorted(over, key=lambda g: g.ends_s):
            self._exchange(grant, grant._replace(stage="over"))
            self._note_causes(grant.ends_s)
        for grant in list(self.grants):
            if grant.stage == "waiting" and grant.ends_s <= self.t_s:
                self._keep_out(grant, "silent")
            elif grant.stage == "over" and grant.ends_s + self.plan.settle_s <= self.t_s:
                self.grants.remove(grant)
                self._tell(grant, opened=False)

    # what an event brings

    def take(self, event: Event) -> None:
        match event:
            case Contact():
                self._contact(event)
            case Fire(active=active):
                self._fire(active)
            case Tamper(active=active):
                self._tamper(active)
            case Exit():
                refused = None if permits(self.mode, "exit", self.plan) else self.mode
                self.record("door.exit", refused=refused)
                self._ask(Ask(event.t_s, "exit", self.plan.exit_pulse_s))
            case Ask():
                self._ask(event)
            case Answer():
                self._answer(event)
            case Withdraw():
                self._withdraw(event)
            case Ordered() | Timed():
                self._mode_changed(event)
            case Ring():
                self._ring(event)

    def _fire(self, active: bool) -> None:
        if active == self.fire:
            return
        self.fire = active
        self._switch("fire", active=active)
        if active:
            self.record("door.fire")
        else:
            self.record("door.fire_over")

    def _tamper(self, active: bool) -> None:
        if active == self.tamper:
            return
        self.tamper = active
        self._switch("tamper", active=active)
        if active:
            self.record("door.tamper")
        else:
            self.record("door.tamper_over")

    def _ring(self, event: Ring) -> None:
        self.alarms.setdefault(event.alarm, self.t_s)
        rung = dict(self.rung)
        rung[event.alarm] = max(rung.get(event.alarm, 0.0), self.t_s + event.for_s)
        self.rung = tuple(rung.items())

    def _contact(self, event: Contact) -> None:
        leaf, unseen = event.leaf, self.leaf is None
        if leaf == self.leaf:
            return
        self.leaf = leaf
        if leaf is None:
            self._blind()
            return
        known, self.last = self.last, leaf
        since_s = min(max(event.since_s, self.t_s - LOOK_BACK_S), self.t_s)
        if leaf == "open":
            if known != "open":
                self.opened_s = since_s
            if known == "closed":
                self._opened(since_s, unseen=unseen)
        else:
            if known == "open":
                self.record("door.closed", open_s=self._open_s(since_s))
            self.alarm_at_s = None
            self._relock()
            for alarm in ("forced", "pre_alarm", "held_open"):
                self._over(alarm)

    def _blind(self) -> None:
        """Nobody knows any more how the door stands: as where there is no contact."""
        self.alarm_at_s = None
        self._over("pre_alarm")
        for grant in [g for g in self.grants if g.stage != "waiting"]:
            self._exchange(grant, self._tell(grant, opened=True))

    def _opened(self, since_s: float, *, unseen: bool) -> None:
        causes = ("unknown",) if unseen else self._causes_at(since_s)
        if causes:
            self.record("door.opened", causes=list(causes))
        else:
            self.alarms["forced"] = since_s
            self.record("door.forced")
        limit_s = self.plan.held_open_after_s
        for grant in list(self.grants):
            ended = grant.stage == "over" and grant.ends_s <= since_s
            if grant.stage == "waiting" or grant.began_s > since_s or ended:
                continue
            limit_s = max(limit_s, grant.limit_s)
            self._exchange(grant, self._tell(grant, opened=True)._replace(opened=True))
        self.alarm_at_s = since_s + limit_s

    def _relock(self) -> None:
        if not self.plan.relock_on_close:
            return
        for grant in [g for g in self.grants if g.stage == "open" and g.opened]:
            soonest_s = max(self.t_s, grant.began_s + self.plan.minimum_pulse_s)
            self._exchange(grant, grant._replace(ends_s=min(grant.ends_s, soonest_s)))
        self._end_grants()

    def _ask(self, event: Ask) -> None:
        plan, asking = self.plan, event.asking
        self.serial += 1
        if not permits(self.mode, asking, plan):
            self.effects.append(Ended(self.serial, opened=False))
            return
        usual_s = plan.extended_pulse_s if event.extended else plan.pulse_s
        grant = Grant(
            id=self.serial,
            asking=asking,
            stage="waiting",
            began_s=self.t_s,
            ends_s=self.t_s + plan.answer_s,
            duration_s=usual_s if event.duration_s is None else event.duration_s,
            limit_s=(plan.extended_held_open_after_s if event.extended else plan.held_open_after_s),
        )
        if len(self.grants) >= MOST_GRANTS:
            self._tell(self.grants.pop(0), opened=False)
        self.grants.append(grant)
        if plan.interlock and not self.fire:
            self.effects.append(Claim(grant.id))
        else:
            self._begin(grant)

    def _answer(self, event: Answer) -> None:
        for grant in [g for g in self.grants if g.id == event.id and g.stage == "waiting"]:
            if event.granted:
                self._begin(grant)
            else:
                self._keep_out(grant, event.why)

    def _begin(self, grant: Grant) -> None:
        begun = grant._replace(stage="open", began_s=self.t_s, ends_s=self.t_s + grant.duration_s)
        if self.leaf != "closed":  # open already, or nobody knows
            begun = self._tell(begun, opened=True)
        self._exchange(grant, begun)
        if self.alarm_at_s is not None:
            self.alarm_at_s = max(self.alarm_at_s, self.t_s + grant.limit_s)
            self._over("pre_alarm")  # which is shorter than any limit

    def _keep_out(self, grant: Grant, why: str) -> None:
        self.grants.remove(grant)
        self.record("door.interlocked", reason=why, asking=grant.asking)
        self._tell(grant, opened=False)

    def _withdraw(self, event: Withdraw) -> None:
        for grant in list(self.grants):
            if grant.id == event.id and grant.stage != "over":
                self._cut(grant._replace(told=True), grant)

    def _mode_changed(self, event: Ordered | Timed) -> None:
        """Those who would not be let in now are not let in any longer."""
        if isinstance(event, Ordered):
            self.ordered = event.mode
        else:
            self.timed = event.mode
        self.mode = in_force(self.ordered, self.timed)[0]
        for grant in list(self.grants):
            if grant.stage == "over" or permits(self.mode, grant.asking, self.plan):
                continue
            self._cut(grant, grant)

    def _cut(self, grant: Grant, listed: Grant) -> None:
        """What was to go on is over now; an opening that began before may still be told."""
        if grant.stage == "waiting":
            self.grants.remove(listed)
            self._tell(grant, opened=False)
        else:
            self._exchange(listed, grant._replace(stage="over", ends_s=self.t_s))

    # what follows

    def result(self) -> Door:
        self._note_causes(self.t_s)
        self._watch_leaf()
        if self.history[-1][1]:
            self.alarms.setdefault("unlocked", self.t_s)
        else:
            self.alarms.pop("unlocked", None)
        return Door(
            self.t_s,
            self.ordered,
            self.timed,
            self.leaf,
            self.last,
            self.opened_s,
            self.alarm_at_s,
            self.fire,
            self.tamper,
            tuple(self.grants),
            self._recent(),
            tuple(self.alarms.items()),
            self.rung,
            self.serial,
        )

    def _watch_leaf(self) -> None:
        """From when on the door stands open for too long; where it may, it never does."""
        if self.fire or self.mode == "open":
            self.alarm_at_s = None
            self._over("pre_alarm")
            self._over("held_open")
        elif self.leaf == "open" and self.alarm_at_s is None and "held_open" not in self.alarms:
            limits_s = [g.limit_s for g in self.grants if g.stage == "open"]
            self.alarm_at_s = self.t_s + max(limits_s, default=self.plan.held_open_after_s)

    def _note_causes(self, at_s: float) -> None:
        causes: set[str] = {g.asking for g in self.grants if g.stage == "open"}
        if self.fire:
            causes.add("fire")
        if self.mode == "open":
            causes.add("open")
        noted = tuple(sorted(causes))
        if noted != self.history[-1][1]:
            self.history.append((at_s, noted))

    def _causes_at(self, moment_s: float) -> Causes:
        return next(
            (causes for since_s, causes in reversed(self.history) if since_s <= moment_s), ()
        )

    def _recent(self) -> tuple[tuple[float, Causes], ...]:
        oldest_s = self.t_s - LOOK_BACK_S
        while len(self.history) > 1 and self.history[1][0] <= oldest_s:
            del self.history[0]
        return tuple(self.history)

    def _is_near(self, alarm_at_s: float) -> bool:
        return self.t_s >= alarm_at_s - self.plan.pre_alarm_s and self.plan.pre_alarm_s > 0

    def _open_s(self, until_s: float) -> float:
        return round(max(0.0, until_s - self.opened_s), 1)

    def _exchange(self, old: Grant, new: Grant) -> None:
        self.grants[self.grants.index(old)] = new

    def _tell(self, grant: Grant, *, opened: bool) -> Grant:
        if grant.told:
            return grant
        self.effects.append(Ended(grant.id, opened))
        return grant._replace(told=True)

    def record(self, type_: str, **data: object) -> None:
        self.effects.append(Record(type_, data))

    def _switch(self, alarm: str, *, active: bool) -> None:
        if active:
            self.alarms[alarm] = self.t_s
        else:
            self.alarms.pop(alarm, None)

    def _over(self, alarm: str) -> None:
        since_s = self.alarms.pop(alarm, None)
        if since_s is not None:
            self.record("door.alarm_over", alarm=alarm, lasted_s=round(self.t_s - since_s, 1))
