"""Gathering good views of one person for the gallery: a pure state machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

from edged.decision.guidance import BLOCKING, Guidance, Need, needs
from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.types import Observation


class Progress(StrEnum):
    """How an enrolment stands after a frame."""

    WAITING = "waiting"
    TAKEN = "taken"
    RESTARTED = "restarted"
    COMPLETED = "completed"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class EnrolmentStep:
    """After one frame: with TAKEN and COMPLETED its embedding is kept, with RESTARTED the
    ones kept so far are dropped (another face came before the camera) and this one is not
    kept."""

    progress: Progress
    views: int
    instruction: Instruction | None = None


class Enrolment:
    """Takes `views` views of one and the same face.

    Args:
        views: how many.
        minimum_quality: of each, 0-1.
        timeout_s: since the first observation.
        spacing_s: between views, so that they differ.
    """

    def __init__(
        self,
        views: int,
        minimum_quality: float,
        timeout_s: float,
        *,
        spacing_s: float = 0.4,
        delay_s: float = 0.3,
        hold_s: float = 1.0,
    ) -> None:
        self._wanted = views
        self._minimum_quality = minimum_quality
        self._timeout_s = timeout_s
        self._spacing_s = spacing_s
        self._guidance = Guidance(delay_s, hold_s)
        self._started_s: float | None = None
        self._now_s = float("-inf")
        self._last_s = float("-inf")
        self._track_id: int | None = None
        self._views = 0

    def step(self, observation: Observation) -> EnrolmentStep:
        """Take in one frame."""
        if isfinite(observation.t_s):
            self._now_s = max(self._now_s, observation.t_s)
        if self._started_s is None and isfinite(self._now_s):
            self._started_s = self._now_s
        if self._started_s is None:
            return EnrolmentStep(Progress.WAITING, self._views)  # no time to count from yet
        if self._now_s - self._started_s >= self._timeout_s:
            return EnrolmentStep(Progress.TIMED_OUT, self._views)
        if observation.track_id is None:
            return self._waiting(())
        if self._views and observation.track_id != self._track_id:
            self._views, self._track_id = 0, None
            return EnrolmentStep(Progress.RESTARTED, 0, self._guidance.shown)
        blocked = any(
            defect in BLOCKING or defect is Defect.SEVERAL_FACES for defect in observation.defects
        )
        quality = observation.quality
        if blocked or quality is None or not isfinite(quality) or quality < self._minimum_quality:
            return self._waiting(needs(observation))
        if self._now_s - self._last_s < self._spacing_s:
            return self._waiting(())
        self._track_id, self._last_s = observation.track_id, self._now_s
        self._views += 1
        done = self._views >= self._wanted
        self._guidance.clear()
        return EnrolmentStep(Progress.COMPLETED if done else Progress.TAKEN, self._views)

    def _waiting(self, wanted: tuple[Need, ...]) -> EnrolmentStep:
        shown = self._guidance.update(self._now_s, wanted)
        return EnrolmentStep(Progress.WAITING, self._views, shown)
