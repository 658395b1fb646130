"""The commands that there are: who may give them and what they take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Callable


class Args(BaseModel):
    """Arguments of a command: frozen, exact types, nothing unknown."""

    # the texts under the fields are published with the contract (docs/asyncapi.json)
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @property
    def cautious(self) -> bool:
        """Whether it only keeps the door shut: then it does not wait for a disk that is full."""
        return False


ShortText = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Unlock(Args):
    """``door.unlock``: pulse the relay; without a duration, for the configured time."""

    duration_s: Annotated[float, Field(ge=0.5, le=60)] | None = None
    """How long the door is unlocked, seconds; left out: `door.pulse_s` of the configuration."""
    cause: ShortText | None = None
    """Why; stands in the event."""


CardNumber = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[0-9A-Fa-fxX:. -]+$")]
SealedPin = Annotated[str, Field(max_length=400, pattern=r"^[A-Za-z0-9+/]{80,}={0,2}$")]
PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]


class StatedConsent(Args):
    """On what ground somebody is enrolled; times in RFC 3339."""

    basis: ShortText
    """Such as `consent` or `contract`; the site's words."""
    given: ShortText | None = None
    """When, RFC 3339; left out: when the person is enrolled."""
    expires: ShortText | None = None
    """When the ground ends, RFC 3339; with it ends recognition."""
    adaptation: bool = False
    """Whether the person agreed that their templates follow them over time."""


class Described(Args):
    """What is to be kept of a person; times in RFC 3339, read by `edged.gallery.profile`."""

    name: ShortText | None = None
    """The person's name, only where it is wanted at the terminal."""
    groups: Annotated[list[ShortText], Field(max_length=100)] | None = None
    """For the rules of access."""
    valid_from: ShortText | None = None
    """From when the person is recognised: `2027-01-31` or `2027-01-31T18:00Z`."""
    valid_until: ShortText | None = None
    """Until when."""
    consent: StatedConsent | None = None
    """On what ground the person is enrolled."""
    retention_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    """How long the person stays stored after validity or consent ended; left out:
    `gallery.retention_days`."""
    cards: Annotated[list[CardNumber], Field(max_length=20)] | None = None
    """Numbers of the person's cards, digits or hex digits; nobody else has one of them."""
    duress_cards: Annotated[list[CardNumber], Field(max_length=20)] | None = None
    """Those among `cards` that open and raise a silent alarm."""
    pin: SealedPin | None = None
    """4 to 16 digits, sealed to the terminal, see docs/credentials.md."""
    duress_pin: SealedPin | None = None
    """Another one, that opens and raises a silent alarm; sealed as `pin`."""
    extended: bool | None = None
    """Whether the person needs longer at the door."""

    @property
    def profile(self) -> dict[str, Any]:
        """As `read_profile` takes it."""
        return self.model_dump(include=set(Described.model_fields), exclude_none=True)


class StartEnrolment(Described):
    """``enrol.start``: take views of the next person at the terminal for this id."""

    person_id: PersonId
    """The id under which the person is known to the site."""
    views: Annotated[int, Field(ge=1, le=20)] | None = None
    """How many views are taken; left out: `gallery.enrolment_views`."""
    timeout_s: Annotated[float, Field(ge=5, le=600)] | None = None
    """How long the terminal waits, seconds; left out: `gallery.enrolment_timeout_s`."""


class CancelEnrolment(Args):
    """``enrol.cancel``: end what ``enrol.start`` began, of this person where one is named."""

    person_id: PersonId | None = None
    """Left out: whoever is being enrolled."""


class EnrolPhoto(Described):
    """``enrol.photo``: enrol somebody from one photo; `image` is a JPEG or PNG in base64."""

    person_id: PersonId
    """The id under which the person is known to the site."""
    image: Annotated[str, Field(min_length=1, max_length=60_000)]
    """A JPEG or PNG with one face, at most 45,000 bytes and 4 megapixels, in base64."""


# also an id that no command could have given: whoever is enrolled can be erased
KnownId = Annotated[str, Field(min_length=1, max_length=64)]


class RemovePerson(Args):
    """``gallery.remove``: erase a person; the reply holds the signed receipt."""

    person_id: KnownId
    """Who is erased."""


class SetPerson(Described):
    """``gallery.set``: replace what is said here of a person, ``null`` clears it; the consent is
    replaced as a whole."""

    person_id: KnownId
    """Whose; what is left out stays as it is."""

    @property
    def changes(self) -> dict[str, Any]:
        """As `edged.gallery.profile.amended` takes it."""
        return self.model_dump(include=set(Described.model_fields), exclude_unset=True)


class WipeGallery(Args):
    """``gallery.wipe``: erase everybody; `confirm` names the terminal, ``site/terminal``."""

    confirm: ShortText
    """`<site>/<terminal>`, so that nobody wipes the wrong one."""


class SetMode(Args):
    """``door.mode``: until the next order, or for `for_s`, after which it is normal again."""

    mode: Literal["normal", "locked_down", "open", "secured"]
    """`locked_down`: nobody is let in; `open`: the door is held unlocked; `secured`: nobody is
    let in by recognition."""
    for_s: Annotated[float, Field(ge=1, le=7 * 86_400)] | None = None
    """For how long, seconds; left out: until the next order."""
    cause: ShortText | None = None
    """Why; stands in the event."""

    @property
    def cautious(self) -> bool:
        return self.mode in ("locked_down", "secured")


