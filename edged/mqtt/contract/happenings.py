"""What is said of the door, the terminal and its parts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edged.mqtt.contract.fields import (
    ABSENT,
    Count,
    Hash,
    KeyId,
    Model,
    Seq,
    Share,
    Time,
    Told,
    Trouble,
    codes,
)

MODES = ("normal", "locked_down", "open", "secured")
SOURCES = ("ntp", "holdover", "rtc", "unknown")


class Nothing(Told):
    """Nothing more is said."""


class Drift(Told):
    """Something has been going wrong for days."""

    what: Annotated[str, codes("light", "lens")]
    """`light`: the same trouble with light at the same time of day; `lens`: views become
    blurred (clean it)."""
    defect: Trouble | None
    """What is wrong with the views; null for `lens`."""
    at: Annotated[str, Field(pattern=r"^[0-9]{2}:[0-9]{2}$")] | None
    """The local time of day, `HH:MM`; null: all day."""
    days: Count
    """On how many days."""
    share: Share
    """Of the presentations."""
    presentations: Count
    """How many were counted."""
    since: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    """The first day, `YYYY-MM-DD`."""


class Unlocked(Told):
    """A command opens the door; recorded before the relay moves."""

    command: str
    """The command's `jti`."""
    key: KeyId | None
    """The key that signed it; null where the terminal obeys unsigned commands (development)."""
    cause: str | None
    """As the command said."""


class DoorFault(Told):
    """The relay did not obey."""

    reason: str
    """For people."""
    command: str = ABSENT
    """The `jti`, after a command."""


class Lost(Told):
    """A part does not work."""

    reason: str
    """For people."""


class Started(Told):
    """The terminal works."""

    software: str
    """Its version."""
    model: Model
    """The model bundle in use."""


class Stopped(Told):
    """The terminal ends."""

    crashed: bool
    """Because of a failure."""


class Gap(Told):
    """The log was full, and the oldest events are lost.

    A hole in `seq` that such an event declares is no sign of tampering.
    """

    count: Seq
    """How many were lost."""
    from_seq: Seq
    """The first."""
    to_seq: Seq
    """The last."""
    reason: Annotated[str, codes("capacity", "size", "disk")]
    """Too many waited, the file was too large, or the disk was full."""
    last_hash: Hash
    """Hash of the event `to_seq`: what the next one names as `prev`."""


class Restarting(Told):
    """The terminal begins anew."""

    by: Annotated[str, codes("command", "settings")]
    """What for: a command, or desired settings."""
    command: str | None
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""
    cause: str | None
    """As the command said."""


class ModeChanged(Told):
    """Another mode of the door is in force."""

    mode: Annotated[str, codes(*MODES)]
    """Which; after a command that the timetable speaks against, the timetable's."""
    before: Annotated[str, codes(*MODES)]
    """Which was."""
    by: Annotated[str, codes("command", "time", "start", "timetable")]
    """A command, the end of its time, a start of the terminal, or the timetable."""
    command: str | None
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""
    cause: str | None
    """As the command said."""
    until: Time | None
    """When it ends; null: with the next order."""


class Looked(Told):
    """Somebody took a picture through the camera."""

    command: str
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""
    sealed_to: str
    """The id of the key that alone opens it."""


class ClockJumped(Told):
    """The clock was set by more than five seconds."""

    origin: Annotated[Time, Field(alias="from")]
    """What it would have said."""
    to: Time
    """What it says."""
    source: Annotated[str, codes(*SOURCES)]
    """What is believed of it now; see `state.timekeeping`."""


class ClockReset(Told):
    """Somebody at the terminal had it forget how late it had been for certain (`edged clock
    reset`), for instance after a time service that lied."""

    origin: Annotated[Time | None, Field(alias="from")]
    """The time that was forgotten; null: none was known."""
    to: Time
    """What the clock says."""
    source: Annotated[str, codes(*SOURCES)]
    """What was believed of it."""
