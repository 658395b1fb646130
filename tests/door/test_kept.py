"""A door outlasts the process that knows it, and garbage is no door."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.door.acts import Ask, Contact, Fire, Ordered, Ring, Tamper, Tick
from edged.door.kept import read_door, resumed_door, write_door
from edged.door.machine import Door, step
from edged.door.plan import Plan

PLAN = Plan(contact=True, fire=True, tamper=True)


def busy() -> Door:
    door = Door()
    for event in (
        Contact(0.0, "closed", 0.0),
        Contact(1.0, "open", 0.9),
        Ask(2.0, "recognised"),
        Ring(2.0, "bell", 9.0),
        Tamper(2.5, active=True),
        Fire(3.0, active=True),
        Ordered(3.5, "secured"),
        Ask(3.6, "named"),
        Tick(4.0),
    ):
        door, _ = step(door, event, PLAN)
    return door


def test_a_door_is_read_as_it_was_written() -> None:
    assert read_door(write_door(busy())) == busy()


def test_after_a_restart_inputs_and_alarms_are_as_they_were_and_nobody_is_let_in() -> None:
    door = resumed_door(busy(), 7.0, PLAN)
    assert (door.last, door.leaf, door.fire, door.tamper) == ("open", None, True, True)
    assert dict(door.alarms) == dict.fromkeys(("forced", "tamper", "fire"), 7.0)
    assert (door.mode, door.grants, door.causes) == ("normal", (), ("fire",))
    door, effects = step(door, Contact(8.0, "closed", 7.5), PLAN)
    assert [effect.type for effect in effects] == ["door.closed", "door.alarm_over"]
    door, effects = step(door, Fire(9.0, active=False), PLAN)
    assert [effect.type for effect in effects] == ["door.fire_over"]
    assert door.causes == ()


def test_a_door_that_was_opened_while_nobody_looked_was_not_forced() -> None:
    door, _ = step(Door(), Contact(1.0, "closed", 1.0), PLAN)
    door, effects = step(resumed_door(door, 2.0, PLAN), Contact(3.0, "open", 2.9), PLAN)
    assert [effect.data for effect in effects] == [{"causes": ["unknown"]}]


def test_an_input_that_is_there_no_more_says_nothing_any_more() -> None:
    door = resumed_door(busy(), 7.0, Plan())
    assert (door.last, door.fire, door.tamper, door.alarms) == (None, False, False, ())


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(write_door(busy())) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"v": 1}',
        "[" * 100_000,
        changed(v=2),
        changed(t_s="now"),
        changed(t_s=float("nan")),
        changed(alarm_at_s=True),
        changed(ordered="ajar"),
        changed(timed=None),
        changed(leaf="ajar"),
        changed(last=3),
        changed(fire=1),
        changed(tamper="no"),
        changed(serial=1.5),
        changed(history=[]),
        changed(history=[[0, [1]]]),
        changed(grants=[{}]),
        changed(
            grants=[{**busy().grants[0]._asdict(), "asking": "please"}] if busy().grants else 1
        ),
        changed(grants=7),
        changed(alarms=[["siren", 1]]),
        changed(rung=[["bell", "soon"]]),
        changed(more=1),
    ],
)
def test_a_damaged_note_is_no_door(text: str) -> None:
    assert read_door(text) is None
