"""What is said of people: enrolled, erased, followed."""

from __future__ import annotations

from typing import Annotated, Literal

from edged.mqtt.contract.fields import (
    ABSENT,
    Compact,
    Count,
    Person,
    Share,
    Similarity,
    Time,
    Told,
    codes,
)


class Duplicate(Told):
    """The face is enrolled under another id."""

    warning: Literal["duplicate"]
    """What is warned of."""
    person_id: Person
    """Who was enrolled."""
    other: Person
    """The other id."""
    similarity: Similarity
    """Of the two."""


class Lookalike(Told):
    """Somebody who resembles another one."""

    person_id: Person
    """The other one."""
    similarity: Similarity
    """Of the two."""


class Lookalikes(Told):
    """People resemble who was enrolled; more is asked of all of them."""

    warning: Literal["lookalikes"]
    """What is warned of."""
    person_id: Person
    """Who was enrolled."""
    lookalikes: tuple[Lookalike, ...]
    """Whom they resemble."""


class LookalikesUnknown(Told):
    """Whether anybody resembles who was enrolled could not be found out."""

    warning: Literal["lookalikes_unknown"]
    """What is warned of."""
    text: str
    """For people."""


Warnings = tuple[Duplicate | Lookalikes | LookalikesUnknown, ...]


class EnrolStarted(Told):
    """An enrolment waits for the person."""

    person_id: Person
    """Who is to be enrolled."""
    command: str
    """The `jti` of `enrol.start`."""
    confirm: Annotated[str, codes("turn", "page", "none")]
    """How the person agrees: a turn of the head, a button, or the site has their agreement."""


class EnrolCompleted(Told):
    """The person is enrolled."""

    person_id: Person
    """Who."""
    command: str
    """The `jti` of the command."""
    views: Count
    """New views that were taken."""
    quality: Share
    """Of the worst view."""
    confirmed: Annotated[str, codes("turn", "page", "none")]
    """How the person agreed."""
    warnings: Warnings
    """What the enroller ought to know."""
    kinds: tuple[Annotated[str, codes("frontal", "left", "right")], ...] = ABSENT
    """Of each view; at the terminal only."""
    known: Count = ABSENT
    """Views that were there already; from a photo only."""
    source: Annotated[str, codes("photo")] = ABSENT
    """`photo`: from `enrol.photo`; left out: at the terminal."""


class EnrolFailed(Told):
    """The person is not enrolled."""

    person_id: Person
    """Who was to be."""
    command: str
    """The `jti` of the command."""
    reason: Annotated[
        str,
        codes(
            "not_confirmed",
            "declined",
            "timed_out",
            "gone",
            "another_person",
            "cancelled",
            "stopped",
            "camera",
            "incoherent",
            "duplicate",
            "consent_missing",
            "card_taken",
            "storage",
            "wiped",
            "no_face",
            "several_faces",
            "low_quality",
            "unreadable",
            "bad_profile",
            "busy",
            "runtime",
        ),
    ]
    """Why; docs/enrol.md says what to do about each."""
    text: str
    """For people."""
    other: Person = ABSENT
    """Who is enrolled with this face, with `duplicate`; whose card it is, with `card_taken`."""
    source: Annotated[str, codes("photo")] = ABSENT
    """`photo`: from `enrol.photo`; left out: at the terminal."""


class Erased(Told):
    """Somebody's key was destroyed, and with it all that the gallery held of them."""

    person_id: Person
    """Who."""
    reason: Annotated[str, codes("request", "expired", "site", "duplicate")]
    """Why: by request, by the end of validity or consent, by the site's gallery."""
    at: Time
    """When."""
    templates: Count
    """How many went."""
    receipt: Compact
    """Proof: a compact JWS by the terminal, header `typ` `edged-erasure+jwt`."""


class Adapted(Told):
    """A template followed somebody who agreed to it."""

    person_id: Person
    """Who."""
    templates: Count
    """How many there are of them now."""
    similarity: Similarity
    """Of the new one and the old ones."""
    quality: Share
    """Of the new one."""


class Wiped(Told):
    """The gallery destroyed itself; nobody is enrolled any more."""

    reason: Annotated[str, codes("command", "local", "tamper", "wrong_keys", "unknown")]
    """Who or what wished it: a command, somebody at the terminal, the switch at the case, too many
    starts with a wrong key."""
    at: Time
    """When."""
    people: Count | None
    """How many were enrolled; null where nobody could count them."""
