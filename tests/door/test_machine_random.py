"""The door's state machine in 100,000 histories, beside a model that only knows intervals."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from edged.door.acts import (
    Answer,
    Ask,
    Claim,
    Contact,
    Ended,
    Event,
    Exit,
    Fire,
    Ordered,
    Record,
    Tamper,
    Tick,
    Timed,
)
from edged.door.kept import read_door, resumed_door, write_door
from edged.door.machine import LOOK_BACK_S, Door, permits, step
from edged.door.mode import RULES
from edged.door.plan import Plan

SEEDS, SEQUENCES, LENGTH = range(4), 25_000, 5
YEAR_S = 365 * 86_400.0
MODES = ("normal", "normal", "locked_down", "secured", "open")
KINDS = ("contact", "contact", "contact", "ask", "ask", "exit", "fire", "mode", "tick", "answer")
PLANS = (
    Plan(contact=True, fire=True, tamper=True),
    Plan(contact=True, exit_in_lockdown=True, exit_when_secured=False, minimum_pulse_s=2.5),
    Plan(contact=True, relock_on_close=False, pre_alarm_s=0, held_open_after_s=4),
    Plan(contact=True, interlock=True),
    Plan(),
)


@dataclass
class Model:
    """What must hold, told by intervals of time and nothing else."""

    plan: Plan
    t_s: float = 0.0
    fires: list[list[float]] = field(default_factory=list)
    opens: list[list[float]] = field(default_factory=list)
    grants: list[list[float]] = field(default_factory=list)  # from, to, opened, place in `asked`
    asked: list[str] = field(default_factory=list)
    waiting: dict[int, tuple[float, float]] = field(default_factory=dict)  # for how long, until
    ordered: str = "normal"
    timed: str = "normal"
    leaf: str | None = None
    last: str | None = None
    edges: list[str] = field(default_factory=list)

    @property
    def mode(self) -> str:
        """By hand: what shuts most wins; an open door needs one who says so."""
        both = (self.ordered, self.timed)
        for mode in ("locked_down", "secured", "open"):
            if mode in both:
                return mode
        return "normal"

    def unlocked(self, at: float) -> bool:
        return any(begin <= at < end for begin, end, *_ in (*self.fires, *self.opens, *self.grants))

    def feed(self, event: Event) -> None:
        t_s = self.t_s = max(self.t_s, event.t_s)
        self.waiting = {id_: one for id_, one in self.waiting.items() if t_s < one[1]}
        match event:
            case Fire(active=active):
                _switch(self.fires, active, t_s)
            case Ordered(mode=mode) | Timed(mode=mode):
                setattr(self, "ordered" if isinstance(event, Ordered) else "timed", mode)
                self._mode_changed()
            case Exit():
                self._ask("exit", self.plan.exit_pulse_s)
            case Ask(asking=asking, duration_s=duration_s):
                self._ask(asking, self.plan.pulse_s if duration_s is None else duration_s)
            case Answer(id=id_, granted=granted):
                waited = self.waiting.pop(id_, None)
                if granted and waited is not None:
                    self.grants.append([t_s, t_s + waited[0], False, id_ - 1])
            case Contact(leaf=leaf, since_s=since_s):
                self._contact(leaf, min(max(since_s, t_s - LOOK_BACK_S), t_s))

    def _ask(self, asking: str, duration_s: float) -> None:
        self.asked.append(asking)
        if not permits(self.mode, asking, self.plan):  # type: ignore[arg-type]
            return
        if self.plan.interlock and not any(end > self.t_s for _, end in self.fires):
            self.waiting[len(self.asked)] = (duration_s, self.t_s + self.plan.answer_s)
        else:
            place = len(self.asked) - 1
            self.grants.append([self.t_s, self.t_s + duration_s, False, place])

    def _mode_changed(self) -> None:
        _switch(self.opens, self.mode == "open", self.t_s)
        for grant in self.grants:
            asking = self.asked[int(grant[3])]
            if not permits(self.mode, asking, self.plan):  # type: ignore[arg-type]
                grant[1] = min(grant[1], self.t_s)
        self.waiting = {
            id_: one
            for id_, one in self.waiting.items()
            if permits(self.mode, self.asked[id_ - 1], self.plan)  # type: ignore[arg-type]
        }

    def _contact(self, leaf: str | None, since_s: float) -> None:
        if leaf == self.leaf:
            return
        unseen, self.leaf = self.leaf is None, leaf
        if leaf is None:
            return
        known, self.last = self.last, leaf
        if leaf == "open" and known == "closed":
            allowed = unseen or self.unlocked(since_s)
            self.edges.append("door.opened" if allowed else "door.forced")
            for grant in self.grants:
                grant[2] = grant[2] or grant[0] <= since_s < grant[1]
        elif leaf == "closed":
            if known == "open":
                self.edges.append("door.closed")
            for grant in self.grants:
                if self.plan.relock_on_close and grant[2]:
                    soonest_s = max(self.t_s, grant[0] + self.plan.minimum_pulse_s)
                    grant[1] = min(grant[1], soonest_s)


def _switch(intervals: list[list[float]], on: bool, t_s: float) -> None:
    running = bool(intervals) and intervals[-1][1] > t_s
    if on and not running:
        intervals.append([t_s, float("inf")])
    elif running and not on:
        intervals[-1][1] = t_s


def an_event(dice: random.Random, t_s: float, serial: int) -> Event:
    kind = dice.choice(KINDS)
    if kind == "contact":
        leaf = dice.choice(("open", "closed", "open", "closed", None))
        return Contact(t_s, leaf, t_s - dice.random() * 0.4)  # type: ignore[arg-type]
    if kind == "ask":
        asking = dice.choice(("recognised", "named", "ordered"))
        duration_s = None if dice.random() < 0.5 else 0.2 + 5 * dice.random()
        return Ask(t_s, asking, duration_s)  # type: ignore[arg-type]
    if kind == "exit":
        return Exit(t_s)
    if kind == "fire":
        return Fire(t_s, dice.random() < 0.6)
    if kind == "mode":
        return dice.choice((Ordered, Timed))(t_s, dice.choice(MODES))  # type: ignore[arg-type]
    if kind == "answer":
        return Answer(t_s, dice.randint(0, serial + 1), dice.random() < 0.7, "other_open")
    return Tamper(t_s, dice.random() < 0.5) if dice.random() < 0.2 else Tick(t_s)


def later(dice: random.Random, t_s: float) -> float:
    """Mostly a moment later; sometimes much, and sometimes a year either way."""
    odds = dice.random()
    if odds < 0.9:
        return t_s + dice.random() * 2
    if odds < 0.97:
        return t_s + dice.random() * 60
    return t_s + YEAR_S if odds < 0.985 else t_s - YEAR_S


def check(door: Door, model: Model, plan: Plan) -> None:
    assert bool(door.causes) == model.unlocked(model.t_s)  # never without one, never in vain
    assert not door.fire or "fire" in door.causes
    assert door.mode == model.mode
    if door.mode == "locked_down":
        allowed = {"fire", "named", *(("exit",) if plan.exit_in_lockdown else ())}
        assert allowed.issuperset(door.causes)
    if "forced" in dict(door.alarms):
        assert door.leaf != "closed"


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_unlocks_without_a_cause_and_no_event_is_lost_or_invented(seed: int) -> None:
    dice = random.Random(seed)
    kinds = {"door.opened", "door.closed", "door.forced"}
    seen: set[str] = set()
    for number in range(SEQUENCES):
        plan = PLANS[number % len(PLANS)]
        door, model, t_s = Door(), Model(plan), 0.0
        told: list[str] = []
        ended: list[int] = []
        for _ in range(LENGTH):
            t_s = later(dice, t_s)
            event = an_event(dice, t_s, door.serial)
            before = door
            door, effects = step(door, event, plan)
            model.feed(event)
            check(door, model, plan)
            for effect in effects:
                if isinstance(effect, Record):
                    seen.add(effect.type)
                    if effect.type in kinds:
                        told.append(effect.type)
                elif isinstance(effect, Ended):
                    ended.append(effect.id)
            if number % 40 == 0:  # what is written and read again goes on in the same way
                assert read_door(write_door(before)) == before
                assert step(before, event, plan) == (door, effects)
        assert told == model.edges
        assert len(ended) == len(set(ended))
        # all waiting, all pulses, all that may still be told
        door, effects = step(door, Tick(max(t_s, door.t_s) + 70.0), plan)
        ended += [effect.id for effect in effects if isinstance(effect, Ended)]
        assert sorted(ended) == list(range(1, door.serial + 1))
        assert door.grants == ()
    assert seen == {
        *kinds,
        "door.exit",
        "door.fire",
        "door.fire_over",
        "door.tamper",
        "door.tamper_over",
        "door.pre_alarm",
        "door.held_open",
        "door.alarm_over",
        "door.interlocked",
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_restart_in_any_state_lets_nobody_in_and_keeps_what_the_inputs_said(seed: int) -> None:
    dice = random.Random(seed)
    for number in range(100):
        plan = PLANS[number % len(PLANS)]
        door, t_s = Door(), 0.0
        for _ in range(10):
            t_s = later(dice, t_s)
            door, _ = step(door, an_event(dice, t_s, door.serial), plan)
        kept = read_door(write_door(door))
        assert kept is not None
        again = resumed_door(kept, 5.0, plan)
        assert again.grants == ()
        assert again.causes == (("fire",) if door.fire and plan.fire else ())
        assert again.last == (door.last if plan.contact else None)
        again, effects = step(again, Tick(6.0), plan)
        assert not [effect for effect in effects if isinstance(effect, Claim | Ended)]
        assert bool(again.causes) == again.fire
        assert read_door(write_door(again)) == again


def test_the_model_and_the_table_agree_on_what_shuts_most() -> None:
    order = sorted(RULES, key=lambda mode: -RULES[mode].caution)
    assert order == ["locked_down", "secured", "normal", "open"]
