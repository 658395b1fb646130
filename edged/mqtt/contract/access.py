"""What is said of a decision about somebody at the door."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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
            *("locked_down", "secured"),
            *(one.value for one in Instruction),
        ),
    ]
    """Why: `matched`; `doubtful` (similar, not similar enough, or two people alike);
    `lookalike` (more is asked of people who resemble another one); `not_enrolled`;
    `gallery_empty`; `locked_down`, `secured` (recognised, and the
    door's mode lets nobody in); in `capture.retake` also the instruction that the person did not
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
