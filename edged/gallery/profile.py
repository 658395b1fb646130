"""What the gallery knows of a person beside their templates: as it is given, kept and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from edged.errors import GalleryError
from edged.gallery.cards import MOST_CARDS, card_number
from edged.gallery.pins import kept_pin, same_pin

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY_S = 86_400.0
_MOST_GROUPS = 1000
_YEAR_10000_S = 253402300800


def instant(value: Any) -> Any:
    """Unix seconds of a date or time of RFC 3339; a time without a zone is refused, a date
    begins at midnight UTC."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a date such as 2027-01-31 or a time such as 2027-01-31T18:00Z")
    try:
        if len(value) == len("2027-01-31"):
            day = date.fromisoformat(value)
            return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        moment = datetime.fromisoformat(value)
    except ValueError as fault:
        raise ValueError(
            "expected a date such as 2027-01-31 or a time such as 2027-01-31T18:00Z"
        ) from fault
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2027-01-31T18:00Z or +01:00")
    return moment.timestamp()


def written(seconds: float | None) -> str | None:
    """RFC 3339, UTC, of Unix seconds; None also for what lies beyond the year 9999."""
    if seconds is None or seconds >= _YEAR_10000_S:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


# 0001 to 9999 in years, as far as a date can be written
Instant = Annotated[
    float, BeforeValidator(instant), Field(ge=-62135596800, lt=_YEAR_10000_S, allow_inf_nan=False)
]
_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(?:[^\x00-\x1f\x7f]*\S)?$")]
_Cards = Annotated[
    tuple[Annotated[str, BeforeValidator(card_number)], ...],
    AfterValidator(lambda cards: tuple(dict.fromkeys(cards))),
    Field(max_length=MOST_CARDS, repr=False),
]
_Pin = Annotated[str | None, BeforeValidator(kept_pin), Field(repr=False)]
_CREDENTIALS = ("cards", "duress_cards", "pin", "duress_pin", "extended")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Consent(_Frozen):
    """On what ground a person's templates are kept.

    Attributes:
        basis: such as ``consent``, ``contract``; the site's words.
        given: when, Unix seconds.
        expires: when the ground ends, Unix seconds; with it ends recognition.
        adaptation: whether the person agreed that their templates follow them over time.
        confirmed: how they agreed at a terminal: ``turn``, ``page``, ``none``.
    """

    basis: _Text
    given: Instant | None = None
    expires: Instant | None = None
    adaptation: bool = False
    confirmed: _Text | None = None


