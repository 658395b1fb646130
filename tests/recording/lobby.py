"""A door without a camera: seeded people walk up to the real judge, a recorder listens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from edged.config.schema import Decision
from edged.gallery.search import Index
from edged.recording.codec import write_policy
from edged.recording.items import Header
from edged.service.judge import Judge, one_to_one
from edged.service.policy import make_policy
from edged.service.replay import Calibration, calibration
from edged.testing.builders import CURVE, face
from edged.types import Defect, Observation

if TYPE_CHECKING:
    from edged.decision.policy import Policy
    from edged.decision.presentation import Outcome, Step, Summary
    from edged.recording.recorder import Recorder
    from edged.types import Floats, Match

SIZE = 16
FRAME_S = 1 / 15
GOOD, POOR = -2.0, 3.0  # log variances: quality 0.98 and 0.0025

_SIMILARITY: dict[str, object] = {
    "verification": {"same": 0.45, "different": 0.35},
    "false_match": [
        {"fmr": point.fmr, "similarity": point.similarity, "basis": "measured"} for point in CURVE
    ],
}
_QUALITY: dict[str, object] = {
    "method": "logistic",
    "midpoint": 0.0,
    "slope": 2.0,
    "meaning": "for tests",
    "levels": {"excellent": 0.9, "good": 0.7, "fair": 0.5},
    "minimum": {"attendance": 0.3, "access": 0.5, "high_security": 0.7},
}


def header(size: int = SIZE, **decision: object) -> Header:
    """Of a terminal of the `access` kind."""
    settings = Decision.model_validate(decision).model_dump(mode="json")
    empty = Header("0", "hq/door-1", "m@1#1", size, settings, {}, _SIMILARITY, _QUALITY)
    return replace(empty, policy=write_policy(policy_of(empty)))


def policy_of(about: Header) -> Policy:
    return make_policy(Decision.model_validate(about.decision), about_calibration(about))


def about_calibration(about: Header) -> Calibration:
    return calibration(about)


def person(seed: int, size: int = SIZE) -> Floats:
    """Somebody's true template, unit-length float32 (size,)."""
    vector = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    unit: Floats = vector / np.linalg.norm(vector)
    return unit


@dataclass
class Lobby:
    """Feeds the judge, and keeps what it said."""

    about: Header = field(default_factory=header)
    recorder: Recorder | None = None
    index: Index = field(default_factory=lambda: Index("m@1#1", SIZE))
    t_s: float = 100.0
    seq: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    claim: str | None = None  # who somebody says they are

    def __post_init__(self) -> None:
        self._noise = np.random.default_rng(0)
        self.judge = Judge(
            policy_of(self.about),
            self._search,
            calibration(self.about).quality.quality,
            lambda mark: self.recorder and self.recorder.mark(mark),  # type: ignore[arg-type,func-returns-value]
        )

    def _search(self, probe: Floats) -> Match:
        row = None if self.claim is None else self.index.row(self.claim)
        if self.claim is None or row is None:
            return self.index.search(probe, 2)
        return one_to_one(self.claim, row[1], probe)

    def enrol(self, **people: int) -> None:
        """Name and seed of each."""
        for name, seed in people.items():
            self.index.put(name, person(seed))

    def comes(
        self, seed: int, frames: int = 12, track: int | None = None, doubt: float = GOOD
    ) -> None:
        """Somebody is looked at for some frames, and leaves."""
        self.stands(seed, frames, track, doubt)
        self.empty(20)

    def stands(self, seed: int, frames: int, track: int | None = None, doubt: float = GOOD) -> None:
        """Somebody is looked at for some frames."""
        for _ in range(frames):
            noisy = person(seed) + 0.05 * self._noise.standard_normal(SIZE).astype(np.float32)
            view: Floats = (noisy / np.linalg.norm(noisy)).astype(np.float32)
            quality = calibration(self.about).quality.quality(doubt)
            self.see(
                Observation(
                    self.t_s,
                    self.seq,
                    1,
                    seed if track is None else track,
                    face(),
                    (),
                    view,
                    doubt,
                    quality,
                )
            )

    def empty(self, frames: int) -> None:
        """Nobody is there for some frames."""
        for _ in range(frames):
            self.see(Observation(self.t_s, self.seq, 0, None, None, (Defect.NO_FACE,)))

    def see(self, observation: Observation) -> Step:
        """One frame, as the terminal's vision thread handles it."""
        step = self.judge.step(observation)
        if self.recorder is not None:
            self.recorder.step(observation, self.judge.fused, step)
        if step.outcome is not None:
            self.outcomes.append(step.outcome)
        if step.summary is not None:
            self.summaries.append(step.summary)
        self.t_s += FRAME_S
        self.seq += 1
        return step
