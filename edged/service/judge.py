"""Evidence, search and decision in one: the same at the door and when a day is replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.decision.presentation import Phase, Presentation
from edged.recording.items import Forgot, Held
from edged.types import Candidate, FusedMatch, Match
from edged.vision.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.decision.policy import Policy
    from edged.decision.presentation import Step
    from edged.types import Floats, Observation
    from edged.vision.evidence import Fused


class Judge:
    """Decides about observations, one after the other.

    Args:
        policy: the rules.
        search: the two people most similar to a template.
        quality: what a log variance means, 0-1; the bundle's calibration.
        on_mark: called with what else than an observation changed its mind.
        both: searches with the evidence of two networks, while people move from one to the
            other; given the next one's only where it rests on the same views.

    Attributes:
        fused: what the last observation's evidence said; None where it added nothing.
    """

    def __init__(
        self,
        policy: Policy,
        search: Callable[[Floats], Match],
        quality: Callable[[float], float],
        on_mark: Callable[[Held | Forgot], None] = lambda _: None,
        both: Callable[[Fused, Fused | None], FusedMatch] | None = None,
    ) -> None:
        self._both = both
        self._search = search
        self._quality = quality
        self._on_mark = on_mark
        self._presentation = Presentation(policy)
        self._evidence = Evidence()
        self._other = Evidence()
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
        self._other.clear()

    def _fuse(self, observation: Observation) -> FusedMatch | None:
        track_id, embedding = observation.track_id, observation.embedding
        log_variance = observation.log_variance
        if track_id is None or embedding is None or log_variance is None:
            return None
        if self._presentation.starts_anew(track_id):
            self._evidence.clear()
            self._other.clear()
        fused = self._evidence.add(track_id, embedding, log_variance)
        other = self._add_other(track_id, observation)
        if fused is None:
            return None
        if self._both is not None:
            same = other is not None and other.views == fused.views
            return self._both(fused, other if same else None)
        quality = self._quality(fused.log_variance)
        return FusedMatch(self._search(fused.template), quality, fused.views, fused.template)

    def _add_other(self, track_id: int, observation: Observation) -> Fused | None:
        second = observation.second
        if self._both is None or second is None:
            return None
        return self._other.add(track_id, second.embedding, second.log_variance)


def one_to_one(person_id: str, row: Floats, template: Floats) -> Match:
    """The only candidate is who they said they are: the risk is that of a gallery of one.

    Args:
        row: the person's, unit-length float32 (d,), as `template`.
    """
    similarity = max(-1.0, min(float(row @ template), 1.0))
    return Match((Candidate(person_id, similarity),), 1, claimed=True)
