"""One person before the camera, from the first frame to the decision: a pure state machine.

::

    IDLE ──face──▶ GATHERING ──enough evidence──▶ GRANTED / DENIED / REVIEW / SECOND_FACTOR
     ▲                 │  ▲                              │
     │                 └──┘ instruction, retake          │ another face, or after a refusal a
     │                                                   │ cool-down: GATHERING
     └──────────────────── gone ◀────────────────────────┘

Time comes in with every observation; it may stand still or jump back without harm, and a frame
that comes twice is looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

from edged.decision.guidance import BLOCKING, Guidance, Need, needs
from edged.decision.hints import HintLog
from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.decision.hints import Hint
    from edged.decision.policy import Policy
    from edged.types import FusedMatch, Match, Observation

_INDEPENDENT_S = 0.05  # views that follow faster count as one when somebody is to be refused
_WORTH_SAYING = 0.05  # of gain, while a view is good enough to be matched
_FEWEST_FRAMES = 3  # fewer were a passer-by, or no face at all


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision and what it rests on: enough to answer "why?" without an image.

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


@dataclass(frozen=True, slots=True)
class Summary:
    """How a presentation went, once it has ended; no names.

    Attributes:
        ended: how: "granted", "denied", "review", "second_factor" or "left".
        frames, defects: how many frames there were, and in how many each defect was seen.
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


@dataclass(slots=True)
class _Attempt:
    """What is known about the person being served; bounded, however long they stay."""

    track_id: int
    started_s: float
    log: HintLog
    frames: int = 0
    views: int = 0
    independent: int = 0
    first_view_s: float = 0.0
    counted_s: float = float("-inf")
    best_quality: float | None = None
    fused_quality: float | None = None
    retakes: int = 0
    stuck_told: bool = False
    stuck_since_s: float = 0.0
    ended: bool = False
    defects: dict[Defect, int] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)

    def see(self, observation: Observation) -> None:
        """Count what a frame showed."""
        self.frames += 1
        for defect in observation.defects:
            self.defects[defect] = self.defects.get(defect, 0) + 1
        quality = observation.quality
        if quality is not None and isfinite(quality):
            self.best_quality = max(quality, self.best_quality or 0.0)

    def gather(self, now_s: float, fused: FusedMatch) -> None:
        """Count a usable view."""
        if self.views == 0:
            self.first_view_s = now_s
        self.views += 1
        self.fused_quality = fused.quality
        self.stuck_since_s = now_s
        if now_s - self.counted_s >= _INDEPENDENT_S:
            self.independent += 1
            self.counted_s = now_s

    def restart(self, now_s: float) -> None:
        """The evidence so far led nowhere: begin again."""
        self.views = self.independent = 0
        self.stuck_since_s = now_s

    def summary(self, ended: str, now_s: float) -> Summary:
        """How it went."""
        return Summary(
            ended=ended,
            duration_s=max(0.0, now_s - self.started_s),
            frames=self.frames,
            views=self.views,
            best_quality=self.best_quality,
            defects=dict(self.defects),
            hints=tuple(self.log.hints),
        )


_HOLDS = {
    Kind.GRANTED: Phase.GRANTED,
    Kind.DENIED: Phase.DENIED,
    Kind.REVIEW: Phase.REVIEW,
    Kind.SECOND_FACTOR: Phase.SECOND_FACTOR,
}
_DOUBTFUL = {"review": Kind.REVIEW, "retake": Kind.REVIEW, "second_factor": Kind.SECOND_FACTOR}


