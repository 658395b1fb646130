"""What is done with each frame: observe, weigh, act, tell."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edged.decision.presentation import Kind, Outcome, Phase
from edged.errors import DoorError, StorageError
from edged.service.display import Display
from edged.service.guided import Guided
from edged.service.judge import Judge
from edged.service.policy import policy_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.decision.presentation import Step
    from edged.door.door import Opens
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.recording.items import Forgot, Held
    from edged.service.journal import Journal
    from edged.service.metrics import Metrics
    from edged.service.migration import Migration
    from edged.types import Floats, Frame, FusedMatch, Match, Observation
    from edged.vision.evidence import Fused
    from edged.vision.pipeline import Vision

log = logging.getLogger(__name__)

_LOOK_AGAIN_FRAMES = 5
_BLIND_S = 2.0  # without a frame for this long, whoever stands there now may be somebody else


class Terminal:
    """The work of the vision thread.

    Args:
        identity: of the model whose templates are made and compared.
        quality: what a log variance means to that model, 0-1.
        enrolment_quality: of each view that is enrolled.
        on_display: called when what the person is to see changes.
        on_step: called with everything that the decision saw, for each frame that it saw.
        on_look: called with each frame and what it showed.
        on_mark: called when the decision is told to wait, or to begin anew.
        move: to another network, if people move.
        now: by which people come into force and cease to be, Unix seconds.
        judged: what becomes of an outcome by the door's mode.
        look_on_s: how long after a decision every view is embedded all the same, for a
            recording that is to be decided under stricter policies.

    Attributes:
        enrolling: takes enrolments, from any thread.
    """

    def __init__(
        self,
        config: Config,
        policy: Policy,
        *,
        identity: str,
        quality: Callable[[float], float],
        enrolment_quality: float,
        gallery: Gallery,
        index: Index,
        door: Opens,
        journal: Journal,
        metrics: Metrics,
        on_display: Callable[[Display], None],
        on_step: Callable[[Observation, FusedMatch | None, Step], None] = lambda *_: None,
        on_look: Callable[[Frame, Observation], None] = lambda *_: None,
        on_mark: Callable[[Held | Forgot], None] = lambda _: None,
        now: Callable[[], float] = time.time,
        look_on_s: float = 0.0,
        move: Migration | None = None,
        judged: Callable[[Outcome], Outcome] = lambda outcome: outcome,
    ) -> None:
        self._judged = judged
        self._now = now
        self._config = config
        self._identity = identity
        self._digest = policy_digest(policy, config.decision.profile, identity)
        self._gallery = gallery
        self._index = index
        self._door = door
        self._journal = journal
        self._metrics = metrics
        self._on_display = on_display
        self._on_step = on_step
        self._on_look = on_look
        self._move = move
        both = None if move is None else self._search_both
        self._judge = Judge(policy, self._search, quality, on_mark, both)
        self.enrolling = Guided(
            config,
            identity=identity,
            quality=enrolment_quality,
            coherence=policy.floor_different,
            same=policy.floor_same,
            nearness=policy.nearness,
            gallery=gallery,
            index=index,
            journal=journal,
            judge=self._judge,
            show=self._show,
            **({} if move is None else {"twin": move.twin}),
        )
        self._display = Display(Phase.IDLE)
        self._greeted: str | None = None
        self._barred = False  # whether the door's mode kept out who was recognised last
        self._look_on_s = look_on_s
        self._decided_s = float("-inf")
        self._frame_s = float("-inf")
        self._processed = 0
        self._done = False  # whether whoever was served last has been decided about

    def process(self, frame: Frame, vision: Vision) -> Observation:
        """Take in one frame.

        Raises:
            RuntimeFault: an inference runtime failed; `vision` must be reopened.
        """
        self._after_a_gap(frame.t_s)
        self._processed += 1
        request = self.enrolling.request
        # Now and then also while a decision holds: the next in the queue may stand there.
        wants = (
            request is not None
            or self._judge.wants_evidence
            or frame.t_s - self._decided_s < self._look_on_s
            or self._processed % _LOOK_AGAIN_FRAMES == 0
        )
        with self._metrics.stage("observe"):
            observation = vision.observe(frame, embed=wants, done=self._done)
        self._on_look(frame, observation)
        if request is not None:
            self._done = False
            self.enrolling.step(request, observation)
        else:
            self._decide(observation)
        return observation

    def idle(self) -> None:
        """No frame came for a while."""
        self.enrolling.idle()

    def _after_a_gap(self, t_s: float) -> None:
        gap_s, self._frame_s = t_s - self._frame_s, t_s
        if gap_s <= max(_BLIND_S, self._config.decision.gone_after_s):
            return
        self.forget()

    def forget(self) -> None:
        """Whoever stands there now may be somebody else: nothing gathered so far counts."""
        self._judge.forget()
        self.enrolling.forget()

    def close(self) -> None:
        """Tell the site of an enrolment that will not be finished any more."""
        self.enrolling.close()

    def _decide(self, observation: Observation) -> None:
        self._gallery.keep(self._now())
        step = self._judge.step(observation)
        self._done = step.phase not in (Phase.IDLE, Phase.GATHERING)
        self._on_step(observation, self._judge.fused, step)
        step = self._at_the_door(step)
        if step.outcome is not None:
            self._decided_s = observation.t_s
            self._greeted = self._greeting(step.outcome)
        if step.phase is not Phase.GRANTED:
            self._greeted = None
        ended = self._display.ended if step.phase is Phase.HELD else None
        display = Display(
            step.phase, step.instruction, progress=step.progress, name=self._greeted, ended=ended
        )
        if step.outcome is not None and not self._act(step.outcome):
            self._judge.hold(self._frame_s)
            self._done = False  # first of all this one is held
            display = Display(Phase.HELD)
        self._show(display)

    def _at_the_door(self, step: Step) -> Step:
        """Who is recognised while the door is kept shut is shown, as long as they stand there,
        that it does not open."""
        if step.outcome is not None:
            outcome = self._judged(step.outcome)
            self._barred = outcome.kind is not step.outcome.kind
            step = replace(step, outcome=outcome)
        if self._barred and step.phase is Phase.GRANTED:
            return replace(step, phase=Phase.DENIED)
        return step

    def _search(self, template: Floats) -> Match:
        with self._metrics.stage("search"):
            return self._index.search(template, 2)

    def _search_both(self, evidence: Fused, other: Fused | None) -> FusedMatch:
        assert self._move is not None  # noqa: S101  # else nobody asks
        with self._metrics.stage("search"):
            return self._move.both(evidence, other)

    def _greeting(self, outcome: Outcome) -> str | None:
        """The name to be shown, where the installer allows it."""
        web = self._config.web
        if outcome.kind is not Kind.GRANTED or outcome.person_id is None:
            return None
        return self._name_of(outcome.person_id) if web is not None and web.names else None

    def _act(self, outcome: Outcome) -> bool:
        """Record and do it; False when the door should have opened and did not."""
        done = True
        self._metrics.count(outcome.kind.value)
        event = self._journal.record(outcome.kind.value, **self._told(outcome))
        if outcome.kind is Kind.GRANTED:
            if event is None and self._config.events.on_write_failure == "deny":
                log.error("door kept shut: the event could not be recorded")
                done = False
            else:
                done = self._open_door()
        log.info(
            "presentation outcome=%s reason=%s similarity=%s threshold=%s quality=%s frames=%d "
            "duration_s=%.2f people=%s",
            outcome.kind.value,
            outcome.reason,
            _short(outcome.similarity),
            _short(outcome.threshold),
            _short(outcome.quality),
            outcome.frames,
            outcome.duration_s,
            outcome.people,
        )
        return done

    def _open_door(self) -> bool:
        try:
            self._door.pulse()
        except DoorError as fault:
            log.error("the door cannot be opened: %s", fault)
            self._journal.record("door.fault", reason=str(fault))
            return False
        return True

    def _told(self, outcome: Outcome) -> dict[str, Any]:
        told: dict[str, Any] = {
            "reason": outcome.reason,
            "rule": outcome.rule and outcome.rule.value,
            "similarity": _round(outcome.similarity),
            "runner_up": _round(outcome.runner_up),
            "threshold": _round(outcome.threshold),
            "review_threshold": _round(outcome.review_threshold),
            "implied_fpir": outcome.implied_fpir and float(f"{outcome.implied_fpir:.3g}"),
            "people": outcome.people,
            "margin": outcome.margin,
            "lookalike": outcome.lookalike,
            "quality": _round(outcome.quality),
            "fused_quality": _round(outcome.fused_quality),
            "minimum_quality": _round(outcome.minimum_quality),
            "frames": outcome.frames,
            "seen": outcome.seen,
            "defects": {defect.value: frames for defect, frames in outcome.defects.items()},
            "duration_s": round(outcome.duration_s, 3),
            "instructions": [instruction.value for instruction in outcome.instructions],
            "profile": self._config.decision.profile,
            "policy": self._digest,
            "model": self._identity if self._move is None else self._move.spoke,
        }
        if outcome.person_id is not None:
            told["person_id"] = outcome.person_id
            if self._config.names_in_events:
                told["name"] = self._name_of(outcome.person_id)
        return told

    def _name_of(self, person_id: str) -> str | None:
        try:
            return self._gallery.name_of(person_id)
        except StorageError as fault:
            log.warning("a name cannot be read: %s", fault)
            return None

    def _show(self, display: Display) -> None:
        if display != self._display:
            self._display = display
            self._on_display(display)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
