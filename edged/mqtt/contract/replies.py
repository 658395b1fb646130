"""How a terminal answers each command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from edged.mqtt.contract import attendance
from edged.mqtt.contract.areas import Place
from edged.mqtt.contract.bundles import Arriving
from edged.mqtt.contract.control import REFUSALS
from edged.mqtt.contract.fields import (
    ABSENT,
    Compact,
    Count,
    KeyId,
    LogId,
    Person,
    Seconds,
    Seq,
    Share,
    Time,
    Told,
    Version,
    codes,
)
from edged.mqtt.contract.happenings import MODES, Nothing
from edged.mqtt.contract.known_key import jws, public_key
from edged.mqtt.contract.people import Warnings  # noqa: TC001  # pydantic reads it
from edged.mqtt.contract.table import receipt


class Reply(Told):
    """The one answer to a command."""

    v: Version
    """Of the contract."""
    command: str | None
    """As the topic of the command named it; null where that was unreadable."""
    id: str | None
    """The command's `jti`; null where it could not be read or was not authentic."""
    result: Literal["ok", "refused", "failed"]
    """`refused`: nothing was done; `failed`: it was tried."""
    reason: str
    """A code; the ones that there are today stand with each command."""
    text: str
    """For people."""
    data: dict[str, Any]
    """By command; empty where nothing is said."""


class Asks(Told):
    """How the person is to agree."""

    confirm: Annotated[str, codes("none", "turn_left", "turn_right", "page")]
    """To turn the head to that side (their own), to press a button; `none`: nobody is asked."""


class FromPhoto(Told):
    """What came of a photo."""

    person_id: Person
    """Who."""
    views: Count
    """New views: 1, or 0 where the photo is known already."""
    known: Count
    """Views that were there already."""
    quality: Share
    """Of the view."""
    warnings: Warnings
    """What the enroller ought to know."""


class NotFromPhoto(Told):
    """Who was not enrolled."""

    person_id: Person
    """Who was to be."""
    other: Person = ABSENT
    """Who is enrolled with this face, with `duplicate`; whose card it is, with `card_taken`."""


class Gone(Told):
    """Somebody was erased."""

    person_id: Person
    """Who."""
    at: Time
    """When."""
    templates: Count
    """How many went."""
    receipt: Compact
    """Proof: a compact JWS by the terminal, header `typ` `edged-erasure+jwt`."""


class Consent(Told):
    """On what ground somebody is enrolled."""

    basis: str
    """The site's words."""
    given: str = ABSENT
    """When, RFC 3339."""
    expires: str = ABSENT
    """When the ground ends, RFC 3339."""
    adaptation: bool
    """Whether the person agreed that their templates follow them over time."""
    confirmed: str = ABSENT
    """How they agreed at a terminal."""


class Profile(Told):
    """What is kept of a person; their name is not told."""

    groups: tuple[str, ...]
    """For the rules of access."""
    valid_from: str = ABSENT
    """From when they are recognised, RFC 3339."""
    valid_until: str = ABSENT
    """Until when, RFC 3339."""
    consent: Consent = ABSENT
    """On what ground."""
    retention_days: Count = ABSENT
    """How long they stay stored after that."""
    cards: Count = ABSENT
    """How many they have."""
    pin: Literal[True] = ABSENT
    """They have one."""
    extended: Literal[True] = ABSENT
    """They need longer at the door."""


class Kept(Told):
    """What is kept of a person from now on."""

    profile: Profile
    """All of it."""
    in_force: bool
    """Whether they are recognised now."""
    erase_at: str | None
    """When they are erased, RFC 3339; null: never by itself."""


class WipedPeople(Told):
    """Nobody is enrolled any more."""

    people: Count | None
    """How many were; 0 where it was wiped before, null where nobody could count them."""


class Mode(Told):
    """The door's mode."""

    mode: Annotated[str, codes(*MODES)]
    """Which is in force: where the timetable speaks against the command, the timetable's."""
    before: Annotated[str, codes(*MODES)]
    """Which was."""
    until: Time | None
    """When it ends; null: with the next order."""


class Replayed(Told):
    """Events that are sent again, on `backlog/...`."""

    events: Count
    """How many; those that were lost, or say something of a person who was erased, are not."""
    from_seq: Seq
    """The first."""
    to_seq: Count
    """The last."""
    head: Count
    """The newest event of the log."""


class TooMany(Told):
    """How much can be asked for."""

    head: Count
    """The newest event of the log."""
    most: Count
    """At a time."""


