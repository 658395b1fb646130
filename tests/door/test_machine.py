"""What the door's state machine makes of its inputs, orders and grants."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

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
    Tick,
    Timed,
    Withdraw,
)
from edged.door.machine import MOST_GRANTS, Door, permits, step
from edged.door.mode import RULES, in_force
from edged.door.plan import Plan, Siren

if TYPE_CHECKING:
    from edged.door.acts import Event, Leaf

PLAN = Plan(contact=True, fire=True, tamper=True)


class Story:
    """A door and what was told of it."""

    def __init__(self, plan: Plan = PLAN, *, shut: bool = True) -> None:
        self.plan = plan
        self.door = Door()
        self.effects: list[Any] = []
        if shut and plan.contact:
            self.then(Contact(0.0, "closed", 0.0))

    def then(self, *events: Event) -> list[Any]:
        """What follows from these events."""
        told: list[Any] = []
        for event in events:
            self.door, effects = step(self.door, event, self.plan)
            told += effects
        self.effects += told
        return told

    def leaf(self, t_s: float, leaf: Leaf | None, since_s: float | None = None) -> list[Any]:
        return self.then(Contact(t_s, leaf, t_s - 0.05 if since_s is None else since_s))

    @property
    def alarms(self) -> set[str]:
        return {alarm for alarm, _ in self.door.alarms}


def types(effects: list[Any]) -> list[str]:
    return [effect.type for effect in effects if isinstance(effect, Record)]


def test_who_is_let_in_opens_goes_through_and_the_door_locks_behind_them() -> None:
    story = Story()
    assert story.then(Ask(1.0, "recognised")) == []
    assert story.door.causes == ("recognised",)
    assert story.leaf(2.0, "open") == [
        Record("door.opened", {"causes": ["recognised"]}),
        Ended(1, opened=True),
    ]
    assert story.leaf(3.0, "closed") == [Record("door.closed", {"open_s": 1.0})]
    assert story.door.causes == ()
    assert story.then(Tick(10.0)) == []


def test_without_relocking_the_pulse_goes_on_to_its_end() -> None:
    story = Story(PLAN._replace(relock_on_close=False))
    story.then(Ask(1.0, "recognised"))
    story.leaf(1.5, "open")
    story.leaf(2.0, "closed")
    assert story.door.causes
    story.then(Tick(3.99))
    assert story.door.causes
    story.then(Tick(4.0))
    assert not story.door.causes


def test_a_door_that_is_shut_at_once_stays_unlocked_for_the_shortest_pulse() -> None:
    story = Story(PLAN._replace(minimum_pulse_s=2.0))
    story.then(Ask(1.0, "recognised"))
    story.leaf(1.3, "open")
    story.leaf(1.5, "closed")
    assert story.door.free_until_s == 3.0
    story.then(Tick(3.0))
    assert not story.door.causes


def test_who_was_let_in_while_the_door_stood_open_is_not_locked_out_by_its_closing() -> None:
    story = Story()
    story.then(Ask(1.0, "recognised"))
    story.leaf(2.0, "open")
    assert story.then(Ask(2.5, "recognised")) == [Ended(2, opened=True)]
    story.leaf(3.0, "closed")
    assert story.door.free_until_s == 5.5


def test_who_does_not_open_is_told_so_when_no_opening_can_come_any_more() -> None:
    story = Story()
    story.then(Ask(1.0, "recognised"))
    assert story.then(Tick(4.2)) == []
    assert story.then(Tick(4.3)) == [Ended(1, opened=False)]


def test_an_opening_at_the_last_moment_that_is_told_later_is_no_forced_door() -> None:
    story = Story()
    story.then(Ask(1.0, "recognised"))
    assert story.leaf(4.04, "open", 3.99) == [
        Record("door.opened", {"causes": ["recognised"]}),
        Ended(1, opened=True),
    ]


@pytest.mark.parametrize(("since_s", "forced"), [(0.99, True), (1.0, False), (4.0, True)])
def test_a_door_is_forced_exactly_when_nothing_allowed_it_at_that_moment(
    since_s: float, forced: bool
) -> None:
    story = Story()
    story.then(Ask(1.0, "recognised"))
    told = story.leaf(max(1.01, since_s + 0.01), "open", since_s)
    assert types(told) == ["door.forced" if forced else "door.opened"]
    assert ("forced" in story.alarms) is forced


def test_a_forced_door_is_an_alarm_until_it_is_shut() -> None:
    story = Story()
    assert types(story.leaf(5.0, "open")) == ["door.forced"]
    story.then(Ask(6.0, "recognised"))
    assert "forced" in story.alarms
    told = story.leaf(8.0, "closed")
    assert told[1] == Record("door.alarm_over", {"alarm": "forced", "lasted_s": 3.0})
    assert "forced" not in story.alarms


def test_a_door_that_stands_open_warns_then_alarms_and_tells_when_it_is_shut() -> None:
    story = Story()
    story.then(Ask(0.0, "recognised"))
    story.leaf(1.0, "open", 1.0)
    assert story.then(Tick(20.9)) == []
    assert story.then(Tick(21.0)) == [
        Record("door.pre_alarm", {"open_s": 20.0, "alarm_in_s": 10.0})
    ]
    assert story.then(Tick(30.9)) == []
    assert story.then(Tick(31.0)) == [Record("door.held_open", {"open_s": 30.0})]
    assert story.alarms == {"held_open"}
    assert story.then(Tick(100.0), Ask(101.0, "recognised"), Tick(105.0))[1:] == []
    assert story.leaf(106.0, "closed", 106.0) == [
        Record("door.closed", {"open_s": 105.0}),
        Record("door.alarm_over", {"alarm": "held_open", "lasted_s": 75.0}),
    ]


def test_who_is_let_in_meanwhile_may_keep_it_open_as_long_again() -> None:
    story = Story()
    story.then(Ask(0.0, "recognised"))
    story.leaf(1.0, "open", 1.0)
    story.then(Tick(22.0))
    told = story.then(Ask(23.0, "recognised"))
    assert told[-1] == Record("door.alarm_over", {"alarm": "pre_alarm", "lasted_s": 2.0})
    assert story.door.alarm_at_s == 53.0


def test_somebody_who_needs_longer_has_longer() -> None:
    story = Story()
    story.then(Ask(0.0, "recognised", None, extended=True))
    assert story.door.free_until_s == 12.0
    story.leaf(11.0, "open", 11.0)
    assert story.door.alarm_at_s == 71.0
    story.then(Ask(12.0, "recognised"))  # somebody else does not shorten it
    assert story.door.alarm_at_s == 71.0


def test_without_a_warning_there_is_none() -> None:
    story = Story(PLAN._replace(pre_alarm_s=0.0))
    story.then(Ask(0.0, "recognised"))
    story.leaf(1.0, "open", 1.0)
    assert types(story.then(Tick(30.99), Tick(31.0))) == ["door.held_open"]


def test_fire_unlocks_at_once_whatever_holds_and_tells_of_no_forced_door() -> None:
    story = Story()
    story.then(Ordered(1.0, "locked_down"))
    assert story.then(Fire(2.0, active=True)) == [Record("door.fire", {})]
    assert story.then(Fire(2.5, active=True)) == []
    assert story.door.causes == ("fire",)
    assert story.leaf(3.0, "open") == [Record("door.opened", {"causes": ["fire"]})]
    assert story.then(Tick(3000.0)) == []
    assert story.then(Fire(3001.0, active=False)) == [Record("door.fire_over", {})]
    assert story.door.causes == ()
    assert types(story.then(Tick(3021.0), Tick(3031.0))) == ["door.pre_alarm", "door.held_open"]


@pytest.mark.parametrize("cause", [Fire(40.0, active=True), Ordered(40.0, "open")])
def test_a_door_that_may_stand_open_by_now_is_no_alarm_any_more(cause: Event) -> None:
    story = Story()
    story.then(Ask(0.0, "recognised"))
    story.leaf(1.0, "open", 1.0)
    story.then(Tick(35.0))
    assert "held_open" in story.alarms
    assert types(story.then(cause))[-1] == "door.alarm_over"
    assert story.door.alarm_at_s is None


def test_who_comes_while_the_door_is_held_open_has_longer_after_it() -> None:
    story = Story()
    story.then(Ordered(0.0, "open"))
    story.leaf(1.0, "open")
    story.then(Ask(2.0, "recognised", None, extended=True), Ordered(3.0, "normal"))
    assert story.door.alarm_at_s == 63.0


def test_a_lockdown_ends_what_is_under_way_but_for_those_it_lets_in() -> None:
    story = Story()
    story.then(Ask(1.0, "recognised"), Ask(1.0, "ordered"), Ask(1.0, "named"), Exit(1.0))
    assert story.door.causes == ("exit", "named", "ordered", "recognised")
    story.then(Ordered(2.0, "locked_down"))
    assert story.door.causes == ("named",)
    # who pulled at the door before is seen a moment later
    assert story.leaf(2.04, "open", 1.99)[0].data == {
        "causes": ["exit", "named", "ordered", "recognised"]
    }


def test_who_may_not_come_in_is_told_at_once_and_nothing_opens() -> None:
    story = Story()
    story.then(Timed(1.0, "locked_down"))
    assert story.then(Ask(2.0, "recognised")) == [Ended(1, opened=False)]
    assert story.door.causes == ()


def test_the_button_opens_and_says_so_where_it_does_not() -> None:
    story = Story(PLAN._replace(exit_pulse_s=7.0))
    assert story.then(Exit(1.0)) == [Record("door.exit", {"refused": None})]
    assert story.door.free_until_s == 8.0
    story.then(Ordered(10.0, "locked_down"))
    assert story.then(Exit(11.0))[0] == Record("door.exit", {"refused": "locked_down"})
    assert story.door.causes == ()


@pytest.mark.parametrize(
    ("mode", "asking", "in_lockdown", "when_secured", "opens"),
    [
        ("locked_down", "exit", False, True, False),
        ("locked_down", "exit", True, False, True),
        ("secured", "exit", True, True, True),
        ("secured", "exit", True, False, False),
        ("normal", "exit", False, False, True),
        ("open", "exit", False, False, True),
        ("locked_down", "recognised", True, True, False),
        ("locked_down", "ordered", True, True, False),
        ("locked_down", "named", False, False, True),
        ("secured", "recognised", True, True, False),
        ("secured", "ordered", False, False, True),
        ("secured", "named", False, False, True),
        ("normal", "recognised", False, False, True),
        ("normal", "ordered", False, False, True),
        ("normal", "named", False, False, True),
        ("open", "recognised", False, False, True),
    ],
)
def test_the_table_of_modes(
    mode: Any, asking: Any, in_lockdown: bool, when_secured: bool, opens: bool
) -> None:
    plan = Plan(exit_in_lockdown=in_lockdown, exit_when_secured=when_secured)
    assert permits(mode, asking, plan) is opens


@pytest.mark.parametrize(
    ("ordered", "timed", "mode", "by"),
    [
        ("normal", "normal", "normal", None),
        ("open", "normal", "open", "command"),
        ("normal", "open", "open", "timetable"),
        ("open", "open", "open", "timetable"),
        ("open", "secured", "secured", "timetable"),
        ("secured", "open", "secured", "command"),
        ("secured", "secured", "secured", "timetable"),
        ("locked_down", "secured", "locked_down", "command"),
        ("secured", "locked_down", "locked_down", "timetable"),
        ("locked_down", "open", "locked_down", "command"),
        ("open", "locked_down", "locked_down", "timetable"),
    ],
)
def test_what_keeps_the_door_shut_comes_first(
    ordered: Any, timed: Any, mode: str, by: str | None
) -> None:
    assert in_force(ordered, timed) == (mode, by)
    story = Story()
    story.then(Ordered(1.0, ordered), Timed(1.0, timed))
    assert story.door.mode == mode
    assert story.door.causes == (("open",) if mode == "open" else ())
    story.then(Fire(2.0, active=True))
    assert "fire" in story.door.causes


def test_no_pair_of_modes_opens_more_than_the_stricter_of_both() -> None:
    for ordered, timed in product(RULES, RULES):
        mode, _ = in_force(ordered, timed)
        stricter = max(RULES[ordered].caution, RULES[timed].caution)
        assert RULES[mode].caution == stricter or (mode == "open" and stricter == 1)


def test_a_contact_that_nobody_can_read_makes_no_forced_door() -> None:
    story = Story()
    assert story.leaf(1.0, None) == []
    assert story.leaf(2.0, "open") == [Record("door.opened", {"causes": ["unknown"]})]
    assert "forced" not in story.alarms
    assert story.leaf(3.0, None) == []
    assert story.door.alarm_at_s is None
    assert story.leaf(4.0, "open") == []  # as before
    assert story.door.alarm_at_s == 34.0
    story.leaf(5.0, None)
    assert types(story.leaf(6.0, "closed")) == ["door.closed"]


def test_what_is_said_twice_is_one_event() -> None:
    story = Story()
    assert story.leaf(1.0, "closed") == []
    story.leaf(2.0, "open")
    assert story.leaf(3.0, "open") == []


def test_how_the_door_stands_at_the_start_is_no_event() -> None:
    story = Story(shut=False)
    assert story.leaf(1.0, "open") == []
    assert story.door.alarm_at_s is not None
    assert story.leaf(2.0, "closed")[0].type == "door.closed"
    assert Story(shut=False).leaf(1.0, "closed") == []


def test_where_nobody_sees_the_door_who_is_let_in_has_come_in() -> None:
    story = Story(Plan(), shut=False)
    assert story.then(Ask(1.0, "recognised")) == [Ended(1, opened=True)]
    story = Story()
    story.then(Ask(1.0, "recognised"))
    assert story.leaf(2.0, None) == [Ended(1, opened=True)]
    assert story.then(Tick(60.0)) == []


def test_a_warning_ends_when_nobody_sees_the_door_and_an_alarm_goes_on() -> None:
    story = Story()
    story.leaf(1.0, "open", 1.0)
    story.then(Tick(22.0))
    assert types(story.leaf(23.0, None)) == ["door.alarm_over"]
    assert story.alarms == {"forced"}


def test_tamper_is_told_once_and_when_it_is_over() -> None:
    story = Story()
    told = story.then(Tamper(1.0, active=True), Tamper(2.0, active=True), Tamper(3.0, active=False))
    assert types(told) == ["door.tamper", "door.tamper_over"]
    assert story.alarms == set()


def test_no_door_of_an_interlock_opens_before_the_other_has_answered() -> None:
    story = Story(PLAN._replace(interlock=True))
    assert story.then(Ask(1.0, "recognised")) == [Claim(1)]
    assert story.door.causes == ()
    story.then(Answer(1.2, 1, granted=True, why=""))
    assert story.door.free_until_s == 4.2
    assert story.then(Answer(1.3, 1, granted=False, why="late")) == []


@pytest.mark.parametrize("why", ["other_open", None])
def test_an_interlock_that_refuses_or_is_silent_keeps_the_door_shut(why: str | None) -> None:
    story = Story(PLAN._replace(interlock=True))
    story.then(Exit(1.0))
    told = story.then(Tick(3.0) if why is None else Answer(1.5, 1, granted=False, why=why))
    reason = why or "silent"
    assert told == [
        Record("door.interlocked", {"reason": reason, "asking": "exit"}),
        Ended(1, opened=False),
    ]
    assert story.then(Answer(3.5, 1, granted=True, why="")) == []
    assert story.door.causes == ()


def test_a_lockdown_ends_also_who_waits_for_the_other_door() -> None:
    story = Story(PLAN._replace(interlock=True))
    story.then(Ask(1.0, "recognised"))
    assert story.then(Ordered(1.5, "locked_down")) == [Ended(1, opened=False)]
    assert story.then(Answer(1.6, 1, granted=True, why="")) == []
    assert story.door.causes == ()


def test_fire_asks_no_other_door() -> None:
    story = Story(PLAN._replace(interlock=True))
    story.then(Fire(1.0, active=True))
    assert story.then(Ask(2.0, "recognised")) == []
    assert not story.door.shut_and_locked


def test_an_opening_does_not_count_for_who_still_waits() -> None:
    story = Story(PLAN._replace(interlock=True))
    story.then(Ask(1.0, "recognised"))
    assert types(story.leaf(1.5, "open")) == ["door.forced"]
    story.leaf(1.6, None)
    assert story.then(Answer(1.7, 1, granted=True, why="")) == [Ended(1, opened=True)]


def test_a_grant_that_is_withdrawn_is_over_and_nobody_hears_of_it() -> None:
    story = Story()
    story.then(Ask(1.0, "recognised"), Ask(1.0, "ordered"))
    assert story.then(Withdraw(1.0, 1), Withdraw(1.1, 1), Withdraw(1.2, 9)) == []
    assert story.door.causes == ("ordered",)
    assert story.then(Tick(60.0)) == [Ended(2, opened=False)]
    story = Story(PLAN._replace(interlock=True))
    story.then(Ask(1.0, "recognised"))
    assert story.then(Withdraw(1.1, 1)) == []
    assert story.door.grants == ()


def test_a_flood_of_grants_has_an_end() -> None:
    story = Story()
    for _ in range(MOST_GRANTS + 3):
        story.then(Ask(1.0, "ordered", 60.0))
    assert len(story.door.grants) == MOST_GRANTS
    assert story.effects == [Ended(number, opened=False) for number in (1, 2, 3)]
    assert story.door.causes == ("ordered",)


SIRENS = Plan(
    contact=True,
    outputs=(
        ("siren", Siren(frozenset({"forced", "held_open"}), 10.0)),
        ("lamp", Siren(frozenset({"unlocked"}))),
        ("bell", Siren(frozenset({"bell", "duress"}))),
    ),
)


def test_outputs_are_driven_as_long_as_their_alarms_last_and_not_longer_than_they_may() -> None:
    story = Story(SIRENS)
    assert story.door.sounding(SIRENS) == set()
    story.leaf(5.0, "open", 5.0)
    assert story.door.sounding(SIRENS) == {"siren"}
    story.then(Tick(14.9))
    assert story.door.sounding(SIRENS) == {"siren"}
    story.then(Tick(15.0))
    assert story.door.sounding(SIRENS) == set()
    story.then(Tick(35.0))  # another alarm sounds anew
    assert story.door.sounding(SIRENS) == {"siren"}
    story.then(Ask(36.0, "recognised"))
    assert story.door.sounding(SIRENS) == {"siren", "lamp"}
    story.leaf(37.0, "closed")
    assert story.door.sounding(SIRENS) == {"lamp"}
    story.then(Tick(40.0))
    assert story.door.sounding(SIRENS) == set()


def test_what_is_rung_ends_by_itself() -> None:
    story = Story(SIRENS)
    story.then(Ring(1.0, "bell", 5.0), Ring(2.0, "duress", 5.0), Ring(3.0, "bell", 1.0))
    assert story.alarms == {"bell", "duress"}
    story.then(Tick(6.5))
    assert story.alarms == {"duress"}
    story.then(Tick(7.0))
    assert story.alarms == set()


def test_time_never_goes_back() -> None:
    story = Story()
    story.then(Ask(1_000.0, "recognised"))
    story.then(Tick(-3e7), Tick(1_001.0))
    assert (story.door.t_s, story.door.causes) == (1_001.0, ("recognised",))
    story.then(Tick(3e7))
    assert story.door.causes == ()


def test_the_lock_is_said_to_be_shut_only_where_the_contact_says_so() -> None:
    assert Story().door.shut_and_locked
    assert not Story(shut=False).door.shut_and_locked
    assert not Story(Plan(), shut=False).door.shut_and_locked


def test_what_holds_a_door_open_lasts() -> None:
    story = Story()
    assert not story.door.held
    assert story.door.free_until_s is None
    story.then(Ordered(1.0, "open"))
    assert story.door.held
    story.then(Ordered(2.0, "normal"), Fire(3.0, active=True))
    assert story.door.held


def test_relocking_never_prolongs_what_would_end_sooner() -> None:
    story = Story(PLAN._replace(minimum_pulse_s=10.0))
    story.then(Ask(1.0, "recognised"))
    story.leaf(1.5, "open")
    story.leaf(2.0, "closed")
    assert story.door.free_until_s == 4.0


def test_who_was_let_in_a_moment_after_the_door_was_forced_did_not_open_it() -> None:
    story = Story()
    story.then(Ask(1.0, "recognised"))
    assert story.leaf(1.02, "open", 0.98) == [Record("door.forced", {})]


def test_a_switch_that_takes_long_to_be_believed_is_judged_by_when_it_moved() -> None:
    story = Story()
    story.then(Ask(1.0, "recognised", 1.0))
    story.then(Tick(3.0), Tick(4.0))
    assert types(story.leaf(4.4, "open", 1.9)) == ["door.opened"]


@pytest.mark.parametrize(("since_s", "alarm_at_s"), [(1e9, 35.0), (-1e9, 32.0)])
def test_a_moment_that_cannot_be_is_taken_for_one_that_can(
    since_s: float, alarm_at_s: float
) -> None:
    story = Story()
    story.then(Tick(5.0))
    assert types(story.leaf(5.0, "open", since_s)) == ["door.forced"]
    assert story.door.alarm_at_s == alarm_at_s