class Profile(_Frozen):
    """What is kept of a person; all of it sealed with the person's own key.

    Attributes:
        name: only if the installer wants names here.
        groups: for the rules of access.
        valid_from, valid_until: when they are recognised, Unix seconds; None: no bound.
        retention_days: how long they stay stored after that; None: ``gallery.retention_days``.
        cards: numbers as `card_number` writes them; nobody else has one of them.
        duress_cards: those among `cards` that open and raise a silent alarm.
        pin, duress_pin: how they are kept, see `edged.gallery.pins`; given as digits.
        extended: they need longer at the door.
    """

    name: _Text | None = Field(default=None, repr=False)
    groups: Annotated[tuple[_Text, ...], Field(max_length=_MOST_GROUPS)] = ()
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    consent: Consent | None = None
    retention_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    cards: _Cards = ()
    duress_cards: _Cards = ()
    pin: _Pin = None
    duress_pin: _Pin = None
    extended: bool = False

    @property
    def end(self) -> float | None:
        """When recognition ends: of validity and consent what comes first."""
        expires = self.consent.expires if self.consent else None
        ends = [end for end in (self.valid_until, expires) if end is not None]
        return min(ends, default=None)

    def in_force(self, now_s: float) -> bool:
        """Whether somebody of this profile is recognised at a moment."""
        begun = self.valid_from is None or self.valid_from <= now_s
        return begun and (self.end is None or now_s < self.end)

    def erase_at(self, retention_days: int) -> float | None:
        """When they are to be erased; None: never by itself."""
        days = retention_days if self.retention_days is None else self.retention_days
        return None if self.end is None else self.end + days * _DAY_S

    def with_credentials_of(self, other: Profile) -> Profile:
        """The same, with another's cards, PINs and need, where it says nothing of any."""
        if any(getattr(self, name) for name in _CREDENTIALS):
            return self
        return self.model_copy(update={name: getattr(other, name) for name in _CREDENTIALS})

    def told(self) -> dict[str, Any]:
        """For a person to read: times as RFC 3339; of cards how many, of the PIN whether there is
        one, of duress nothing."""
        document = self.carried()
        for name in ("duress_cards", "duress_pin"):
            document.pop(name, None)
        for name, word in (("cards", len(self.cards)), ("pin", True)):
            if name in document:
                document[name] = word
        return document

    def disclosed(self) -> dict[str, Any]:
        """What `told` leaves out, for the person alone: of PINs, that there are some."""
        found: dict[str, Any] = {
            "cards": list(self.cards),
            "duress_cards": list(self.duress_cards),
            "pin": self.pin is not None,
            "duress_pin": self.duress_pin is not None,
        }
        return {name: value for name, value in found.items() if value}

    def carried(self) -> dict[str, Any]:
        """All of it, as `read_profile` takes it, to be sealed: times as RFC 3339."""
        document = self.model_dump(mode="json", exclude_none=True)
        for name in _CREDENTIALS:  # which older software does not know
            if not document.get(name):
                document.pop(name, None)
        for place in (document, document.get("consent", {})):
            for name in ("valid_from", "valid_until", "given", "expires"):
                if name in place:
                    place[name] = written(place[name])
        return document


def read_profile(given: Any) -> Profile:
    """A profile out of JSON values; times may be numbers or RFC 3339.

    Raises:
        GalleryError: what is wrong, without repeating what was given.
    """
    try:
        profile = Profile.model_validate(given)
    except ValidationError as fault:
        raise GalleryError(
            "; ".join(
                f"{'.'.join(str(step)[:40] for step in error['loc']) or 'profile'}: {error['msg']}"
                for error in fault.errors(
                    include_url=False, include_input=False, include_context=False
                )
            )[:300]
        ) from None
    _check_order("valid_until", profile.valid_from, profile.valid_until)
    if profile.consent is not None:
        _check_order("consent.expires", profile.consent.given, profile.consent.expires)
    if not set(profile.duress_cards) <= set(profile.cards):
        raise GalleryError("duress_cards: one of them is not among cards")
    if profile.pin and profile.duress_pin and same_pin(given["pin"], given["duress_pin"]):
        raise GalleryError("duress_pin: is the same as pin, or one begins with the other")
    return profile


def _check_order(name: str, begin: float | None, end: float | None) -> None:
    if begin is not None and end is not None and end <= begin:
        raise GalleryError(f"{name}: it ends before it begins")


def amended(profile: Profile, changes: Mapping[str, Any]) -> Profile:
    """A profile with some of its values replaced; None clears one.

    Raises:
        GalleryError: what is wrong, without repeating what was given.
    """
    known = profile.model_dump(mode="json", exclude_none=True)
    wanted = {name: value for name, value in {**known, **changes}.items() if value is not None}
    return read_profile(wanted)


@dataclass(frozen=True, slots=True)
class Erased:
    """Somebody whose key was destroyed, and with it everything sealed with it.

    Attributes:
        person_id: as the site gave it; whoever is told decides what becomes of it.
        reason: ``request``, ``expired``, ``site``, ``duplicate`` …
        at: RFC 3339, UTC.
        templates: how many were erased.
        revision: of the gallery, that the erasure made.
        id: 32 hex digits, of this erasure alone.
    """

    person_id: str
    reason: str
    at: str
    templates: int = field(default=0)
    revision: int = 0
    id: str = ""