class Wait(Told):
    """For how long it is too early."""

    wait_s: Count
    """Seconds."""


class Picture(Told):
    """What the camera sees, sealed to `mqtt.snapshot_key`."""

    sealed: str
    """Base64 of an HPKE message (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
    AES-256-GCM, the encapsulated key first, info `edged/snapshot`) that holds a JPEG."""
    sealed_to: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16}$")]
    """The id of the key that opens it: the first 16 characters of its thumbprint (RFC 7638)."""
    time: Time
    """When."""
    width_px: Count
    """Of the picture."""
    height_px: Count
    """Of the picture."""


class Rotated(Told):
    """A key was replaced."""

    id: KeyId
    """The new one, which counts from now on."""
    until: Time
    """Until when the old one counts."""


class NeedsSecond(Told):
    """The command takes two people (`mqtt.commands.two_person`)."""

    expires: Time
    """Until when another person may send the same, signed with their key."""


class Memory(Told):
    """Of the terminal's process."""

    rss_mb: Seconds
    """Now, MB."""
    peak_mb: Seconds
    """At most since it began, MB."""


class Log(Told):
    """The log of events."""

    log: LogId
    """Which."""
    head: Count
    """Its newest event."""
    waiting: Count
    """Not acknowledged by the broker."""


class Diagnostics(Told):
    """How the terminal is, for people; what is not described here may change at any time."""

    software: str
    """Its version."""
    python: str
    """That runs it."""
    system: str
    """The operating system."""
    uptime_s: Count
    """Since the daemon began, seconds."""
    memory: Memory
    """Of its process."""
    disk: dict[str, int | None]
    """Free, MB, by what is written there."""
    events: Log
    """The log of events."""
    arriving: Arriving | None = ABSENT
    """A bundle that comes in pieces."""
    link: dict[str, Any] = ABSENT
    """To the broker."""
    commands: dict[str, int] = ABSENT
    """How many were accepted, refused, refused unread, and dropped unread in a flood."""
    degraded: dict[str, str] = ABSENT
    """As in `state`."""
    door: dict[str, Any] = ABSENT
    """Mode and relay."""
    gallery: dict[str, Any] = ABSENT
    """How many people."""
    camera: dict[str, Any] = ABSENT
    """Frames and faults."""
    model: dict[str, Any] = ABSENT
    """The bundle and what runs it."""
    clock: dict[str, Any] = ABSENT
    """As `state.timekeeping`."""
    counts: dict[str, Any] = ABSENT
    """Of what happened since the daemon began."""
    stages_ms: dict[str, Any] = ABSENT
    """How long each stage of the work on a frame takes, ms."""
    left_out: tuple[str, ...] = ABSENT
    """Parts that would not have fitted into the reply."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command is answered.

    Attributes:
        example: arguments.
        ok: the model of the data of what was done, and an example of it.
        reasons: codes of `refused` and `failed`, beside those of every command.
        done: codes of `ok`.
        refused: the model of the data of what was not done.
        two: it may take two people.
    """

    example: dict[str, Any]
    ok: tuple[type[Told], dict[str, Any]] = (Nothing, {})
    reasons: tuple[str, ...] = ()
    done: tuple[str, ...] = ("done",)
    refused: type[Told] = Nothing
    two: bool = False


EVERY = (*REFUSALS, "failed", "internal")
"""Why any command may not be obeyed, or may fail."""

_KEYS = ("no_such_key", "not_recorded")
_ARCHIVE = "9f2c11d04b7a" + "0" * 52
_ARRIVING = {
    "sha256": _ARCHIVE,
    "size": 8_388_608,
    "received": 45_000,
    "complete": False,
    "missing": [[45_000, 8_388_608]],
}
_DIAGNOSTICS = {
    "software": "0.1.0",
    "python": "3.11.2",
    "system": "Linux 6.1.0 aarch64",
    "uptime_s": 86_400,
    "memory": {"rss_mb": 312.5, "peak_mb": 355.1},
    "disk": {"events": 11_204, "gallery": 11_204, "models": 11_204},
    "events": {"log": "5ca1ab1e0ddba11f", "head": 1042, "waiting": 0},
    "degraded": {},
}
_ENROLLED = (
    "duplicate",
    "incoherent",
    "consent_missing",
    "card_taken",
    "bad_pin",
    "bad_profile",
    "wiped",
    "storage",
)

