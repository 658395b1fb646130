"""One person before the camera, from the first frame to the decision: a pure state machine.

::

    IDLE ──face──▶ GATHERING ──enough evidence──▶ GRANTED / DENIED / REVIEW / SECOND_FACTOR
     ▲                 │  ▲                              │
     │                 └──┘ instruction, retake          │ another face, or after a refusal a
     │                                                   │ cool-down: GATHERING
     └──────────────────── gone ◀────────────────────────┘

Time comes in with every observation. It may stand still; set back, no time has passed. A frame
that comes twice or late, or without a time, changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edged.decision.attempt import Attempt
from edged.decision.guidance import BLOCKING, WORTH_SAYING, Guidance, Need, needs
from edged.decision.hints import HintLog
from edged.decision.outcome import Kind, Outcome, Phase, Rule, Step, Summary
from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.decision.policy import Policy
    from edged.types import FusedMatch, Match, Observation

__all__ = ["Kind", "Outcome", "Phase", "Presentation", "Rule", "Step", "Summary"]

_FEWEST_FRAMES = 3  # fewer were a passer-by, or no face at all
_MOMENT_S = 8.0  # so long who was let in may be lost from sight, or stand behind the next one
_LATEST_S = 1e10  # three centuries; beyond, a time is garbage
_OPEN = (Phase.IDLE, Phase.GATHERING)
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
        self._attempt: Attempt | None = None
        self._last: tuple[float, int] | None = None  # the last frame's time and number
        self._set_back_s = 0.0  # by how much the clock was, in all
        self._now_s = float("-inf")
        self._seen_s = float("-inf")
        self._decided_s = float("-inf")
        self._who: str | None = None  # is granted, or held by name, just now
        # Who was a moment ago, as what, last seen when; whoever is gone is forgotten.
        self._visitors: dict[str, tuple[Phase, float]] = {}
        self._step = Step(Phase.IDLE)
        self.phase = Phase.IDLE

    @property
    def wants_evidence(self) -> bool:
        """Whether an embedding of the next frame can change anything."""
        return self.phase in _OPEN or self._may_try_again()

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
        """Whether this view may count as evidence now: new, of somebody who is being served,
        unblocked, and trusted by the network."""
        track_id = observation.track_id
        if track_id is None or self._stale(observation) or not self._fit(observation):
            return False
        attempt = self._attempt
        if attempt is None or attempt.track_id != track_id:
            return attempt is not None or self.phase in _OPEN
        return self.wants_evidence and self._now_s >= attempt.rests_until_s

    def step(self, observation: Observation, fused: FusedMatch | None) -> Step:
        """Take in one frame.

        Args:
            observation: what the frame showed.
            fused: what the evidence gathered on this track says, this frame included; only
                given for usable observations.
        """
        if self._stale(observation):
            return replace(self._step, outcome=None, summary=None)
        self._take_time(observation.t_s, observation.seq)
        before = self._attempt
        step = (
            self._nobody()
            if observation.track_id is None
            else self._somebody(observation, observation.track_id, fused)
        )
        if before is not None and before is not self._attempt and not before.ended:
            before.ended = True
            if before.frames >= _FEWEST_FRAMES and step.summary is None:
                step = replace(step, summary=before.summary("left", self._now_s))
        self._step = step
        return step

    def hold(self, t_s: float, person_id: str | None = None) -> None:
        """Serve whoever stands there at `t_s` only after they have gone.

        With `person_id` also when they are lost from sight for a moment meanwhile.
        """
        self.reset()
        if abs(t_s) < _LATEST_S:
            self._take_time(t_s, self._last[1] if self._last is not None else -1)
        self._seen_s = self._decided_s = self._now_s
        self.phase = Phase.HELD
        self._step = Step(Phase.HELD)
        if person_id is not None:
            self._remember(person_id)

    def reset(self) -> None:
        """Forget the person, as if nobody had been there."""
        self._attempt, self._who, self.phase = None, None, Phase.IDLE
        self._visitors.clear()
        self._step = Step(Phase.IDLE)
        self._guidance.clear()

    def _stale(self, observation: Observation) -> bool:
        if not abs(observation.t_s) < _LATEST_S:
            return True
        if self._last is None:
            return False
        last_s, last_seq = self._last
        return observation.t_s <= last_s and observation.seq <= last_seq

    def _take_time(self, t_s: float, seq: int) -> None:
        if self._last is not None and t_s < self._last[0]:
            self._set_back_s += self._last[0] - t_s
        self._last = (t_s, seq)
        self._now_s = t_s + self._set_back_s

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
        return self._staying()

    def _somebody(self, observation: Observation, track_id: int, fused: FusedMatch | None) -> Step:
        self._seen_s = self._now_s
        attempt = self._attempt_for(track_id)
        if self.phase not in _OPEN:
            if self._who is not None:
                self._remember(self._who)
            return self._staying()
        self.phase = Phase.GATHERING
        attempt.see(observation)
        step = self._look(attempt, observation, fused)
        attempt.log.update(self._now_s, step.instruction, observation.quality)
        if step.outcome is not None and attempt.ended:
            step = replace(step, summary=attempt.summary(self.phase.value, self._now_s))
        return step

    def _attempt_for(self, track_id: int) -> Attempt:
        """The attempt of this face; another face starts a new one, and so does one that was
        refused and stayed past the cool-down. Whoever is first seen while held is held."""
        attempt = self._attempt
        if attempt is not None and attempt.track_id == track_id and not self._may_try_again():
            return attempt
        if attempt is not None or self.phase is not Phase.HELD:
            if self.phase is Phase.GRANTED and attempt is not None and attempt.track_id == track_id:
                self._visitors.clear()  # served again on purpose
            self.phase = Phase.IDLE
            self._guidance.clear()
        now_s = self._now_s
        self._attempt = Attempt(track_id, now_s, HintLog(now_s), stuck_since_s=now_s)
        return self._attempt

    def _look(self, attempt: Attempt, observation: Observation, fused: FusedMatch | None) -> Step:
        if self._now_s < attempt.rests_until_s:
            return self._show(attempt, (Need(Instruction.RETAKE, 1.0),))
        if self._fit(observation):
            # without evidence, such as in a frame of which none was asked, nothing is decided
            return self._weigh(attempt, observation, fused) if fused else self._show(attempt, ())
        if observation.quality is None and not self._blocked(observation):
            return self._gathering(self._guidance.keep(self._now_s))  # nobody asked for more
        return self._guide(attempt, observation)

    def _fit(self, observation: Observation) -> bool:
        quality = observation.quality
        return (
            quality is not None
            and self._policy.view_floor <= quality <= 1
            and not self._blocked(observation)
        )

    def _blocked(self, observation: Observation) -> bool:
        several = self._policy.one_person and Defect.SEVERAL_FACES in observation.defects
        return several or not BLOCKING.isdisjoint(observation.defects)

    def _weigh(self, attempt: Attempt, observation: Observation, fused: FusedMatch) -> Step:
        policy, match = self._policy, fused.match
        trusted = policy.minimum_quality <= fused.quality <= 1
        attempt.gather(self._now_s, fused, trusted=trusted)
        if fused.views > attempt.views:  # some are of before this attempt, of whoever it was
            attempt.restart()
            return self._guide(attempt, observation)
        if not trusted:
            return self._held_back(attempt, observation)
        attempt.stuck_since_s = self._now_s
        if fused.views < policy.evidence_frames:
            return self._show(attempt, ())
        thresholds = policy.thresholds(match.people)
        best = match.candidates[0] if match.candidates else None
        if best is not None and best.similarity >= thresholds.grant and self._clear(match):
            if policy.asks_factor(best):
                return self._ask_factor(attempt, Rule.LOOKALIKE_FACTOR, match, best.person_id)
            return self._grant(attempt, match, best.person_id)
        if not attempt.enough(self._now_s, policy):
            helpful = tuple(n for n in self._needs(observation) if n.gain >= WORTH_SAYING)
            return self._show(attempt, helpful)
        if best is not None and best.similarity >= thresholds.review:
            rule, reason = Rule.BELOW_THRESHOLD, "doubtful"
            if best.similarity >= thresholds.grant:
                rule = Rule.TOO_CLOSE if _plausible(match) else Rule.IMPLAUSIBLE
                reason = "lookalike"
            if reason == "lookalike" and policy.asks_factor(best):
                return self._ask_factor(attempt, rule, match, best.person_id)
            if policy.doubtful == "retake" and attempt.retakes == 0:
                return self._once_more(attempt, rule, reason, match)
            kind = _DOUBTFUL[policy.doubtful]
            return self._decide(attempt, kind, rule, reason, match, best.person_id)
        if not match.people:
            rule, reason = Rule.GALLERY_EMPTY, "gallery_empty"
        else:
            rule, reason = Rule.BELOW_REVIEW, "not_enrolled"
        return self._decide(attempt, Kind.DENIED, rule, reason, match, None)

    def _held_back(self, attempt: Attempt, observation: Observation) -> Step:
        """The evidence cannot be trusted. What was gathered for long while nothing was to be
        seen must not outweigh a view that can be trusted alone."""
        policy, now_s = self._policy, self._now_s
        stuck = now_s - attempt.stuck_since_s >= policy.retake_after_s
        step = self._guide(attempt, observation)
        if stuck and (observation.quality or 0.0) >= policy.minimum_quality:
            attempt.restart()
            attempt.stuck_since_s = now_s
        return step

    def _clear(self, match: Match) -> bool:
        """Whether the best candidate, a cosine like the second, is far enough ahead of it."""
        if not _plausible(match):
            return False
        cosines = [candidate.similarity for candidate in match.candidates[:2]]
        lead = self._policy.lead(match.candidates[0])
        return len(cosines) == 1 or cosines[0] - cosines[1] >= lead

    def _ask_factor(self, attempt: Attempt, rule: Rule, match: Match, person_id: str) -> Step:
        """Recognised, and somebody else in the gallery might be too."""
        return self._decide(attempt, Kind.SECOND_FACTOR, rule, "lookalike", match, person_id)

    def _grant(self, attempt: Attempt, match: Match, person_id: str) -> Step:
        phase, seen_s = self._visitors.get(person_id, (Phase.IDLE, float("-inf")))
        if self._now_s - seen_s < min(_MOMENT_S, self._policy.cool_down_s):
            self.phase = phase  # lost from sight for a moment, and never gone
            self._remember(person_id)
            attempt.ended = True
            self._guidance.clear()
            return self._staying()
        rule = Rule.CLEAR_MATCH
        return self._decide(attempt, Kind.GRANTED, rule, "matched", match, person_id)

    def _remember(self, person_id: str) -> None:
        """Somebody is granted or held, and here."""
        now_s = self._now_s
        for who, (_, seen_s) in list(self._visitors.items()):
            if now_s - seen_s >= _MOMENT_S:
                del self._visitors[who]
        self._who = person_id
        self._visitors[person_id] = self.phase, now_s

    def _once_more(self, attempt: Attempt, rule: Rule, reason: str, match: Match) -> Step:
        """In doubt, and the installer wants another try before anybody is bothered."""
        policy = self._policy
        outcome = attempt.outcome(Kind.RETAKE, rule, reason, self._now_s, policy, match)
        attempt.once_more(self._now_s, policy.instruction_delay_s + policy.instruction_hold_s)
        step = self._show(attempt, (Need(Instruction.RETAKE, 1.0),))
        return replace(step, outcome=outcome)

    def _decide(
        self,
        attempt: Attempt,
        kind: Kind,
        rule: Rule,
        reason: str,
        match: Match,
        person_id: str | None,
    ) -> Step:
        self.phase = _HOLDS[kind]
        self._decided_s = self._now_s
        self._who = None
        if kind is Kind.GRANTED and person_id is not None:
            self._remember(person_id)
        self._guidance.clear()
        attempt.ended = True
        outcome = attempt.outcome(kind, rule, reason, self._now_s, self._policy, match, person_id)
        return replace(self._staying(), outcome=outcome)

    def _guide(self, attempt: Attempt, observation: Observation) -> Step:
        step = self._show(attempt, self._needs(observation))
        shown = step.instruction
        stuck = self._now_s - attempt.stuck_since_s >= self._policy.retake_after_s
        if stuck and shown is not None and not attempt.stuck_told:
            attempt.stuck_told = True
            rule = Rule.WEAK_EVIDENCE if attempt.views else Rule.NO_USABLE_VIEW
            outcome = attempt.outcome(Kind.RETAKE, rule, shown.value, self._now_s, self._policy)
            return replace(step, outcome=outcome)
        return step

    def _needs(self, observation: Observation) -> tuple[Need, ...]:
        wanted = needs(observation)
        if self._policy.one_person:
            return wanted
        alone = tuple(n for n in wanted if n.instruction is not Instruction.ONE_PERSON_ONLY)
        return alone or (Need(Instruction.RETAKE, 0.0),)

    def _show(self, attempt: Attempt, wanted: tuple[Need, ...]) -> Step:
        shown = self._guidance.update(self._now_s, wanted)
        if shown is not None and shown not in attempt.instructions:
            attempt.instructions.append(shown)
        return self._gathering(shown)

    def _gathering(self, shown: Instruction | None) -> Step:
        attempt = self._attempt
        progress = attempt.progress(self._now_s, self._policy) if attempt is not None else 0.0
        return Step(self.phase, shown, progress=progress)

    def _staying(self) -> Step:
        return Step(self.phase, progress=0.0 if self.phase in (Phase.IDLE, Phase.HELD) else 1.0)


def _plausible(match: Match) -> bool:
    """Whether the similarities that count are cosines at all."""
    return all(-1 <= candidate.similarity <= 1 for candidate in match.candidates[:2])
