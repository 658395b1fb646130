"""Settings that the site wishes, over those of the YAML: what may be set, and what is in force.

They are kept in the outbox's file, and looked at once, when the daemon begins::

    pending ──began with them──▶ pending, one try less ──ready──▶ good
       └──cannot begin, or not in two tries──▶ failed: the YAML alone
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.config.schema import Config, Decision, Gallery
from edged.decision.policy import FPIR
from edged.errors import ConfigError, EdgedError
from edged.mqtt.auth import describe
from edged.service.policy import make_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.decision.policy import Policy
    from edged.events.trusted import Notes
    from edged.service.policy import Calibrated

log = logging.getLogger(__name__)

NOTE = "desired"
TRIES = 2
"""A power cut while the settings are tried for the first time is not their fault."""

SETTABLE: dict[str, frozenset[str]] = {
    "decision": frozenset(Decision.model_fields),
    "gallery": frozenset(
        {
            "duplicates",
            "lookalikes",
            "lookalike_margin",
            "enrolment_confirm",
            "enrolment_views",
            "adaptation",
        }
    ),
    "door": frozenset({"pulse_s", "timetable"}),
    "holidays": frozenset({"dates"}),
}
"""Sections and their settings; beside them `OF_ANY_NAME` and ``log_level``. The rest is the
installer's."""

OF_ANY_NAME = frozenset({"schedules"})
"""Sections whose settings the site may name itself, beside the YAML's or in their place."""

_ROUNDING = 1 + 1e-6
_GUARD = ("off", "margin", "second_factor")
_EVIDENCE: dict[str, Callable[[Policy], float]] = {
    "minimum_quality": lambda policy: policy.minimum_quality,
    "evidence_frames": lambda policy: policy.evidence_frames,
    "margin": lambda policy: policy.margin,
    "lookalike_margin": lambda policy: policy.lookalike_margin,
}
"""What the share of strangers is calibrated with, and does not show itself."""


class Desired(BaseModel):
    """The claims of a message on ``desired``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    aud: Annotated[str, Field(max_length=200)]
    iat: float
    revision: Annotated[int, Field(ge=1, le=2**53 - 1)]
    settings: dict[str, Any]


class Stored(BaseModel):
    """What was accepted last, and how far it came."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    v: Literal[1] = 1
    revision: int
    settings: dict[str, Any]
    key: str | None
    stage: Literal["pending", "good", "failed"] = "pending"
    tries: int = 0
    text: str = ""

    @property
    def digest(self) -> str:
        """Tells whether another message says the same."""
        return digest_of(self.revision, self.settings)


