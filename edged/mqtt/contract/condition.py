"""What a terminal says of itself: ``status`` and ``state``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edged.mqtt.contract.areas import Area  # noqa: TC001  # pydantic reads it
from edged.mqtt.contract.bundles import MoveFigures  # noqa: TC001  # pydantic reads it
from edged.mqtt.contract.control import DESIRED_REFUSALS
from edged.mqtt.contract.doors import CAUSES, Alarm
from edged.mqtt.contract.fields import (
    ABSENT,
    Clock,
    Count,
    KeyId,
    Model,
    Pem,
    Seq,
    Share,
    Similarity,
    Time,
    Told,
    Version,
    codes,
)
from edged.mqtt.contract.happenings import MODES, SOURCES
from edged.sync.wire import Epoch, Revision, Short  # noqa: TC001  # likewise


class Stamped(Told):
    """Every retained message says when it was sent."""

    v: Version
    """Of the contract."""
    time: Time
    """When it was sent, by the terminal's clock."""
    clock: Clock
    """Whether that clock was to be trusted."""


class Status(Stamped):
    """Whether the terminal is there."""

    status: Literal["online", "stopping", "offline"]
    """`online` on each connection, `stopping` and then `offline` before a clean end."""
    software: str
    """The terminal's version."""
    model: Model
    """The model bundle in use: name, version, beginning of its digest."""
    gallery: Revision
    """The gallery's revision when the terminal connected."""


class Will(Told):
    """What the broker says when the terminal vanishes: its last will."""

    v: Version
    """Of the contract."""
    status: Literal["offline"]
    """It is not there."""
    reason: Literal["connection lost"]
    """It did not say goodbye."""


class PublicKey(Told):
    """A key of the terminal's."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16}$")]
    """The first 16 characters of its thumbprint (RFC 7638)."""
    public_key: Pem
    """In PEM form."""


class Identity(Told):
    """The terminal's two keys. Whom they belong to is for the site to know: take them from the
    terminal itself (`edged gallery identity`, or when it is provisioned) and compare."""

    sealing: PublicKey
    """X25519: what is sealed to it opens at this terminal only."""
    signing: PublicKey
    """Ed25519: events, checkpoints, receipts and offers are signed with it."""


class Door(Told):
    """The door, as it is."""

    mode: Annotated[str, codes(*MODES)]
    """What is in force."""
    by: Annotated[str, codes("command", "timetable")] | None
    """Who says so; null: nobody, it is `normal`."""
    until: Time | None
    """When that ends; null: nobody knows, or never by itself."""
    relay: Literal["rest", "on"]
    """`on` while the door is held unlocked."""
    causes: tuple[Annotated[str, codes(*CAUSES)], ...]
    """Why it is; see `door.opened`."""
    contact: Literal["open", "closed"] | None
    """How the door stands; null: there is no contact, or it cannot be read."""
    fire: bool | None
    """Whether the fire alarm has the door unlocked; null: there is no such input."""
    tamper: bool | None
    """Whether the case is open; null likewise."""
    alarms: tuple[Alarm, ...]
    """What is the matter."""


class Taking(Told):
    """A snapshot of the site's gallery that is being taken over."""

    revision: Revision
    """That it stands for."""
    chunk: Count
    """The next chunk, counted from 0."""
    chunks: Count | None
    """How many there are; null while that is unknown."""


class Untaken(Told):
    """What a terminal cannot take over of the site's gallery."""

    revision: Revision
    """Nothing from this one on is taken."""
    reason: str
    """For people."""


class Following(Told):
    """What is held of the site's gallery, with `mqtt.sync`."""

    log: Short | None
    """The site's log; null before the first."""
    epoch: Epoch | None
    """Of the log; null likewise."""
    revision: Revision
    """Up to which it is held."""
    behind: Count | None
    """How many revisions are missing; null until the site was heard."""
    snapshot: Taking = ABSENT
    """While one is taken over."""
    refused: Untaken = ABSENT
    """While the site says something that this terminal cannot take."""
    offered: Count = ABSENT
    """Who waits to be taken into the site's gallery; where enrolments are shared."""


class Gallery(Told):
    """The people who are enrolled."""

    revision: Revision
    """Grows with every change."""
    people: Count
    """Who is in force."""
    site: Following = ABSENT
    """With `mqtt.sync`."""


