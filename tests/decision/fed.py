"""A presentation that is fed as the judge feeds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.decision.presentation import Presentation
from edged.testing.builders import fused, observation, policy

if TYPE_CHECKING:
    from edged.decision.presentation import Outcome, Step, Summary
    from edged.types import Match, Observation

FRAME_S = 1 / 15


class Fed(Presentation):
    """Counts the views of the evidence; the policy is of the `access` kind."""

    def __init__(self, **changes: object) -> None:
        super().__init__(policy(**changes))
        self._views = 0
        self._frames = 0

    def see(self, view: Observation, found: Match | None, quality: float = 0.9) -> Step:
        """One frame; `found` is what its evidence would give, of this fused quality."""
        if found is None or view.track_id is None or not self.usable(view):
            return self.step(view, None)
        self._views = 1 if self.starts_anew(view.track_id) else self._views + 1
        return self.step(view, fused(found, quality, self._views))

    def show(
        self,
        frames: int,
        found: Match | None,
        start_s: float = 0.0,
        fused_quality: float = 0.9,
        **view: object,
    ) -> list[Step]:
        """The same view for some frames."""
        steps = []
        for n in range(frames):
            self._frames += 1
            seen = observation(start_s + n * FRAME_S, seq=self._frames, **view)  # type: ignore[arg-type]
            steps.append(self.see(seen, found, fused_quality))
        return steps

    def leave(self, start_s: float, frames: int = 20) -> list[Step]:
        """Nobody for some frames."""
        return self.show(frames, None, start_s, track_id=None)


def outcomes(steps: list[Step]) -> list[Outcome]:
    return [step.outcome for step in steps if step.outcome]


def summaries(steps: list[Step]) -> list[Summary]:
    return [step.summary for step in steps if step.summary]
