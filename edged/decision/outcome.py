"""What a presentation comes to: values, fit for events, screens and statistics."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.decision.hints import Hint
    from edged.types import Defect, Instruction


class Phase(StrEnum):
    """Where a presentation stands; from GRANTED on it holds until the person has gone.

    HELD is for whoever stays after something else, such as an enrolment.
    """

    IDLE = "idle"
    GATHERING = "gathering"
    GRANTED = "granted"
    DENIED = "denied"
    REVIEW = "review"
    SECOND_FACTOR = "second_factor"
    HELD = "held"


class Kind(StrEnum):
    """What is to be done and told; the values are event types."""

    GRANTED = "access.granted"
    DENIED = "access.denied"
    REVIEW = "access.review"
    SECOND_FACTOR = "access.second_factor"
    RETAKE = "capture.retake"


class Rule(StrEnum):
    """Which rule decided; a code stays what it is, docs/explain.md says what each one means."""

    CLEAR_MATCH = "clear_match"
    LOOKALIKE_FACTOR = "lookalike_factor"
    BELOW_THRESHOLD = "below_threshold"
    TOO_CLOSE = "too_close"
    IMPLAUSIBLE = "implausible"
    BELOW_REVIEW = "below_review"
    GALLERY_EMPTY = "gallery_empty"
    WEAK_EVIDENCE = "weak_evidence"
    NO_USABLE_VIEW = "no_usable_view"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision and what it rests on: enough to answer "why?" without an image.

    No number in it is a NaN or infinite.

    Attributes:
        person_id: who was recognised (granted) or may have been (review, second factor); None
            otherwise.
        reason: "matched", "doubtful", "lookalike", "not_enrolled", "gallery_empty" or the
            instruction.
        quality: best quality among the views, 0-1; None when none was embedded.
        fused_quality: of all usable views together, predicted, 0-1; None without one.
        frames: usable views that the decision rests on.
        implied_fpir: the FPIR that the threshold implies at this gallery size.
        margin: by how much the best candidate had to be ahead.
        lookalike: the best candidate is marked as resembling somebody else, and more was asked.
        rule: which rule decided; None only in what older software recorded.
        review_threshold: from this similarity on the case is doubtful.
        minimum_quality: what `fused_quality` had to reach for the evidence to count.
        seen: frames with the person, usable or not.
        defects: in how many of them each defect was seen that was worth mending.
    """

    kind: Kind
    reason: str
    person_id: str | None
    similarity: float | None
    runner_up: float | None
    threshold: float | None
    implied_fpir: float | None
    people: int | None
    quality: float | None
    frames: int
    duration_s: float
    instructions: tuple[Instruction, ...]
    fused_quality: float | None = None
    margin: float = 0.0
    lookalike: bool = False
    rule: Rule | None = None
    review_threshold: float | None = None
    minimum_quality: float = 0.0
    seen: int = 0
    defects: dict[Defect, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a presentation went, once it has ended; no names.

    Attributes:
        ended: how: "granted", "denied", "review", "second_factor" or "left".
        frames, defects: how many frames there were, and in how many each defect was seen that
            was worth mending.
        best_quality: of its views, 0-1; None when none was embedded.
    """

    ended: str
    duration_s: float
    frames: int
    views: int
    best_quality: float | None
    defects: dict[Defect, int]
    hints: tuple[Hint, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What to show and do after one frame.

    Attributes:
        progress: towards a decision, 0-1.
        summary: of a presentation that ended with this frame.
    """

    phase: Phase
    instruction: Instruction | None = None
    outcome: Outcome | None = None
    progress: float = 0.0
    summary: Summary | None = None
