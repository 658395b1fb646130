"""What happens at a door, and what is to be done about it: values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from edged.door.mode import Asking, Mode

Leaf = Literal["open", "closed"]
"""How the door stands, by its contact."""
Rung = Literal["duress", "bell"]
"""An alarm that lasts for a while, and has no input."""


class Tick(NamedTuple):
    """Time went by. In all of these `t_s` is on a counter that nobody can set."""

    t_s: float


class Contact(NamedTuple):
    """The contact says something else; None: nobody knows how the door stands.

    `since_s` is when it changed, before it was believed.
    """

    t_s: float
    leaf: Leaf | None
    since_s: float


class Fire(NamedTuple):
    """The fire alarm system asks for the door to be released, or does not any more."""

    t_s: float
    active: bool


class Tamper(NamedTuple):
    """The case was opened, or shut."""

    t_s: float
    active: bool


class Exit(NamedTuple):
    """The button inside was pressed."""

    t_s: float


class Ordered(NamedTuple):
    """The mode that was commanded is this one from now on."""

    t_s: float
    mode: Mode


class Timed(NamedTuple):
    """The mode that the timetable wants is this one from now on."""

    t_s: float
    mode: Mode


class Ask(NamedTuple):
    """Somebody is to be let in; None: for the configured time."""

    t_s: float
    asking: Asking
    duration_s: float | None = None
    extended: bool = False


class Answer(NamedTuple):
    """What the other door of the interlock says to the grant `id`; `why`: a code, where not."""

    t_s: float
    id: int
    granted: bool
    why: str


class Withdraw(NamedTuple):
    """The grant `id` is over, and nobody is told: whoever asked for it knows."""

    t_s: float
    id: int


class Ring(NamedTuple):
    """An alarm that ends after `for_s`."""

    t_s: float
    alarm: Rung
    for_s: float


Event = Tick | Contact | Fire | Tamper | Exit | Ordered | Timed | Ask | Answer | Withdraw | Ring


class Record(NamedTuple):
    """Is to be recorded as an event."""

    type: str
    data: dict[str, Any]


class Ended(NamedTuple):
    """The grant `id` is known to have been used, or not to have been."""

    id: int
    opened: bool


class Claim(NamedTuple):
    """The other door of the interlock is to be asked for the grant `id`."""

    id: int


Effect = Record | Ended | Claim
