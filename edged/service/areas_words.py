"""What events say about who is where: written here and read here, ours and other terminals'."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.access.daily import day_of
from edged.access.order import LATEST
from edged.access.presence import Erased, Forgotten, LetIn, Moved
from edged.config.base import NAME
from edged.events.types import utc_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from edged.access.presence import Word
    from edged.access.request import Direction
    from edged.access.threshold import Going

PASSED, CHANGED = "access.passed", "area.changed"
SHARED = (PASSED, CHANGED)
"""What other terminals follow."""

_LONGEST_ID = 64
_LONGEST_GROUP = 200
_MOST_GROUPS = 100
_NAME = re.compile(NAME)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads events, as seen by one terminal.

    Attributes:
        terminal: this one's name.
        area: behind its door.
    """

    terminal: str
    area: str | None
    zone: Callable[[], tzinfo]

    def own(self, kind: str, time: str, data: Mapping[str, Any]) -> list[Word]:
        """What an event of this terminal's log says; nothing, where its content was taken away."""
        if kind == "gallery.erased" and isinstance(data.get("person_id"), str):
            return [Erased(str(data["person_id"]))]
        if kind not in SHARED or not data:
            return []
        return self.said(self.terminal, kind, time, data)

    def said(self, terminal: str, kind: str, time: str, data: Mapping[str, Any]) -> list[Word]:
        """What an event of any terminal says.

        Raises:
            ValueError: it is none of `SHARED`, or not as it ought to be.
        """
        order = data.get("order")
        if type(order) is not int or not 0 < order < LATEST:
            raise ValueError("order is no number that a terminal gives")
        area = data.get("area")
        if area is not None and not (isinstance(area, str) and _NAME.fullmatch(area)):
            raise ValueError("area is no name")
        if kind == CHANGED:
            if data.get("person_id") is None:
                return [Forgotten(order)]
            return [Moved(_person(data), area, order, terminal)]
        if kind != PASSED or data.get("direction") not in ("in", "out"):
            raise ValueError("nobody passed")
        person = _person(data)
        groups = _groups(data.get("groups"))
        words: list[Word] = [] if area is None else [Moved(person, area, order, terminal)]
        ours = area == self.area if self.area is not None else terminal == self.terminal
        if groups and data["direction"] == "in" and ours:
            words.append(LetIn(groups, self._day(time), order))
        return words

    def _day(self, time: str) -> int:
        try:
            return day_of(utc_ms(time) / 1000, self.zone())
        except (TypeError, OverflowError):  # without a zone, or on no calendar
            raise ValueError("time is none") from None


def passed(
    going: Going, area: str | None, order: int, awaited: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The data of ``access.passed``; of somebody in very many groups those first that others wait
    for."""
    groups = sorted(going.groups, key=lambda one: (one not in awaited, one))
    return {
        "person_id": going.person_id,
        "direction": going.direction,
        "area": area,
        "groups": sorted(groups[:_MOST_GROUPS]),
        "passback": going.passback,
        "order": order,
    }


def not_entered(person_id: str, direction: Direction) -> dict[str, Any]:
    """The data of ``access.not_entered``."""
    return {"person_id": person_id, "direction": direction}


def changed(
    person_id: str | None,
    area: str | None,
    order: int,
    by: str,
    *,
    command: str | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """The data of ``area.changed``."""
    who = {"person_id": person_id, "area": area}
    return {**who, "by": by, "command": command, "key": key, "order": order}


def _person(data: Mapping[str, Any]) -> str:
    person = data.get("person_id")
    if not isinstance(person, str) or not 0 < len(person) <= _LONGEST_ID:
        raise ValueError("person_id is none")
    return person


def _groups(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > _MOST_GROUPS:
        raise ValueError("groups is no list of them")
    if not all(isinstance(one, str) and 0 < len(one) <= _LONGEST_GROUP for one in value):
        raise ValueError("a group is none")
    return frozenset(value)
