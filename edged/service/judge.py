"""Evidence, search and decision in one: the same at the door and when a day is replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.decision.presentation import Phase, Presentation
from edged.recording.items import Forgot, Held
from edged.types import FusedMatch
from edged.vision.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.decision.policy import Policy
    from edged.decision.presentation import Step
    from edged.types import Floats, Match, Observation


class Judge:
    """Decides about observations, one after the other.

    Args:
        policy: the rules.
        search: the two people most similar to a template.
        quality: what a log variance means, 0-1; the bundle's calibration.
        on_mark: called with what else than an observation changed its mind.

    Attributes:
        fused: what the last observation's evidence said; None where it added nothing.
    """

    def __init__(
        self,
        policy: Policy,
        search: Callable[[Floats], Match],
        quality: Callable[[float], float],
        on_mark: Callable[[Held | Forgot], None] = lambda _: None,
    ) -> None:
        self._search = search
        self._quality = quality
        self._on_mark = on_mark
        self._presentation = Presentation(policy)
        self._evidence = Evidence()
        self.fused: FusedMatch | None = None

    @property
    def phase(self) -> Phase:
        """Where the presentation stands."""
        return self._presentation.phase

    @property
    def wants_evidence(self) -> bool:
        """Whether an embedding of the next frame can change anything."""
        return self._presentation.wants_evidence

    def step(self, observation: Observation) -> Step:
        """Take in one frame."""
        usable = self._presentation.usable(observation)
        self.fused = self._fuse(observation) if usable else None
        return self._presentation.step(observation, self.fused)

    def hold(self, t_s: float, person_id: str | None = None) -> None:
        """Serve whoever stands there only after they have gone."""
        self._on_mark(Held(t_s, person_id))
        self._presentation.hold(t_s, person_id)

    def forget(self) -> None:
        """Whoever stands there now may be somebody else: nothing gathered so far counts."""
        self._on_mark(Forgot())
        self._presentation.reset()
        self._evidence.clear()

    def _fuse(self, observation: Observation) -> FusedMatch | None:
        track_id, embedding = observation.track_id, observation.embedding
        log_variance = observation.log_variance
        if track_id is None or embedding is None or log_variance is None:
            return None
        if self._presentation.starts_anew(track_id):
            self._evidence.clear()
        fused = self._evidence.add(track_id, embedding, log_variance)
        if fused is None:
            return None
        quality = self._quality(fused.log_variance)
        return FusedMatch(self._search(fused.template), quality, fused.views)
