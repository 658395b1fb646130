"""A door as a text, and what of it goes on after a restart; pure."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, get_args

from edged.door.acts import Leaf
from edged.door.machine import Door, Grant
from edged.door.mode import Asking, Mode

if TYPE_CHECKING:
    from edged.door.plan import Plan

_LASTING = frozenset({"forced", "held_open", "fire", "tamper"})
_OF_THE_LEAF = frozenset({"forced", "held_open"})
_STAGES = ("waiting", "open", "over")
_ALARMS = _LASTING | {"pre_alarm", "unlocked", "duress", "bell"}


def write_door(door: Door) -> str:
    """A door as a text."""
    grants = [grant._asdict() for grant in door.grants]
    return json.dumps({"v": 1, **door._asdict(), "grants": grants})


def read_door(text: str) -> Door | None:
    """A door from such a text; None for garbage."""
    try:
        data = json.loads(text)
        if data.pop("v") != 1:
            return None
        data["grants"] = tuple(_grant(grant) for grant in data["grants"])
        data["history"] = tuple((_number(at), tuple(map(_text, c))) for at, c in data["history"])
        data["alarms"] = _moments(data["alarms"])
        data["rung"] = _moments(data["rung"])
        door = Door(**data)
        return _checked(door)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def resumed_door(kept: Door, t_s: float, plan: Plan) -> Door:
    """What is known of a door when the daemon starts: nobody is let in any more; its inputs are
    as they were until they are read; alarms go on, so that their ends are told. Modes are told
    anew."""
    fire, tamper = kept.fire and plan.fire, kept.tamper and plan.tamper
    last = kept.last if plan.contact else None
    alarms = {alarm for alarm, _ in kept.alarms} & _LASTING
    if last != "open":
        alarms -= _OF_THE_LEAF
    alarms -= {name for name, on in (("fire", fire), ("tamper", tamper)) if not on}
    return Door(
        t_s=t_s,
        last=last,
        opened_s=t_s,
        fire=fire,
        tamper=tamper,
        history=((t_s, ("fire",) if fire else ()),),
        alarms=tuple((alarm, t_s) for alarm in sorted(alarms)),
    )


def _checked(door: Door) -> Door:
    for number in (door.t_s, door.opened_s, door.alarm_at_s):
        if number is not None:
            _number(number)
    whole = type(door.serial) is int and isinstance(door.fire, bool)
    if not whole or not isinstance(door.tamper, bool) or not door.history:
        raise ValueError("not a door")
    _among(door.ordered, get_args(Mode))
    _among(door.timed, get_args(Mode))
    _among(door.leaf, (None, *get_args(Leaf)))
    _among(door.last, (None, *get_args(Leaf)))
    for alarm, _ in (*door.alarms, *door.rung):
        _among(alarm, tuple(_ALARMS))
    return door


def _grant(data: dict[str, Any]) -> Grant:
    grant = Grant(**data)
    for number in (grant.began_s, grant.ends_s, grant.duration_s, grant.limit_s, grant.id):
        _number(number)
    _among(grant.asking, get_args(Asking))
    _among(grant.stage, _STAGES)
    return grant


def _moments(pairs: Any) -> tuple[tuple[str, float], ...]:
    return tuple((_text(name), _number(at)) for name, at in pairs)


def _among(value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise ValueError("not a door")


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise ValueError("not a number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
