"""What a recording is made of, in the order in which the decision met it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.decision.presentation import Outcome, Phase
    from edged.types import Floats, FusedMatch, Observation


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame that the decision saw, and what it made of it.

    Attributes:
        wall: Unix seconds.
        people, revision: of the index when the frame was decided on.
    """

    wall: float
    observation: Observation
    fused: FusedMatch | None
    phase: Phase
    outcome: Outcome | None
    people: int
    revision: int


@dataclass(frozen=True, slots=True)
class Held:
    """Whoever stands there is served only after they have gone; see `Presentation.hold`."""

    t_s: float
    person_id: str | None


@dataclass(frozen=True, slots=True)
class Forgot:
    """Nothing gathered so far counts."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that were not written, because the disk was too slow; what follows begins with
    nobody there."""

    frames: int


Item = Seen | Held | Forgot | Gap


@dataclass(frozen=True, slots=True)
class Template:
    """A person's row of the index, float32 (d,), theirs since this revision."""

    person_id: str
    since: int
    row: Floats


@dataclass(frozen=True, slots=True)
class Header:
    """What the frames of one run of the terminal were decided with.

    Attributes:
        decision: the installer's settings, as `edged.config.schema.Decision` writes them.
        policy: what came of them; see `edged.recording.codec`.
        similarity, quality: the bundle's calibration, as its manifest has it.
    """

    software: str
    terminal: str
    model: str
    size: int
    decision: dict[str, object]
    policy: dict[str, object]
    similarity: dict[str, object]
    quality: dict[str, object]
