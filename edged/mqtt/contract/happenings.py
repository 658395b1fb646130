"""What is said of everything that happens beside a decision: the ``data`` of each event."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edged.mqtt.contract.fields import (
    ABSENT,
    Compact,
    Count,
    Hash,
    KeyId,
    Model,
    Person,
    Seq,
    Share,
    Similarity,
    Time,
    Told,
    Trouble,
    codes,
)

REFUSALS = (
    "retained",
    "oversized",
    "not_text",
    "malformed",
    "too_deep",
    "unsigned",
    "wrong_algorithm",
    "unknown_key",
    "bad_signature",
    "bad_claims",
    "wrong_audience",
    "wrong_command",
    "unknown_command",
    "wrong_role",
    "clock_unsynced",
    "too_long",
    "from_future",
    "expired",
    "bad_args",
    "too_often",
    "replayed",
    "storage",
    "busy",
)
"""Why a command is not obeyed, whichever it is."""


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


class Duplicate(Told):
    """The face is enrolled under another id."""

    warning: Literal["duplicate"]
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
    person_id: Person
    """Who was enrolled."""
    lookalikes: tuple[Lookalike, ...]
    """Whom they resemble."""


class LookalikesUnknown(Told):
    """Whether anybody resembles who was enrolled could not be found out."""

    warning: Literal["lookalikes_unknown"]
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
    """Who is enrolled with this face, with `duplicate`."""
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


class MoveStarted(Told):
    """People begin to move to the next model bundle, as they are recognised."""

    origin: Annotated[Model, Field(alias="from")]
    """The bundle in use."""
    to: Model
    """The next one."""
    people: Count
    """How many there are."""


class Moved(MoveStarted):
    """So many people have moved; told at every tenth of them."""

    moved: Count
    """How many."""
    percent: Annotated[int, Field(ge=0, le=100)]
    """The same in per cent, rounded down to tens."""


class MoveCompleted(MoveStarted):
    """Everybody has moved to the next model bundle."""


class Compared(Told):
    """How the similarity to people's own templates is with the next bundle."""

    worse: Count
    """Recognitions in which it was less."""
    better: Count
    """Recognitions in which it was more."""
    equal: Count
    """Neither."""
    chance: Share
    """How likely so many were worse by chance alone."""


class Granted(Told):
    """Whom only one of the two bundles would have let in."""

    missed: Count
    """Presentations that only the bundle in use granted."""
    saved: Count
    """Presentations that only the next one granted."""
    chance: Share
    """How likely so many were missed by chance alone."""


class Trusted(Told):
    """How the quality of the same views is with the next bundle."""

    lower: Count
    """Views of lower quality."""
    not_lower: Count
    """The others."""


class MoveFigures(Told):
    """What was seen of people who moved."""

    similarity: Compared
    """To their own templates."""
    granted: Granted
    """Whether they were let in."""
    quality: Trusted
    """Of their views."""


class MoveRolledBack(Told):
    """The next model bundle did worse, and is not used."""

    origin: Annotated[Model, Field(alias="from")]
    """The bundle that stays in use."""
    to: Model
    """The one that did worse."""
    reason: str | None
    """For people."""
    figures: MoveFigures
    """That decided."""


class CommandRefused(Told):
    """A command was not obeyed."""

    command: str | None
    """As the topic names it."""
    id: str | None
    """Its `jti`; null where it could not be read or was not authentic."""
    key: KeyId | None
    """The key that signed it; null likewise."""
    reason: Annotated[str, codes(*REFUSALS)]
    """Why."""
    text: str
    """For people."""
    unrecorded: Count
    """How many refusals before this one were left out: of a flood only some are recorded."""


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
    """The log was full: the oldest events gave way to this one.

    It stands for them: a hole in `seq` that such an event declares is no sign of tampering.
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
