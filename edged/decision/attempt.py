"""What is known of one person's attempt to be recognised; bounded, however long they stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edged.decision.guidance import WORTH_SAYING
from edged.decision.outcome import Outcome, Summary

if TYPE_CHECKING:
    from edged.decision.hints import HintLog
    from edged.decision.outcome import Kind, Rule
    from edged.decision.policy import Policy
    from edged.types import Defect, FusedMatch, Instruction, Match, Observation

_INDEPENDENT_S = 0.05  # views that follow faster count as one when somebody is to be refused


@dataclass(slots=True)
class Attempt:
    """One face, from its first frame to the decision or until it is lost.

    Attributes:
        views: usable ones in the evidence that is being gathered.
        independent: how often since then it could be trusted, not counting what followed at once.
        stuck_since_s: since when there has been no evidence that can be trusted.
        rests_until_s: until then the person is told to try again, and nothing is gathered.
        ended: it was decided, or its end was told.
    """

    track_id: int
    started_s: float
    log: HintLog
    frames: int = 0
    views: int = 0
    independent: int = 0
    first_trusted_s: float = 0.0
    counted_s: float = float("-inf")
    best_quality: float | None = None
    fused_quality: float | None = None
    retakes: int = 0
    stuck_told: bool = False
    stuck_since_s: float = 0.0
    rests_until_s: float = float("-inf")
    ended: bool = False
    defects: dict[Defect, int] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)

    def see(self, observation: Observation) -> None:
        """Count what a frame showed; a defect only where mending it would win something."""
        self.frames += 1
        gains = observation.gains or (1.0,) * len(observation.defects)
        for defect, gain in zip(observation.defects, gains, strict=False):
            if not gain < WORTH_SAYING:
                self.defects[defect] = self.defects.get(defect, 0) + 1
        quality = observation.quality
        if quality is not None and 0 <= quality <= 1:
            self.best_quality = max(quality, self.best_quality or 0.0)

    def gather(self, now_s: float, fused: FusedMatch, *, trusted: bool) -> None:
        """Count a usable view; towards a refusal only what can be `trusted`."""
        self.views += 1
        self.fused_quality = fused.quality if 0 <= fused.quality <= 1 else None
        if not trusted:
            return
        if self.independent == 0:
            self.first_trusted_s, self.counted_s = now_s, float("-inf")
        if now_s - self.counted_s >= _INDEPENDENT_S:
            self.independent += 1
            self.counted_s = now_s

    def restart(self) -> None:
        """The evidence so far is worth nothing."""
        self.views = self.independent = 0

    def once_more(self, now_s: float, rest_s: float) -> None:
        """The evidence so far led nowhere: begin again, once the person has been told."""
        self.retakes += 1
        self.restart()
        self.rests_until_s = self.stuck_since_s = now_s + rest_s

    def enough(self, now_s: float, policy: Policy) -> bool:
        """Whether there was enough independent evidence, or time, to refuse somebody."""
        return self.progress(now_s, policy) >= 1.0

    def progress(self, now_s: float, policy: Policy) -> float:
        """How far the evidence has come towards a refusal, 0-1."""
        if self.independent == 0:
            return 0.0
        waited = (now_s - self.first_trusted_s) / policy.denial_after_s
        return min(1.0, max(waited, self.independent / policy.denial_frames))

    def outcome(
        self,
        kind: Kind,
        rule: Rule,
        reason: str,
        now_s: float,
        policy: Policy,
        match: Match | None = None,
        person_id: str | None = None,
    ) -> Outcome:
        """A decision, with what it rests on."""
        candidates = match.candidates if match is not None else ()
        people = match.people if match is not None else None
        thresholds = policy.thresholds(people) if people is not None else None
        return Outcome(
            kind=kind,
            reason=reason,
            person_id=person_id,
            similarity=_cosine(candidates[0].similarity) if candidates else None,
            runner_up=_cosine(candidates[1].similarity) if len(candidates) > 1 else None,
            threshold=thresholds.grant if thresholds is not None else None,
            implied_fpir=policy.implied_fpir(people) if people is not None else None,
            people=people,
            quality=self.best_quality,
            frames=self.views,
            duration_s=max(0.0, now_s - self.started_s),
            instructions=tuple(self.instructions),
            fused_quality=self.fused_quality,
            margin=policy.lead(candidates[0]) if candidates else policy.margin,
            lookalike=bool(candidates) and policy.guards(candidates[0]),
            rule=rule,
            review_threshold=thresholds.review if thresholds is not None else None,
            minimum_quality=policy.minimum_quality,
            seen=self.frames,
            defects=dict(self.defects),
        )

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


def _cosine(similarity: float) -> float | None:
    return similarity if -1 <= similarity <= 1 else None
