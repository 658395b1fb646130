"""What is said of who is where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edged.mqtt.contract.fields import ABSENT, Count, KeyId, Person, Told, codes

Order = Annotated[int, Field(ge=1)]
AreaName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Passed(Told):
    """Somebody passed the door: it was opened during their grant, or it has no contact and they
    were granted."""

    person_id: Person
    """Who."""
    direction: Literal["in", "out"]
    """Where to."""
    area: AreaName | None
    """Where they are now; null where the terminal has no `access.area`."""
    groups: tuple[str, ...]
    """Theirs: some rules wait for somebody of a group."""
    passback: bool
    """They were there already, as far as was known, and were let through all the same."""
    order: Order
    """Of two events about one person that with the greater one holds, whichever terminal it is of;
    like milliseconds since 1970 as long as all clocks are right."""


class NotEntered(Told):
    """Somebody was granted, and the door was not opened: they are where they were."""

    person_id: Person
    """Who."""
    direction: Literal["in", "out"]
    """Where they wanted to go."""


class AreaChanged(Told):
    """Somebody is said to be somewhere else, without having passed a door."""

    person_id: Person | None
    """Who; null: it is forgotten where everybody is."""
    area: AreaName | None
    """Where they are; null: nobody knows."""
    by: Annotated[str, codes("command", "clock", "terminal")]
    """`area.set`; `access.area.passback.forgive_at`; or `edged area` at the terminal."""
    command: str | None
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""
    order: Order
    """As in `access.passed`; with everybody forgotten, all events up to it count no more."""


class Area(Told):
    """What lies behind the door."""

    name: AreaName
    """`access.area.name`."""
    inside: Count
    """How many are known to be in it."""
    most: Count | None
    """How many may be; null: any number."""
    peers: dict[str, Annotated[str, codes("heard", "silent")]] = ABSENT
    """By each terminal of `peers`, whether it is heard; left out where there are none."""


class Place(Told):
    """Where somebody is from now on."""

    person_id: Person | None
    """Who; null: everybody was forgotten."""
    area: AreaName | None
    """Where; null: nobody knows."""
    before: AreaName | None
    """Where they were, as far as was known."""
