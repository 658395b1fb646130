"""What is said of a decision about somebody at the door."""

from __future__ import annotations

from typing import Annotated

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
            *(one.value for one in Instruction),
        ),
    ]
    """Why: `matched`; `doubtful` (similar, not similar enough, or two people alike);
    `lookalike` (more is asked of people who resemble another one); `not_enrolled`;
    `gallery_empty`; in `capture.retake` also the instruction that the person did not follow."""
    similarity: Similarity | None
    """Of the best candidate; null where nothing was compared."""
    runner_up: Similarity | None
    """Of the second best person; null where there is none."""
    threshold: Similarity | None
    """From here on somebody is let in, with a gallery of this size."""
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
    frames: Count
    """Usable views that the decision rests on."""
    duration_s: Seconds
    """From the first frame with the person to the decision, seconds."""
    instructions: tuple[Asked, ...]
    """What the person was asked to do, in order."""
    profile: Annotated[str, codes("attendance", "access", "high_security")]
    """The profile of thresholds, `decision.profile`."""
    model: Model
    """The model bundle that compared: name, version, beginning of its digest."""
    person_id: Person = ABSENT
    """Who was recognised (granted), or who it may be; left out where nobody comes into question."""
    name: str | None = ABSENT
    """Only where the installer turned on `names_in_events`; null where no name is kept."""