ANSWERS: dict[str, Answer] = {
    "door.unlock": Answer(
        {"duration_s": 5, "cause": "parcel"}, reasons=("not_recorded", "locked_down", "interlock")
    ),
    "enrol.start": Answer(
        {"person_id": "4711", "groups": ["staff"], "consent": {"basis": "contract"}},
        (Asks, {"confirm": "turn_left"}),
        ("enrolment_running", *_ENROLLED),
    ),
    "enrol.cancel": Answer({"person_id": "4711"}, reasons=("no_enrolment",)),
    "enrol.photo": Answer(
        {"person_id": "4711", "image": "/9j/4AAQSkZJRgABAQAAAQABAAD"},
        (
            FromPhoto,
            {"person_id": "4711", "views": 1, "known": 0, "quality": 0.91, "warnings": []},
        ),
        (*_ENROLLED, "no_face", "several_faces", "low_quality", "unreadable", "runtime"),
        refused=NotFromPhoto,
    ),
    "gallery.remove": Answer(
        {"person_id": "4711"},
        (
            Gone,
            {
                "person_id": "4711",
                "at": "2026-03-01T08:00:20Z",
                "templates": 3,
                "receipt": receipt(),
            },
        ),
        ("not_enrolled", "wiped"),
    ),
    "gallery.set": Answer(
        {"person_id": "4711", "valid_until": "2026-12-31", "groups": None},
        (
            Kept,
            {
                "profile": {"groups": [], "valid_until": "2026-12-31T00:00:00Z"},
                "in_force": True,
                "erase_at": "2027-01-30T00:00:00Z",
            },
        ),
        ("not_enrolled", "consent_missing", "card_taken", "bad_pin", "wiped"),
    ),
    "gallery.wipe": Answer(
        {"confirm": "hq/door-1"}, (WipedPeople, {"people": 812}), ("not_confirmed",), two=True
    ),
    "door.mode": Answer(
        {"mode": "secured", "for_s": 3600, "cause": "night"},
        (Mode, {"mode": "secured", "before": "normal", "until": "2026-03-01T09:00:00.000Z"}),
        ("not_recorded", "door", "interlock"),
        refused=Mode,
        two=True,
    ),
    "area.set": Answer(
        {"person_id": "4711", "area": "lab"},
        (Place, {"person_id": "4711", "area": "lab", "before": None}),
        ("not_allowed", "not_recorded"),
    ),
    "attendance.correct": Answer(
        attendance.ASKED,
        (attendance.Punch, attendance.STANDS),
        ("no_such_punch", "not_enrolled", "bad_correction", "not_recorded"),
    ),
    "diagnostics": Answer({}, (Diagnostics, _DIAGNOSTICS)),
    "events.replay": Answer(
        {"from_seq": 101, "to_seq": 140},
        (Replayed, {"events": 38, "from_seq": 101, "to_seq": 140, "head": 1042}),
        ("too_many",),
        refused=TooMany,
    ),
    "snapshot": Answer(
        {},
        (
            Picture,
            {
                "sealed": "o7Vb0u8qk1xq2Yy0Xw==",
                "sealed_to": "brCdyBL8n_0ZXzyv",
                "time": "2026-03-01T08:00:20.000Z",
                "width_px": 640,
                "height_px": 480,
            },
        ),
        ("not_allowed", "no_picture", "not_recorded"),
        two=True,
    ),
    "model.chunk": Answer(
        {"sha256": _ARCHIVE, "size": 8_388_608, "offset": 0, "data": "H4sIAAAAAAAAA+y9"},
        (Arriving, _ARRIVING),
        ("another_archive",),
        refused=Arriving,
    ),
    "model.install": Answer(
        {"sha256": _ARCHIVE},
        reasons=("no_archive", "incomplete"),
        done=("started",),
        refused=Arriving,
        two=True,
    ),
    "model.rollback": Answer({}, done=("started",), two=True),
    "restart": Answer({"cause": "update"}, reasons=("not_allowed",), refused=Wait),
    "keys.rotate": Answer(
        {
            "id": "controller",
            "new_id": "controller-2026",
            "public_key": public_key()["public_key"],
            "proof": jws(
                {"aud": "hq/door-1", "id": "controller-2026", "replaces": "controller"},
                "controller-2026",
                "edged-key",
            ),
            "overlap_s": 3600,
        },
        (Rotated, {"id": "controller-2026", "until": "2026-03-01T09:00:00Z"}),
        (
            *_KEYS,
            "bad_key",
            "already_replaced",
            "id_used",
            "key_used",
            "bad_proof",
            "too_many_keys",
        ),
        two=True,
    ),
    "keys.revoke": Answer({"id": "controller"}, reasons=(*_KEYS, "last_maintainer"), two=True),
}
"""By command."""
