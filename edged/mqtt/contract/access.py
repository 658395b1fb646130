"""What is said of a decision about somebody at the door."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edged.access.reasons import DENIALS
from edged.access.request import Factor
from edged.decision.outcome import Rule
from edged.mqtt.contract.fields import (
    ABSENT,
    Asked,
    Count,
    Model,
    Person,
    Seconds,
    Share,
    Similarity,
    Told,
    Trouble,
    codes,
)
from edged.types import Instruction

FACTORS = tuple(one.value for one in Factor)


class Ruled(Told):
    """The rule of `access.rules` that decided."""

    rule: str
    """Its name."""
    line: Annotated[int, Field(ge=1)] | None
    """Where it stands in the terminal's configuration; null where nobody knows."""


class Access(Told):
    """A decision, and what it rests on: enough to answer "why?" without an image.

    Similarities are cosines, -1 to 1; qualities 0 to 1, as the model's calibration states them.
    """

    reason: Annotated[
        str,
        codes(
            "matched",
            "doubtful",
            "lookalike",
            "not_enrolled",
            "gallery_empty",
            *("locked_down", "secured", "permitted"),
            *DENIALS,
            *(one.value for one in Instruction),
        ),
    ]
    """Why: `matched`; `doubtful` (similar, not similar enough, or two people alike);
    `lookalike` (more is asked of people who resemble another one); `not_enrolled`;
    `gallery_empty`; `locked_down`, `secured` (recognised, and the
    door's mode lets nobody in); `permitted` (let in without a look at their face);
    of `access.rules` and what else may speak against it what docs/factors.md tells; in
    `capture.retake` also the instruction that the person did not
    follow."""
    rule: Annotated[str, codes(*(one.value for one in Rule))] | None = ABSENT
    """Which rule decided; docs/explain.md says what each one means."""
    similarity: Similarity | None
    """Of the best candidate; null where nothing was compared."""
    runner_up: Similarity | None
    """Of the second best person; null where there is none."""
    threshold: Similarity | None
    """From here on somebody is let in, with a gallery of this size."""
    review_threshold: Similarity | None = ABSENT
    """From here on somebody is held to be doubtful."""
    implied_fpir: Share | None
    """The share of presentations by strangers that this threshold lets in."""
    people: Count | None
    """How many were compared."""
    margin: Share
    """By how much `similarity` has to be ahead of `runner_up`."""
    lookalike: bool
    """The best candidate is known to resemble somebody else, and more was asked."""
    quality: Share | None
    """Of the best view; null where none was good enough to be compared."""
    fused_quality: Share | None
    """Of all usable views together, on which the decision rests."""
    minimum_quality: Share | None = ABSENT
    """What `fused_quality` had to reach."""
    frames: Count
    """Usable views that the decision rests on."""
    seen: Count = ABSENT
    """Frames with the person, usable or not."""
    defects: dict[Trouble, Count] = ABSENT
    """In how many of them each defect was seen that was worth mending."""
    duration_s: Seconds
    """From the first frame with the person to the decision, seconds."""
    instructions: tuple[Asked, ...]
    """What the person was asked to do, in order."""
    profile: Annotated[str, codes("attendance", "access", "high_security")]
    """The profile of thresholds, `decision.profile`."""
    policy: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")] = ABSENT
    """Tells one set of thresholds and rules from another: the same digits, the same decisions."""
    model: Model
    """The model bundle that compared: name, version, beginning of its digest."""
    person_id: Person = ABSENT
    """Who was recognised (granted), or who it may be; left out where nobody comes into question."""
    name: str | None = ABSENT
    """Only where the installer turned on `names_in_events`; null where no name is kept."""
    by: Ruled | None = ABSENT
    """Which rule of access decided; null where none did."""
    factors: tuple[Annotated[str, codes(*FACTORS)], ...] = ABSENT
    """What they had shown, and counted."""
    reader: str | None = ABSENT
    """Where a card, PIN or code was shown last, as the configuration calls it; null: nowhere."""
    direction: Literal["in", "out"] = ABSENT
    """Where they wanted to go."""
    passback: Literal[True] = ABSENT
    """They were inside already, as far as is known, and let in all the same."""
    card: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] = ABSENT
    """Of an unknown card: the same digits for the same card until the terminal's next start."""


class Duress(Told):
    """Somebody is forced: nobody at the door notices anything of this."""

    person_id: Person
    """Who."""
    reader: str | None
    """Where they showed it."""
    direction: Literal["in", "out"]
    """Where they wanted to go."""
    opened: bool
    """Whether they were let in."""


class LockedOut(Told):
    """Somebody guesses: what they show is not looked at for a while."""

    what: Annotated[str, codes("person", "reader")]
    """Whose PIN is not looked at, or at which reader nothing is."""
    person_id: Person = ABSENT
    """Who, with `person`."""
    reader: str | None
    """Where the last wrong one was shown."""
    rest_s: Seconds
    """For how long; twice as long as the time before."""
    unseen: Count
    """How many came during the rest before, and were not looked at."""
