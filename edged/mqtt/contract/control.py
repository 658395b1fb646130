"""What is said of commands, keys and desired settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edged.mqtt.contract.fields import (
    Count,
    KeyId,
    Seconds,
    Seq,
    Time,
    Told,
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
    "wrong_type",
    "unknown_key",
    "revoked_key",
    "replaced_key",
    "keys_unreadable",
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
    "same_person",
    "other_arguments",
    "second_too_late",
)
"""Why a command is not obeyed, whichever it is."""

LOOKED_INTO = (
    "locked_down",
    "interlock",
    "enrolment_running",
    "no_enrolment",
    "duplicate",
    "incoherent",
    "consent_missing",
    "bad_profile",
    "bad_pin",
    "card_taken",
    "no_face",
    "several_faces",
    "low_quality",
    "unreadable",
    "not_enrolled",
    "not_confirmed",
    "wiped",
    "too_many",
    "not_allowed",
    "another_archive",
    "no_archive",
    "incomplete",
    "no_such_key",
    "bad_key",
    "already_replaced",
    "id_used",
    "key_used",
    "bad_proof",
    "last_maintainer",
    "too_many_keys",
    "no_such_punch",
    "bad_correction",
)
"""Why a command is not obeyed that was looked into; which of them, stands with each command."""


DESIRED_REFUSALS = (
    "oversized",
    "not_text",
    "malformed",
    "too_deep",
    "wrong_algorithm",
    "wrong_type",
    "unknown_key",
    "revoked_key",
    "replaced_key",
    "keys_unreadable",
    "bad_signature",
    "bad_claims",
    "wrong_audience",
    "wrong_role",
    "conflict",
    "older",
    "bad_settings",
    "too_lax",
    "does_not_fit",
    "damaged",
    "failed",
    "storage",
)
"""Why desired settings are not applied."""


class CommandRefused(Told):
    """A command was not obeyed."""

    command: str | None
    """As the topic names it."""
    id: str | None
    """Its `jti`; null where it could not be read or was not authentic."""
    key: KeyId | None
    """The key that signed it; null likewise."""
    reason: Annotated[str, codes(*REFUSALS, *LOOKED_INTO, "many")]
    """Why, as in the reply; `many`: only a number is told, of those in a flood."""
    text: str
    """For people; empty where an order about a person was looked into: it may name people."""
    unrecorded: Count
    """How many refusals before this one were left out: of a flood only some are recorded."""


class AwaitingSecond(Told):
    """A command that takes two people waits for the second."""

    command: str
    """Which."""
    id: str
    """Its `jti`."""
    key: KeyId | None
    """The key of the first."""
    expires: Time
    """Until when the second may send the same."""


class Approved(Told):
    """Two people have sent the same command; it is obeyed."""

    command: str
    """Which."""
    ids: tuple[str, str]
    """Both `jti`, the first one first."""
    keys: tuple[KeyId | None, KeyId | None]
    """Both keys."""


class Flood(Told):
    """So many messages came on `cmd/+` that the terminal listens to none for a while."""

    pause_s: Seconds
    """For how long, seconds."""


class KeyRotated(Told):
    """A key was replaced by a new one."""

    id: KeyId
    """The old one."""
    replaced_by: KeyId
    """The new one."""
    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    """The new one's 32 bytes, base64url without padding (`x` of RFC 8037)."""
    until: Time
    """Until when the old one counts."""
    command: str
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""


class KeyRevoked(Told):
    """A key counts no more."""

    id: KeyId
    """Which."""
    command: str
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""


class KeysReset(Told):
    """Somebody at the terminal had it forget what changed of the keys over MQTT (`edged keys
    reset`); those of its configuration count."""

    keys: tuple[KeyId, ...]
    """Which these are."""


class Applied(Told):
    """Desired settings are in force."""

    revision: Seq
    """Which."""
    key: KeyId | None
    """The key that signed them."""


class NotApplied(Told):
    """Desired settings were refused."""

    revision: Seq | None
    """Which; null where they could not be read or were not authentic."""
    key: KeyId | None
    """The key that signed them; null likewise."""
    reason: Annotated[str, codes(*DESIRED_REFUSALS)]
    """Why."""
    text: str
    """For people."""
