"""One person before the camera, from the first frame to the decision: a pure state machine.

::

    IDLE ──face──▶ GATHERING ──enough evidence──▶ GRANTED / DENIED / REVIEW
     ▲                 │  ▲                              │
     │                 └──┘ instruction, retake          │ another face, or after DENIED and
     │                                                   │ REVIEW a cool-down: GATHERING
     └──────────────────── gone ◀────────────────────────┘

Time comes in with every observation; it may stand still or jump back without harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

from edged.decision.guidance import BLOCKING, Guidance, remedy
from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.decision.policy import Policy
    from edged.types import Match, Observation


class Phase(StrEnum):
    """Where a presentation stands; from GRANTED on it holds until the person has gone.

    HELD is for whoever stays after something else, such as an enrolment.
    """

    IDLE = "idle"
    GATHERING = "gathering"
    GRANTED = "granted"
    DENIED = "denied"
    REVIEW = "review"
    HELD = "held"


class Kind(StrEnum):
    """What is to be done and told; the values are event types."""

    GRANTED = "access.granted"
    DENIED = "access.denied"
    REVIEW = "access.review"
    RETAKE = "capture.retake"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision and what it rests on: enough to answer "why?" without an image.

    Attributes:
        person_id: who was recognised (granted) or may have been (review); None otherwise.
        reason: "matched", "doubtful", "not_enrolled", "gallery_empty" or the instruction.
        quality: best quality among the frames, 0-1; None when none was embedded.
        frames: usable frames that the decision rests on.
        implied_fpir: the FPIR that the threshold implies at this gallery size.
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


@dataclass(frozen=True, slots=True)
class Step:
    """What to show and do after one frame."""

    phase: Phase
    instruction: Instruction | None = None
    outcome: Outcome | None = None


@dataclass(slots=True)
class _Attempt:
    """What is known about the person being served."""

    track_id: int
    started_s: float
    frames: int = 0
    best_quality: float | None = None
    retake_told: bool = False
    stuck_since_s: float = 0.0
    instructions: list[Instruction] = field(default_factory=list)


_HOLDS = {
    Kind.GRANTED: Phase.GRANTED,
    Kind.DENIED: Phase.DENIED,
    Kind.REVIEW: Phase.REVIEW,
}


class Presentation:
    """The state machine. Feed it every observation, with the fused match where there is one."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._guidance = Guidance(policy.instruction_delay_s, policy.instruction_hold_s)
        self._attempt: _Attempt | None = None
        self._now_s = float("-inf")
        self._seen_s = float("-inf")
        self._decided_s = float("-inf")
        # Who was granted or is held by name and has not been gone since, as what, last seen when.
        self._visitor: tuple[str, Phase] | None = None
        self._visitor_seen_s = float("-inf")
        self.phase = Phase.IDLE

    @property
    def wants_evidence(self) -> bool:
        """Whether an embedding of the next frame can change anything."""
        return self.phase in (Phase.IDLE, Phase.GATHERING) or self._may_try_again()

    def starts_anew(self, track_id: int) -> bool:
        """Whether evidence of this face begins with the next frame: nothing gathered before,
        of whoever it was, may count."""
        attempt = self._attempt
        return (
            self.phase is not Phase.GATHERING
            or attempt is None
            or attempt.track_id != track_id
            or attempt.frames == 0
        )

    def usable(self, observation: Observation) -> bool:
        """Whether this view may count as evidence: unblocked, and trusted by the network."""
        return self._blocked(observation) is None and (
            observation.quality is not None
            and isfinite(observation.quality)
            and observation.quality >= self._policy.minimum_quality
        )

    def step(self, observation: Observation, match: Match | None) -> Step:
        """Take in one frame.

        Args:
            observation: what the frame showed.
            match: the search result for the evidence gathered on this track so far,
                this frame included; only given for usable observations.
        """
        self._now_s = max(self._now_s, observation.t_s)
        if observation.track_id is None:
            return self._nobody()
        self._seen_s = self._now_s
        attempt = self._attempt_for(observation.track_id)
        if self.phase not in (Phase.IDLE, Phase.GATHERING):
            self._visitor_seen_s = self._now_s
            return Step(self.phase)
        self.phase = Phase.GATHERING
        if observation.quality is not None and isfinite(observation.quality):
            best = attempt.best_quality
            attempt.best_quality = max(observation.quality, best if best is not None else 0.0)
        if self.usable(observation):
            if match is not None:
                return self._weigh(attempt, match)
            return Step(self.phase, self._guidance.update(self._now_s, None))
        if observation.quality is None and self._blocked(observation) is None:
            return Step(self.phase, self._guidance.shown)
        return self._guide(attempt, observation)

    def hold(self, t_s: float, person_id: str | None = None) -> None:
        """Serve whoever stands there at `t_s` only after they have gone.

        With `person_id` also when they are lost from sight for a moment meanwhile.
        """
        self.reset()
        self._now_s = self._seen_s = self._decided_s = max(self._now_s, t_s)
        self.phase = Phase.HELD
        if person_id is not None:
            self._visitor, self._visitor_seen_s = (person_id, Phase.HELD), self._now_s

    def reset(self) -> None:
        """Forget the person, as if nobody had been there."""
        self._attempt, self._visitor, self.phase = None, None, Phase.IDLE
        self._guidance.clear()

    def _may_try_again(self) -> bool:
        """Who was let in is served again when they have gone; who was not, after a while."""
        refused = self.phase in (Phase.DENIED, Phase.REVIEW)
        return refused and self._now_s - self._decided_s >= self._policy.cool_down_s

    def _nobody(self) -> Step:
        if self._now_s - self._seen_s >= self._policy.gone_after_s:
            self.reset()
        elif self.phase is Phase.GATHERING:
            return Step(self.phase, self._guidance.update(self._now_s, self._guidance.shown))
        return Step(self.phase)

    def _attempt_for(self, track_id: int) -> _Attempt:
        """The attempt of this face; another face starts a new one, and so does one that was
        refused and stayed past the cool-down. Whoever is first seen while held is held."""
        attempt = self._attempt
        if attempt is not None and attempt.track_id == track_id and not self._may_try_again():
            return attempt
        if attempt is not None or self.phase is not Phase.HELD:
            self.phase = Phase.IDLE
            self._guidance.clear()
        self._attempt = _Attempt(track_id, self._now_s, stuck_since_s=self._now_s)
        return self._attempt

    def _blocked(self, observation: Observation) -> Defect | None:
        for defect in observation.defects:
            if defect in BLOCKING or (defect is Defect.SEVERAL_FACES and self._policy.one_person):
                return defect
        return None

    def _weigh(self, attempt: _Attempt, match: Match) -> Step:
        attempt.frames += 1
        attempt.stuck_since_s = self._now_s
        thresholds = self._policy.thresholds(match.people)
        best = match.candidates[0] if match.candidates else None
        similarity = best.similarity if best is not None else float("nan")
        if attempt.frames >= self._policy.evidence_frames:
            if best is not None and similarity >= thresholds.grant:
                return self._grant(attempt, match, best.person_id)
            if attempt.frames >= self._policy.denial_frames:
                if best is not None and similarity >= thresholds.review:
                    return self._decide(attempt, Kind.REVIEW, "doubtful", match, best.person_id)
                reason = "not_enrolled" if match.people else "gallery_empty"
                return self._decide(attempt, Kind.DENIED, reason, match, None)
        return Step(self.phase, self._guidance.update(self._now_s, None))

    def _grant(self, attempt: _Attempt, match: Match, person_id: str) -> Step:
        visitor = self._visitor
        lost_s = self._now_s - self._visitor_seen_s
        if visitor and visitor[0] == person_id and lost_s < self._policy.cool_down_s:
            self.phase = visitor[1]  # lost from sight for a moment, and never gone
            self._guidance.clear()
            return Step(self.phase)
        return self._decide(attempt, Kind.GRANTED, "matched", match, person_id)

    def _decide(
        self, attempt: _Attempt, kind: Kind, reason: str, match: Match, person_id: str | None
    ) -> Step:
        self.phase = _HOLDS[kind]
        self._decided_s = self._now_s
        self._visitor = None
        if kind is Kind.GRANTED and person_id is not None:
            self._visitor, self._visitor_seen_s = (person_id, Phase.GRANTED), self._now_s
        self._guidance.clear()
        return Step(self.phase, None, self._outcome(attempt, kind, reason, match, person_id))

    def _guide(self, attempt: _Attempt, observation: Observation) -> Step:
        defects = observation.defects
        if not self._policy.one_person:
            defects = tuple(d for d in defects if d is not Defect.SEVERAL_FACES)
        shown = self._guidance.update(self._now_s, remedy(defects))
        if shown is not None and shown not in attempt.instructions:
            attempt.instructions.append(shown)
        stuck = self._now_s - attempt.stuck_since_s >= self._policy.retake_after_s
        if stuck and shown is not None and not attempt.retake_told:
            attempt.retake_told = True
            outcome = self._outcome(attempt, Kind.RETAKE, shown.value, None, None)
            return Step(self.phase, shown, outcome)
        return Step(self.phase, shown)

    def _outcome(
        self,
        attempt: _Attempt,
        kind: Kind,
        reason: str,
        match: Match | None,
        person_id: str | None,
    ) -> Outcome:
        candidates = match.candidates if match is not None else ()
        people = match.people if match is not None else None
        return Outcome(
            kind=kind,
            reason=reason,
            person_id=person_id,
            similarity=candidates[0].similarity if candidates else None,
            runner_up=candidates[1].similarity if len(candidates) > 1 else None,
            threshold=self._policy.thresholds(people).grant if people is not None else None,
            implied_fpir=self._policy.implied_fpir(people) if people is not None else None,
            people=people,
            quality=attempt.best_quality,
            frames=attempt.frames,
            duration_s=max(0.0, self._now_s - attempt.started_s),
            instructions=tuple(attempt.instructions),
        )