class Risk(Told):
    """What is decided by, with a gallery of this size, and what it risks."""

    profile: Annotated[str, codes("attendance", "access", "high_security")]
    """`decision.profile`."""
    people: Count
    """In the gallery."""
    threshold: Similarity
    """From this similarity on somebody is let in."""
    review: Similarity
    """From this one on somebody is held to be doubtful."""
    margin: Share
    """By how much the best must be ahead of the second."""
    doubtful: Annotated[str, codes("review", "retake", "second_factor")]
    """What becomes of the doubtful."""
    fpir: Share
    """The share of presentations by strangers that may be let in."""
    implied_fpir: Share
    """The share that the threshold lets in."""
    strangers_per_day: Annotated[float, Field(ge=0)] | None
    """Presentations by strangers; null until a day has been measured."""
    traffic: Annotated[
        str, codes("configured", "measured", "unknown until a day has been measured")
    ]
    """Where that figure comes from."""
    false_accepts_per_year: Annotated[float, Field(ge=0)] | None
    """That follow; null likewise."""


class Move(Told):
    """People move to the next model bundle (`model.next`)."""

    status: Annotated[str, codes("none", "moving", "completed", "rolled_back")]
    """How it stands; `none`: the next bundle is the one in use."""
    reason: str = ABSENT
    """Why it was rolled back, or is none; for people."""
    origin: Annotated[Model, Field(alias="from")] = ABSENT
    """The bundle in use."""
    to: Model = ABSENT
    """The next one."""
    people: Count = ABSENT
    """Who is in force."""
    moved: Count = ABSENT
    """Matched by the next one."""
    waiting: Count = ABSENT
    """Matched by the one in use."""
    since: Time = ABSENT
    """When it began."""
    figures: MoveFigures = ABSENT
    """What was seen of people who moved."""
    recording: str = ABSENT
    """Why nothing is recorded meanwhile; for people."""


class Timekeeping(Told):
    """What the terminal believes about its clock (docs/time.md)."""

    source: Annotated[str, codes(*SOURCES)]
    """`ntp`: a time service keeps it right; `holdover`: one did, and it cannot have gone wrong by
    much since; `rtc`: a clock that ran while the terminal was off, unchecked; `unknown`."""
    synced: bool
    """Whether it is trusted: `ntp` or `holdover`."""
    since: Time
    """When that began."""
    high_water: Time | None
    """It has been that late for certain, to the hour; null: nobody knows."""
    error_s: Annotated[float, Field(ge=0)] | None
    """By how much it may be wrong at most, seconds; null while it is not trusted."""


class CountedKey(Told):
    """A key whose commands are obeyed."""

    id: KeyId
    """Its id."""
    roles: tuple[Annotated[str, codes("auditor", "enroller", "maintainer", "operator")], ...]
    """What it may do."""
    until: Time | None
    """When it ends; null: no end is set."""
    replaced_by: KeyId | None
    """The one that takes its place."""


class LastDesired(Told):
    """What became of the last desired settings."""

    revision: Seq | None
    """Which; null where they could not be read or were not authentic."""
    result: Literal["applied", "refused", "pending"]
    """`pending`: accepted, and in force with the next start, which comes by itself when nobody is
    at the door."""
    reason: Annotated[str, codes("done", "restart", *DESIRED_REFUSALS)]
    """A code."""
    text: str
    """For people."""
    in_force: Count
    """The revision that is in force; 0: the terminal's own configuration alone."""


PARTS = (
    "areas",
    "attendance",
    "camera",
    "clock",
    "commands",
    "door",
    "door_inputs",
    "door_mode",
    "door_outputs",
    "door_timetable",
    "erasure",
    "events",
    "gallery",
    "history",
    "installer",
    "interlock",
    "keys",
    "link",
    "model",
    "model.next",
    "panel",
    "peers",
    "pipeline",
    "readers",
    "recording",
    "runtime",
    "screen",
    "settings",
    "signals",
    "storage",
    "sync",
    "tamper",
    "wipe",
)
"""Parts that may not work."""


class State(Stamped):
    """The terminal as it is. Sent on connect and when it changes; only the newest waits, so a
    consumer sees the last one for certain, and not necessarily each one between."""

    software: str
    """The terminal's version."""
    model: Model
    """The model bundle in use."""
    identity: Identity
    """Its public keys."""
    door: Door
    """The door."""
    gallery: Gallery
    """The people who are enrolled."""
    decision: Risk
    """What is decided by."""
    waiting_events: Count
    """Events that the broker has not acknowledged."""
    degraded: dict[Annotated[str, codes(*PARTS)], str]
    """By part that does not work the reason, for people; empty when all is well
    (docs/operate.md says what to do)."""
    model_move: Move = ABSENT
    """While `model.next` is set."""
    timekeeping: Timekeeping = ABSENT
    """What it believes about its clock."""
    keys: tuple[CountedKey, ...] = ABSENT
    """The keys that count now."""
    applied: LastDesired = ABSENT
    """Once settings were desired."""
    readers: dict[KeyId, str] = ABSENT
    """With `readers`: by name `ok`, or what is wrong, for people."""
    area: Area = ABSENT
    """With `access.area`: what lies behind the door."""
