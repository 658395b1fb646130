"""What is said of working days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from edged.attendance.punch import STATES
from edged.mqtt.contract.fields import ABSENT, Clock, EventId, KeyId, Person, Seq, Time, Told, codes

if TYPE_CHECKING:
    from typing import Any

State = Annotated[str, codes(*STATES)]


class Punched(Told):
    """Somebody was let in, and that is a punch; its time is the event's."""

    person_id: Person
    """Who."""
    state: State
    """Which punch it is."""
    by: Annotated[str, codes("key", "timetable", "role", "repeat")]
    """What said so: a key that was pressed before, the timetable, the terminal's role; `repeat`:
    they came again within `attendance.fold_within_s`."""
    reader: str
    """Where: a reader's name, `camera` or `page`."""
    count: Seq
    """Which presentation of this punch it is, from 1."""
    folds: EventId = ABSENT
    """The event of the punch of which this is one more presentation, and no punch of its own."""


class Corrected(Told):
    """A punch was corrected. What was recorded stays as it is; of several corrections of one punch
    the last one counts."""

    person_id: Person
    """Whose."""
    action: Annotated[str, codes("replace", "add", "void")]
    """`replace`: it was like this; `add`: there was one; `void`: there was none."""
    punch: EventId | None
    """The event of the punch, or of the correction that added it; null with `add`."""
    state: State | None
    """Which punch it is from now on; null with `void`."""
    time: Time | None
    """When it is from now on; null with `void`."""
    by: Annotated[str, codes("command", "local", "terminal")]
    """`local`: somebody at the terminal; `terminal`: itself, for what it could not record then."""
    who: str | None
    """Who wished it, as the command said."""
    why: str
    """Why."""
    command: str | None
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""
    folds: EventId = ABSENT
    """It tells of one more presentation of that punch, and of nothing else."""
    clock: Clock = ABSENT
    """`unsynced`: nobody knew whether the clock that said when was right; else left out."""


class Punch(Told):
    """A punch as it stands now."""

    id: EventId
    """By which it can be corrected: of its event, or of the correction that added it."""
    person_id: Person
    """Whose."""
    state: State | None
    """Which punch it is; null: it is void."""
    time: Time | None
    """When; null likewise."""
    event: EventId
    """The correction's own event."""


_PUNCH = "3f0a7d5e9b1c4e6f8a2d4c6b8e0f1a3c"

PUNCHED: dict[str, Any] = {
    "person_id": "4711", "state": "in", "by": "role", "reader": "camera", "count": 1,
}  # fmt: skip
CORRECTED: dict[str, Any] = {
    "person_id": "4711",
    "action": "replace",
    "punch": _PUNCH,
    "state": "out",
    "time": "2026-02-27T16:30:00.000Z",
    "by": "command",
    "who": "hr-7",
    "why": "forgot to punch",
    "command": "4Qj1vZ0s8mYw2nKxT3bRpA",
    "key": "controller",
}
ASKED = {
    "person_id": "4711",
    "action": "replace",
    "punch": _PUNCH,
    "state": "out",
    "time": "2026-02-27T17:30:00+01:00",
    "who": "hr-7",
    "why": "forgot to punch",
}
STANDS = {
    "id": _PUNCH,
    "person_id": "4711",
    "state": "out",
    "time": "2026-02-27T16:30:00.000Z",
    "event": "9c1d3e5f7a8b4c2d6e0f1a3b5c7d9e8f",
}
