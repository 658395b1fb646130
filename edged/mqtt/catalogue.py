"""The commands that there are: who may give them and what they take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable


class Args(BaseModel):
    """Arguments of a command: frozen, exact types, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


ShortText = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Unlock(Args):
    """``door.unlock``: pulse the relay; without a duration, for the configured time."""

    duration_s: Annotated[float, Field(ge=0.5, le=60)] | None = None
    cause: ShortText | None = None


PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]


class StatedConsent(Args):
    """On what ground somebody is enrolled; times in RFC 3339."""

    basis: ShortText
    given: ShortText | None = None
    expires: ShortText | None = None
    adaptation: bool = False


class Described(Args):
    """What is to be kept of a person; times in RFC 3339, read by `edged.gallery.profile`."""

    name: ShortText | None = None
    groups: Annotated[list[ShortText], Field(max_length=100)] | None = None
    valid_from: ShortText | None = None
    valid_until: ShortText | None = None
    consent: StatedConsent | None = None
    retention_days: Annotated[int, Field(ge=0, le=3650)] | None = None

    @property
    def profile(self) -> dict[str, Any]:
        """As `read_profile` takes it."""
        return self.model_dump(include=set(Described.model_fields), exclude_none=True)


class StartEnrolment(Described):
    """``enrol.start``: take views of the next person at the terminal for this id."""

    person_id: PersonId
    views: Annotated[int, Field(ge=1, le=20)] | None = None
    timeout_s: Annotated[float, Field(ge=5, le=600)] | None = None


class CancelEnrolment(Args):
    """``enrol.cancel``: end what ``enrol.start`` began, of this person where one is named."""

    person_id: PersonId | None = None


class EnrolPhoto(Described):
    """``enrol.photo``: enrol somebody from one photo; `image` is a JPEG or PNG in base64."""

    person_id: PersonId
    image: Annotated[str, Field(min_length=1, max_length=60_000)]


# also an id that no command could have given: whoever is enrolled can be erased
KnownId = Annotated[str, Field(min_length=1, max_length=64)]


class RemovePerson(Args):
    """``gallery.remove``: erase a person; the reply holds the signed receipt."""

    person_id: KnownId


class SetPerson(Described):
    """``gallery.set``: replace what is said here of a person, ``null`` clears it; the consent is
    replaced as a whole."""

    person_id: KnownId

    @property
    def changes(self) -> dict[str, Any]:
        """As `edged.gallery.profile.amended` takes it."""
        return self.model_dump(include=set(Described.model_fields), exclude_unset=True)


class WipeGallery(Args):
    """``gallery.wipe``: erase everybody; `confirm` names the terminal, ``site/terminal``."""

    confirm: ShortText


class SetMode(Args):
    """``door.mode``: until the next order, or for `for_s`, after which it is normal again."""

    mode: Literal["normal", "locked_down", "open", "secured"]
    for_s: Annotated[float, Field(ge=1, le=7 * 86_400)] | None = None
    cause: ShortText | None = None


class NoArgs(Args):
    """``diagnostics``, ``snapshot``: nothing to be said."""


class Restart(Args):
    """``restart``: the daemon begins anew."""

    cause: ShortText | None = None


class ReplayEvents(Args):
    """``events.replay``: send these again, late; both ends are included."""

    from_seq: Annotated[int, Field(ge=1)]
    to_seq: Annotated[int, Field(ge=1)] | None = None


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelChunk(Args):
    """``model.chunk``: a piece of an archive (.tar.gz of a bundle's folder), in base64."""

    sha256: Digest
    size: Annotated[int, Field(ge=1, le=512 * 1024 * 1024)]
    offset: Annotated[int, Field(ge=0)]
    data: Annotated[str, Field(min_length=1, max_length=60_000)]


class InstallModel(Args):
    """``model.install``: put the bundle of an archive that came in pieces in force."""

    sha256: Digest
    older: bool = False


class RollBackModel(Args):
    """``model.rollback``: return to the bundle that was in force before."""

    name: ShortText | None = None


KeyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class RotateKey(Args):
    """``keys.rotate``: a new key in the place of another, with its roles.

    `proof` is a compact JWS by the new private key, header ``typ`` ``edged-key``, of
    ``{"aud": <site>/<terminal>, "id": <the new id>, "replaces": <the old id>}``: who brings a
    public key must hold the private one.
    """

    id: KeyId
    new_id: KeyId
    public_key: Annotated[str, Field(max_length=1000)]
    proof: Annotated[str, Field(max_length=2000)]
    overlap_s: Annotated[float, Field(ge=0, le=2_592_000)] = 3600


class RevokeKey(Args):
    """``keys.revoke``: a key counts no more, at once."""

    id: KeyId


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