@dataclass(frozen=True, slots=True)
class Applied:
    """For ``state.applied``: what became of the last revision, and which one is in force (0: the
    YAML alone)."""

    revision: int | None
    result: Literal["applied", "refused", "pending"]
    reason: str = "done"
    text: str = ""
    in_force: int = 0

    def document(self) -> dict[str, Any]:
        return {
            "revision": self.revision,
            "result": self.result,
            "reason": self.reason,
            "text": self.text[:300],
            "in_force": self.in_force,
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """What the daemon begins with.

    Attributes:
        config: to be run: the YAML's with what is desired over it, or the YAML's alone.
        yaml: the YAML's.
        stored: what was accepted last.
        on_trial: the desired settings are in force and never were before.
        applied: None: nothing was ever desired.
        news: that is to be told as an event: it was not so before.
    """

    config: Config
    yaml: Config
    stored: Stored | None = None
    on_trial: bool = False
    applied: Applied | None = None
    news: bool = False


def digest_of(revision: int, settings: dict[str, Any]) -> str:
    """The same for the same revision and settings, however they are written."""
    text = json.dumps([revision, settings], sort_keys=True)  # 1e999 is a number, too
    return hashlib.sha256(text.encode()).hexdigest()


def unknown(settings: dict[str, Any]) -> str | None:
    """What cannot be set from afar, in words; None when all can."""
    wrong: list[str] = []
    for name, value in settings.items():
        if name == "log_level":
            continue
        if name not in SETTABLE and name not in OF_ANY_NAME:
            wrong.append(str(name)[:40])
        elif not isinstance(value, dict):
            wrong.append(f"{name} (not an object)")
        elif name in SETTABLE:
            wrong += [f"{name}.{str(key)[:40]}" for key in value if key not in SETTABLE[name]]
    return f"cannot be set from afar: {', '.join(wrong[:8])}" if wrong else None


def merged(yaml: Config, settings: dict[str, Any]) -> Config:
    """The YAML's configuration with these settings over it.

    Raises:
        ConfigError: they may not be set, are out of bounds, or do not go with the YAML's.
    """
    if (problem := unknown(settings)) is not None:
        raise ConfigError([problem])
    data = yaml.model_dump()
    for name, value in settings.items():
        data[name] = value if name == "log_level" else {**data[name], **value}
    try:
        return Config.model_validate(data)
    except ValidationError as fault:
        raise ConfigError([describe(fault)]) from fault


class TooLax(ConfigError):
    """What is desired was in force, and would make the door laxer than may be by now: the YAML
    became stricter, the bundle another one, the gallery larger."""


def too_lax(config: Config, yaml: Config, manifest: Calibrated, people: int) -> str | None:
    """What speaks against a configuration at this door; see `laxer`."""
    wished, own = (make_policy(c.decision, manifest, c.gallery) for c in (config, yaml))
    least = make_policy(Decision(profile="attendance"), manifest, Gallery())
    return laxer(wished, own, least, people)


def laxer(policy: Policy, yaml: Policy, least: Policy, people: int) -> str | None:
    """What speaks against a policy that lets in more strangers than the YAML's, and more than the
    profile ``attendance`` (`least`), or asks for less evidence than both; None: nothing. The site
    may make a door stricter as it likes."""
    people = max(people, 100)
    allowed = max(FPIR["attendance"], yaml.implied_fpir(people))
    implied = policy.implied_fpir(people)
    if implied > allowed * _ROUNDING:
        return (
            f"with {people} people {100 * implied:.3g} % of strangers would be let in; from afar "
            f"at most {100 * allowed:.3g} % can be set"
        )
    for name, asked in _EVIDENCE.items():
        fewest = min(asked(yaml), asked(least))
        if asked(policy) < fewest:
            return f"{name}: too little would be asked; from afar at least {fewest:g} can be set"
    if _guard(policy) < min(_guard(yaml), _guard(least)):
        return "lookalikes: less would be asked of them than can be set from afar"
    return None


def _guard(policy: Policy) -> int:
    return _GUARD.index(policy.lookalikes)


def read_stored(notes: Notes) -> Stored | None:
    """What was accepted last.

    Raises:
        StorageError: the notes cannot be read.
        ConfigError: the note is damaged.
    """
    text = notes.note(NOTE)
    if text is None:
        return None
    try:
        return Stored.model_validate_json(text)
    except ValidationError as fault:
        raise ConfigError(["what was desired before cannot be read; send a revision again"]) from (
            fault
        )


def keep(notes: Notes, stored: Stored) -> None:
    """Remember it; see `edged.events.outbox` for the errors."""
    notes.keep_note(NOTE, stored.model_dump_json())


def standing(yaml: Config, notes: Notes, *, tries: bool = True) -> Standing:
    """What to begin with. Whatever is wrong with what is desired, the YAML alone runs.

    Args:
        tries: what was never in force is tried, and that is noted before; False: it waits.
    """
    news = False
    try:
        stored = read_stored(notes)
        if stored is None:
            return Standing(yaml, yaml)
        if stored.stage == "pending":
            if not tries:
                return _alone(yaml, stored, Applied(stored.revision, "pending", "restart"))
            stored = _tried(notes, stored)
            news = stored.stage == "failed"
        if stored.stage == "failed":
            return _alone(yaml, stored, refused(stored.revision, "failed", stored.text), news=news)
        config = merged(yaml, stored.settings)
    except ConfigError as fault:
        revision = stored.revision if (stored := _quietly(notes)) is not None else None
        log.error("the desired settings do not count: %s", fault)
        reason = "damaged" if revision is None else "does_not_fit"
        return _alone(yaml, stored, refused(revision, reason, str(fault)), news=True)
    except EdgedError as fault:
        log.error("the desired settings cannot be read: %s", fault)
        return _alone(yaml, None, refused(None, "storage", str(fault)))
    on_trial = stored.stage == "pending"
    applied = Applied(
        stored.revision, "pending" if on_trial else "applied", in_force=stored.revision
    )
    return Standing(config, yaml, stored, on_trial, applied)


def fallen_back(begun: Standing, fault: EdgedError) -> Standing:
    """After a daemon that could not begin with what is desired: the YAML alone. That this was the
    fault of the settings is believed, and noted, once the YAML alone has begun."""
    assert begun.stored is not None  # noqa: S101  # it was in force
    log.error("the terminal cannot begin with the desired settings, so without: %s", fault)
    if isinstance(fault, TooLax) and not begun.on_trial:  # they count again when that is mended
        said = refused(begun.stored.revision, "too_lax", str(fault))
        return _alone(begun.yaml, begun.stored, said, news=True)
    failed = begun.stored.model_copy(update={"stage": "failed", "text": str(fault)[:300]})
    return _alone(begun.yaml, failed, refused(failed.revision, "failed", failed.text), news=True)


def refused(revision: int | None, reason: str, text: str, in_force: int = 0) -> Applied:
    """An answer that says no."""
    return Applied(revision, "refused", reason, text, in_force)


def _alone(
    yaml: Config, stored: Stored | None, applied: Applied, *, news: bool = False
) -> Standing:
    return Standing(yaml, yaml, stored, applied=applied, news=news)


def _tried(notes: Notes, stored: Stored) -> Stored:
    """One try less, on the disk before it begins."""
    if stored.tries >= TRIES:
        text = f"the terminal was not ready with them in {TRIES} tries"
        stored = stored.model_copy(update={"stage": "failed", "text": text})
    else:
        stored = stored.model_copy(update={"tries": stored.tries + 1})
    keep(notes, stored)
    return stored


def _quietly(notes: Notes) -> Stored | None:
    try:
        return read_stored(notes)
    except EdgedError:
        return None