class Presentation:
    """The state machine. Feed it every observation, with the fused match where there is one."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._guidance = Guidance(policy.instruction_delay_s, policy.instruction_hold_s)
        self._attempt: _Attempt | None = None
        self._now_s = float("-inf")
        self._seen_s = float("-inf")
        self._decided_s = float("-inf")
        self._frame: tuple[float, int] | None = None
        # Who was granted or is held by name and has not been gone since, as what, last seen when.
        self._visitor: tuple[str, Phase] | None = None
        self._visitor_seen_s = float("-inf")
        self._step = Step(Phase.IDLE)
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
            or attempt.views == 0
        )

    def usable(self, observation: Observation) -> bool:
        """Whether this view may count as evidence: new, unblocked, and trusted by the network."""
        return not self._repeated(observation) and self._fit(observation)

    def step(self, observation: Observation, fused: FusedMatch | None) -> Step:
        """Take in one frame.

        Args:
            observation: what the frame showed.
            fused: what the evidence gathered on this track says, this frame included; only
                given for usable observations.
        """
        if self._repeated(observation):
            return replace(self._step, outcome=None, summary=None)
        self._frame = (observation.t_s, observation.seq)
        if isfinite(observation.t_s):
            self._now_s = max(self._now_s, observation.t_s)
        before = self._attempt
        left = before.summary("left", self._now_s) if before and not before.ended else None
        step = (
            self._nobody()
            if observation.track_id is None
            else self._somebody(observation, observation.track_id, fused)
        )
        if before is not None and before is not self._attempt and left is not None:
            before.ended = True
            step = replace(step, summary=left if left.frames >= _FEWEST_FRAMES else None)
        self._step = step
        return step

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

    def _repeated(self, observation: Observation) -> bool:
        return self._frame == (observation.t_s, observation.seq)

    def _may_try_again(self) -> bool:
        """Who was let in is served again when they have gone, or when the installer says so;
        who was not, after a while."""
        wait_s: float | None = self._policy.cool_down_s
        if self.phase is Phase.GRANTED:
            wait_s = self._policy.serve_again_after_s
        elif self.phase not in (Phase.DENIED, Phase.REVIEW, Phase.SECOND_FACTOR):
            return False
        return wait_s is not None and self._now_s - self._decided_s >= wait_s

    def _nobody(self) -> Step:
        if self._now_s - self._seen_s >= self._policy.gone_after_s:
            self.reset()
        elif self.phase is Phase.GATHERING:
            return self._gathering(self._guidance.keep(self._now_s))
        return Step(self.phase)

    def _somebody(self, observation: Observation, track_id: int, fused: FusedMatch | None) -> Step:
        self._seen_s = self._now_s
        attempt = self._attempt_for(track_id)
        if self.phase not in (Phase.IDLE, Phase.GATHERING):
            self._visitor_seen_s = self._now_s
            return Step(self.phase)
        self.phase = Phase.GATHERING
        attempt.see(observation)
        if self._fit(observation):
            step = self._weigh(attempt, observation, fused) if fused else self._show(attempt, ())
        elif observation.quality is None and self._blocked(observation) is None:
            step = self._gathering(self._guidance.keep(self._now_s))  # nobody asked for more
        else:
            step = self._guide(attempt, observation)
        attempt.log.update(self._now_s, step.instruction, observation.quality)
        return step

    def _attempt_for(self, track_id: int) -> _Attempt:
        """The attempt of this face; another face starts a new one, and so does one that was
        refused and stayed past the cool-down. Whoever is first seen while held is held."""
        attempt = self._attempt
        if attempt is not None and attempt.track_id == track_id and not self._may_try_again():
            return attempt
        if attempt is not None or self.phase is not Phase.HELD:
            if self.phase is Phase.GRANTED and attempt is not None and attempt.track_id == track_id:
                self._visitor = None  # served again on purpose
            self.phase = Phase.IDLE
            self._guidance.clear()
        now_s = self._now_s
        self._attempt = _Attempt(track_id, now_s, HintLog(now_s), stuck_since_s=now_s)
        return self._attempt

    def _fit(self, observation: Observation) -> bool:
        return (
            self._blocked(observation) is None
            and observation.quality is not None
            and isfinite(observation.quality)
            and observation.quality >= self._policy.view_floor
        )

    def _blocked(self, observation: Observation) -> Defect | None:
        for defect in observation.defects:
            if defect in BLOCKING or (defect is Defect.SEVERAL_FACES and self._policy.one_person):
                return defect
        return None

    def _weigh(self, attempt: _Attempt, observation: Observation, fused: FusedMatch) -> Step:
        attempt.gather(self._now_s, fused)
        policy, match = self._policy, fused.match
        best = match.candidates[0] if match.candidates else None
        similarity = best.similarity if best is not None else float("nan")
        trusted = isfinite(fused.quality) and fused.quality >= policy.minimum_quality
        if not trusted or attempt.views < policy.evidence_frames:
            return self._show(attempt, () if trusted else self._needs(observation))
        thresholds = policy.thresholds(match.people)
        clear = _lead(match) >= policy.margin
        if best is not None and similarity >= thresholds.grant and clear:
            return self._grant(attempt, match, best.person_id)
        if not self._enough(attempt):
            helpful = tuple(n for n in self._needs(observation) if n.gain >= _WORTH_SAYING)
            return self._show(attempt, helpful)
        if best is not None and similarity >= thresholds.review:
            reason = "doubtful" if similarity < thresholds.grant else "lookalike"
            if policy.doubtful == "retake" and attempt.retakes == 0:
                return self._once_more(attempt, reason, match)
            return self._decide(attempt, _DOUBTFUL[policy.doubtful], reason, match, best.person_id)
        reason = "not_enrolled" if match.people else "gallery_empty"
        return self._decide(attempt, Kind.DENIED, reason, match, None)

    def _enough(self, attempt: _Attempt) -> bool:
        """Whether there was enough independent evidence, or time, to refuse somebody."""
        waited_s = self._now_s - attempt.first_view_s
        return (
            attempt.independent >= self._policy.denial_frames
            or waited_s >= self._policy.denial_after_s
        )

    def _grant(self, attempt: _Attempt, match: Match, person_id: str) -> Step:
        visitor = self._visitor
        lost_s = self._now_s - self._visitor_seen_s
        if visitor and visitor[0] == person_id and lost_s < self._policy.cool_down_s:
            self.phase = visitor[1]  # lost from sight for a moment, and never gone
            attempt.ended = True
            self._guidance.clear()
            return Step(self.phase)
        return self._decide(attempt, Kind.GRANTED, "matched", match, person_id)

    def _once_more(self, attempt: _Attempt, reason: str, match: Match) -> Step:
        """In doubt, and the installer wants another try before anybody is bothered."""
        outcome = self._outcome(attempt, Kind.RETAKE, reason, match, None)
        attempt.retakes += 1
        attempt.restart(self._now_s)
        step = self._show(attempt, (Need(Instruction.RETAKE, 1.0),))
        return replace(step, outcome=outcome)

    def _decide(
        self, attempt: _Attempt, kind: Kind, reason: str, match: Match, person_id: str | None
    ) -> Step:
        self.phase = _HOLDS[kind]
        self._decided_s = self._now_s
        self._visitor = None
        if kind is Kind.GRANTED and person_id is not None:
            self._visitor, self._visitor_seen_s = (person_id, Phase.GRANTED), self._now_s
        self._guidance.clear()
        attempt.ended = True
        return Step(
            self.phase,
            None,
            self._outcome(attempt, kind, reason, match, person_id),
            1.0,
            attempt.summary(self.phase.value, self._now_s),
        )

    def _guide(self, attempt: _Attempt, observation: Observation) -> Step:
        step = self._show(attempt, self._needs(observation))
        shown = step.instruction
        stuck = self._now_s - attempt.stuck_since_s >= self._policy.retake_after_s
        if stuck and shown is not None and not attempt.stuck_told:
            attempt.stuck_told = True
            outcome = self._outcome(attempt, Kind.RETAKE, shown.value, None, None)
            return replace(step, outcome=outcome)
        return step

    def _needs(self, observation: Observation) -> tuple[Need, ...]:
        wanted = needs(observation)
        if self._policy.one_person:
            return wanted
        alone = tuple(n for n in wanted if n.instruction is not Instruction.ONE_PERSON_ONLY)
        return alone or (Need(Instruction.RETAKE, 0.0),)

    def _show(self, attempt: _Attempt, wanted: tuple[Need, ...]) -> Step:
        shown = self._guidance.update(self._now_s, wanted)
        if shown is not None and shown not in attempt.instructions:
            attempt.instructions.append(shown)
        return self._gathering(shown)

    def _gathering(self, shown: Instruction | None) -> Step:
        views = self._attempt.independent if self._attempt is not None else 0
        return Step(self.phase, shown, progress=min(1.0, views / self._policy.denial_frames))

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
            frames=attempt.views,
            duration_s=max(0.0, self._now_s - attempt.started_s),
            instructions=tuple(attempt.instructions),
            fused_quality=attempt.fused_quality,
            margin=self._policy.margin,
        )


def _lead(match: Match) -> float:
    """How far the best candidate is ahead of the second."""
    if len(match.candidates) < 2:
        return float("inf")
    return match.candidates[0].similarity - match.candidates[1].similarity
