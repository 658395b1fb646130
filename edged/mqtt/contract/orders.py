"""What a terminal obeys: commands, and desired settings."""

from __future__ import annotations

from datetime import date  # noqa: TC003  # pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from edged.config import access, schema
from edged.mqtt.catalogue import CATALOGUE
from edged.mqtt.contract.fields import ABSENT, KeyId, Obeyed, Seq

if TYPE_CHECKING:
    from collections.abc import Iterable

Audience = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$", max_length=200)]


class Header(Obeyed):
    """The header of a command; nothing else may be in it."""

    alg: Literal["EdDSA"]
    """Ed25519."""
    kid: KeyId
    """The key's id in `mqtt.commands.keys`."""
    typ: Literal["JWT", "JOSE"] = ABSENT
    """May be left out."""


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
    """The name of a command as one of a schema: ``DoorUnlock``."""
    return "".join(word.capitalize() for word in name.replace("_", ".").split("."))


def claims_of(name: str) -> type[Claims]:
    """The claims of a command."""
    command = CATALOGUE[name]
    may_lack = not any(field.is_required() for field in command.args.model_fields.values())
    text = "The arguments; may be left out." if may_lack else "The arguments."
    made: dict[str, Any] = {
        "cmd": (Annotated[Literal[name], Field(description="The same as in the topic.")], ...),
        "args": (
            Annotated[command.args, Field(description=text)],
            ABSENT if may_lack else ...,
        ),
    }
    return create_model(f"{camel(name)}Claims", __base__=Claims, __doc__=Claims.__doc__, **made)


class DesiredHeader(Obeyed):
    """The header of desired settings; nothing else may be in it."""

    alg: Literal["EdDSA"]
    """Ed25519."""
    kid: KeyId
    """The id of a key with the role `maintainer` in `mqtt.commands.keys`."""
    typ: Literal["edged-desired"]
    """So that nothing else that a key signs is taken for settings."""


GALLERY = (
    "duplicates",
    "lookalikes",
    "lookalike_margin",
    "enrolment_confirm",
    "enrolment_views",
    "adaptation",
)
"""What can be set from afar of `gallery`."""


def _some(name: str, of: type[schema.Settings], fields: Iterable[str], text: str) -> type[Obeyed]:
    """A part of the configuration of which each setting may be left out."""
    made: dict[str, Any] = {}
    for field in fields:
        info = of.model_fields[field]
        made[field] = (Annotated[(info.annotation, Field(), *info.metadata)], ABSENT)
    return create_model(name, __base__=Obeyed, __doc__=text, **made)


_CONFIGURED = "As in the terminal's configuration (docs/configure.md); units stand in the names."
DesiredDecision = _some(
    "DesiredDecision", schema.Decision, schema.Decision.model_fields, _CONFIGURED
)
DesiredGallery = _some("DesiredGallery", schema.Gallery, GALLERY, _CONFIGURED)
DesiredDoor = _some("DesiredDoor", schema.GpioDoor, ["pulse_s", "timetable"], _CONFIGURED)


class DesiredHolidays(Obeyed):
    """Which days are holidays, beside those of the configured country and calendars."""

    dates: tuple[date, ...] = ABSENT
    """In the place of the configured ones."""


class DesiredSchedule(Obeyed):
    """Spans of the week, in the terminal's time zone, see docs/schedules.md."""

    days: Annotated[dict[access.Days, tuple[access.Span, ...]], Field(min_length=1)]
    """By day, such as `mon-fri`, `daily` or `holidays`: spans such as `08:00-18:00`."""
    valid_from: date | None = ABSENT
    """The first day on which spans begin."""
    valid_until: date | None = ABSENT
    """The last one."""


class Settings(Obeyed):
    """Over what the terminal's own configuration says; what is left out stays as it says. Empty:
    nothing is set from afar any more."""

    decision: DesiredDecision = ABSENT  # type: ignore[valid-type]
    """Who is let in; never so that more strangers are than with the profile `attendance`, or than
    the terminal's own configuration allows."""
    gallery: DesiredGallery = ABSENT  # type: ignore[valid-type]
    """How people get in."""
    door: DesiredDoor = ABSENT  # type: ignore[valid-type]
    """The relay."""
    schedules: dict[schema.Name, DesiredSchedule] = ABSENT
    """By name: beside the configured ones, or in their place. Whatever names one must find it."""
    holidays: DesiredHolidays = ABSENT
    """Which days are holidays: in the place of the configured dates."""
    log_level: Literal["debug", "info", "warning", "error"] = ABSENT
    """How much the terminal's own log tells."""


class DesiredClaims(Obeyed):
    """How the terminal shall be set, until another revision says otherwise."""

    aud: Audience
    """The terminal: `<site>/<terminal>`."""
    iat: float
    """When it was signed, Unix seconds; it does not expire."""
    revision: Seq
    """Greater than the one that was accepted last."""
    settings: Settings
    """All that is set from afar."""