class SetArea(Args):
    """``area.set``: say where somebody is, or forget where everybody is."""

    person_id: KnownId | None = None
    """Who; not together with `everybody`."""
    area: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] | None = None
    """Where they are; left out: nobody knows, and they may enter or leave."""
    everybody: bool = False
    """It is forgotten where everybody is, at all terminals that hear of it."""

    @model_validator(mode="after")
    def _one(self) -> SetArea:
        if (self.person_id is None) != self.everybody or (self.everybody and self.area):
            raise ValueError("give either person_id, with or without area, or everybody alone")
        return self


class CorrectPunch(Args):
    """``attendance.correct``: say how a punch was; what was recorded stays in the log."""

    person_id: KnownId
    """Whose."""
    action: Literal["replace", "add", "void"]
    """`replace`: it was like this; `add`: there was one; `void`: there was none."""
    punch: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """The event of the punch, or of the correction that added it; not with `add`."""
    state: Literal["in", "out", "break", "return", "field", "overtime"] | None = None
    """Which punch it was; left out with `replace`: as it stands."""
    time: ShortText | None = None
    """When, RFC 3339 with `Z` or an offset; left out with `replace`: as it stands."""
    why: ShortText
    """Stands in the event and in reports."""
    who: ShortText | None = None
    """Who wishes it, such as a number of the staff office; stands there, too."""


class NoArgs(Args):
    """``diagnostics``, ``snapshot``: nothing to be said."""


class Restart(Args):
    """``restart``: the daemon begins anew."""

    cause: ShortText | None = None
    """Why; stands in the log."""


class ReplayEvents(Args):
    """``events.replay``: send these again, late; both ends are included."""

    from_seq: Annotated[int, Field(ge=1)]
    """The first `seq`."""
    to_seq: Annotated[int, Field(ge=1)] | None = None
    """The last one; left out: up to the newest."""


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelChunk(Args):
    """``model.chunk``: a piece of an archive (.tar.gz of a bundle's folder), in base64."""

    sha256: Digest
    """Of the whole archive, in hex; names it."""
    size: Annotated[int, Field(ge=1, le=512 * 1024 * 1024)]
    """Of the whole archive, bytes."""
    offset: Annotated[int, Field(ge=0)]
    """Where this piece begins, bytes."""
    data: Annotated[str, Field(min_length=1, max_length=60_000)]
    """The piece, at most 45,000 bytes, in base64."""


class InstallModel(Args):
    """``model.install``: put the bundle of an archive that came in pieces in force."""

    sha256: Digest
    """Of the archive that came in pieces."""
    older: bool = False
    """Also if it is older than the bundle in use."""


class RollBackModel(Args):
    """``model.rollback``: return to the bundle that was in force before."""

    name: ShortText | None = None
    """Of the bundle; left out: the one in use."""


KeyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class RotateKey(Args):
    """``keys.rotate``: a new key in the place of another, with its roles.

    `proof` is a compact JWS by the new private key, header ``typ`` ``edged-key``, of
    ``{"aud": <site>/<terminal>, "id": <the new id>, "replaces": <the old id>}``: who brings a
    public key must hold the private one.
    """

    id: KeyId
    """The key that is replaced."""
    new_id: KeyId
    """The id of the new one, never used before."""
    public_key: Annotated[str, Field(max_length=1000)]
    """The new Ed25519 public key, in PEM form."""
    proof: Annotated[str, Field(max_length=2000)]
    """That the sender has the private key; see above."""
    overlap_s: Annotated[float, Field(ge=0, le=2_592_000)] = 3600
    """How long the old key counts on, seconds; at most `rotation_overlap_s`."""


class RevokeKey(Args):
    """``keys.revoke``: a key counts no more, at once."""

    id: KeyId
    """The key."""


@dataclass(frozen=True, slots=True)
class Command:
    """The role that may give a command, and its arguments."""

    role: str
    args: type[Args]


CATALOGUE: dict[str, Command] = {
    "door.unlock": Command("operator", Unlock),
    "enrol.start": Command("enroller", StartEnrolment),
    "enrol.cancel": Command("enroller", CancelEnrolment),
    "gallery.remove": Command("enroller", RemovePerson),
    "gallery.set": Command("enroller", SetPerson),
    "enrol.photo": Command("enroller", EnrolPhoto),
    "gallery.wipe": Command("maintainer", WipeGallery),
    "door.mode": Command("operator", SetMode),
    "area.set": Command("operator", SetArea),
    "attendance.correct": Command("enroller", CorrectPunch),
    "diagnostics": Command("auditor", NoArgs),
    "events.replay": Command("auditor", ReplayEvents),
    "snapshot": Command("maintainer", NoArgs),
    "model.chunk": Command("maintainer", ModelChunk),
    "model.install": Command("maintainer", InstallModel),
    "model.rollback": Command("maintainer", RollBackModel),
    "restart": Command("maintainer", Restart),
    "keys.rotate": Command("maintainer", RotateKey),
    "keys.revoke": Command("maintainer", RevokeKey),
}


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler may know beside the arguments; `key_id` is None for an unsigned command."""

    command: str
    id: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """The one answer to a command; `reason` is a code for programs, `text` is for people."""

    result: Literal["ok", "refused", "failed"] = "ok"
    reason: str = "done"
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)


if TYPE_CHECKING:
    Handler = Callable[[Any, Context], Reply]
