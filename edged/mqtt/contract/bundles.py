"""What is said of model bundles: installed, and people who move to another one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edged.mqtt.contract.fields import (
    Count,
    KeyId,
    Model,
    Share,
    Told,
    codes,
)


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


class Installed(Told):
    """A bundle that came over MQTT is in the store; it takes effect with the next start."""

    action: Annotated[str, codes("install", "rollback")]
    """What was asked for."""
    command: str
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""
    identity: Model
    """The bundle that is in force now."""
    before: Model | None
    """The one that was; null: none of this name."""
    changed: bool
    """False: it was in force already."""
    used: bool
    """Whether the configuration names it, so that a restart changes what runs."""


class InstallFailed(Told):
    """A bundle that came over MQTT was refused; nothing changed."""

    action: Annotated[str, codes("install", "rollback")]
    """What was asked for."""
    command: str
    """The `jti` of the command."""
    key: KeyId | None
    """The key that signed it."""
    reason: Annotated[str, codes("storage", "runtime", "bundle", "internal")]
    """The disk, the trial on this machine, the bundle itself, or a failure."""
    text: str
    """For people."""


class Arriving(Told):
    """An archive of a bundle that comes in pieces."""

    sha256: str
    """That names it."""
    size: Count
    """Of the whole, bytes."""
    received: Count
    """Bytes that are there."""
    complete: bool
    """Whether all are."""
    missing: tuple[tuple[int, int], ...]
    """The first stretches that are not: [first byte, first byte after it]."""
