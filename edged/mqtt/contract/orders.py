"""What a terminal obeys, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from edged.mqtt.catalogue import CATALOGUE
from edged.mqtt.contract.fields import (
    ABSENT,
    Compact,
    Count,
    KeyId,
    Obeyed,
    Person,
    Seq,
    Share,
    Time,
    Told,
    Version,
    codes,
)
from edged.mqtt.contract.happenings import REFUSALS, Nothing, Warnings
from edged.mqtt.contract.known_key import jws, public_key
from edged.mqtt.contract.table import receipt

Audience = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$", max_length=200)]


class Header(Obeyed):
    """The header of a command; nothing else may be in it."""

    alg: Literal["EdDSA"]
    """Ed25519."""
    kid: KeyId
    """The key's id in `mqtt.commands.keys`."""
    typ: Literal["JWT", "JOSE"] = ABSENT
    """May be left out."""


class DesiredHeader(Obeyed):
    """The header of desired settings; nothing else may be in it."""

    alg: Literal["EdDSA"]
    """Ed25519."""
    kid: KeyId
    """The id of a key with the role `maintainer` in `mqtt.commands.keys`."""
    typ: Literal["edged-desired"]
    """So that nothing else that a key signs is taken for settings."""


class DesiredClaims(Obeyed):
    """How the terminal shall be set, until another revision says otherwise."""

    aud: Audience
    """The terminal: `<site>/<terminal>`."""
    iat: float
    """When it was signed, Unix seconds."""
    revision: Seq
    """Greater than the one that is applied."""
    settings: dict[str, Any]
    """In the place of what the terminal's own configuration says; empty: nothing is. See
    docs/desired.md."""


class Claims(Obeyed):
    """What a command says; nothing else may be in it."""

    aud: Audience
    """The terminal: `<site>/<terminal>`."""
    iat: float
    """When it was signed, Unix seconds; at most 5 s ahead of the terminal's clock."""
    exp: float
    """From when on it counts no more, Unix seconds; at most `longest_validity_s` (60) after
    `iat`."""
    jti: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{8,64}$")]
    """Never used before with this key; returned as `id` of the reply."""


def camel(name: str) -> str:
    """The name of a command or an event type as one of a schema: ``DoorUnlock``."""
    return "".join(word.capitalize() for word in name.replace("_", ".").split("."))


def claims_of(name: str) -> type[Claims]:
    """The claims of a command."""
    command = CATALOGUE[name]
    bare = not any(field.is_required() for field in command.args.model_fields.values())
    described = Field(description="See there." if not bare else "See there; may be left out.")
    made: dict[str, Any] = {
        "cmd": (
            Annotated[Literal[name], Field(description="The same as in the topic.")],
            ...,
        ),
        "args": (Annotated[command.args, described], ABSENT if bare else ...),
    }
    return create_model(f"{camel(name)}Claims", __base__=Claims, __doc__=Claims.__doc__, **made)


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
    """Who is enrolled with this face, with `duplicate`."""


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


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command is answered.

    Attributes:
        example: arguments.
        ok: the model of the data of what was done, and an example of it.
        reasons: codes of `refused` and `failed`, beside those of every command.
        done: codes of `ok`.
        refused: the model of the data of what was not done.
    """

    example: dict[str, Any]
    ok: tuple[type[Told], dict[str, Any]] = (Nothing, {})
    reasons: tuple[str, ...] = ()
    done: tuple[str, ...] = ("done",)
    refused: type[Told] = Nothing


EVERY = (*REFUSALS, "failed", "internal")
"""Why any command may not be obeyed, or may fail."""

_ENROLLED = ("duplicate", "incoherent", "consent_missing", "bad_profile", "wiped", "storage")

ANSWERS: dict[str, Answer] = {
    "door.unlock": Answer({"duration_s": 5, "cause": "parcel"}, reasons=("not_recorded",)),
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
        ("not_enrolled", "consent_missing", "wiped"),
    ),
    "gallery.wipe": Answer(
        {"confirm": "hq/door-1"}, (WipedPeople, {"people": 812}), ("not_confirmed",)
    ),
    "door.mode": Answer({"mode": "secured", "for_s": 3600, "cause": "night"}),
    "diagnostics": Answer({}),
    "events.replay": Answer({"from_seq": 101, "to_seq": 140}),
    "snapshot": Answer({}),
    "model.chunk": Answer(
        {
            "sha256": "9f2c11d04b7a" + "0" * 52,
            "size": 8_388_608,
            "offset": 0,
            "data": "H4sIAAAAAAAAA+y9",
        }
    ),
    "model.install": Answer({"sha256": "9f2c11d04b7a" + "0" * 52}),
    "model.rollback": Answer({}),
    "restart": Answer({"cause": "update"}),
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
        }
    ),
    "keys.revoke": Answer({"id": "controller"}),
}
"""By command."""
