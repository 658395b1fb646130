"""What is done with each frame: observe, weigh, act, tell."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from edged.decision.presentation import Kind, Outcome, Phase
from edged.service.display import Display
from edged.service.doorway import Doorway
from edged.service.guided import Guided
from edged.service.judge import Judge, one_to_one
from edged.service.policy import policy_digest
from edged.types import FusedMatch

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
    from edged.types import Floats, Frame, Match, Observation
    from edged.vision.evidence import Fused
    from edged.vision.pipeline import Vision

_LOOK_AGAIN_FRAMES = 5
_BLIND_S = 2.0  # without a frame for this long, whoever stands there now may be somebody else


class Desk(Protocol):
    """What is needed of `edged.service.access_desk`."""

    @property
    def claimed(self) -> str | None:
        """Who somebody before the camera says they are."""

    def judged(self, outcome: Outcome, claim: str | None) -> bool:
        """Take in what was decided about a face that was compared with `claim` alone, or with
        everybody, and act upon it; False: the door should have opened, and did not."""


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
        judged: what becomes of an outcome by the door's mode, without a `desk`.
        desk: decides whether who is recognised is let in, and does it.
        doorway: records and acts; None: one of its own.
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
        desk: Desk | None = None,
        doorway: Doorway | None = None,
    ) -> None:
        self._judged = judged
        self._desk = desk
        self._claim: str | None = None  # whom the face is compared with, alone
        self._now = now
        self._config = config
        self._gallery = gallery
        self._index = index
        self._door = door
        self._metrics = metrics
        self._on_display = on_display
        self._on_step = on_step
        self._on_look = on_look
        self._move = move
        self._doorway = doorway or Doorway(
            config,
            digest=policy_digest(policy, config.decision.profile, identity),
            model=lambda: identity if move is None else move.spoke,
            gallery=gallery,
            journal=journal,
            metrics=metrics,
        )
        self._quality = quality
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
        self._who: str | None = None  # was decided about last
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
        self._follow_claim()
        step = self._judge.step(observation)
        self._done = step.phase not in (Phase.IDLE, Phase.GATHERING)
        self._on_step(observation, self._judge.fused, step)
        done = True
        if step.outcome is not None:
            self._decided_s = observation.t_s
            done = self._act(step.outcome)
        if step.phase is not Phase.GRANTED:
            self._greeted = None
        if self._barred and step.phase is Phase.GRANTED:
            # as long as they stand there it is shown that the door does not open for them
            step = replace(step, phase=Phase.DENIED)
        ended = self._display.ended if step.phase is Phase.HELD else None
        display = Display(
            step.phase, step.instruction, progress=step.progress, name=self._greeted, ended=ended
        )
        if not done:
            self._judge.hold(self._frame_s)
            self._done = False  # first of all this one is held
            display = Display(Phase.HELD)
        self._show(display)

    def _follow_claim(self) -> None:
        """Whoever says who they are is looked at anew, also where it was decided already that
        nobody is recognised; who was let in is left in peace, but for their own claim."""
        if self._desk is None or (claim := self._desk.claimed) == self._claim:
            return
        self._claim = claim
        if claim is None:
            return
        refused = self._judge.phase in (Phase.DENIED, Phase.REVIEW, Phase.SECOND_FACTOR)
        if refused or (self._judge.phase is Phase.GRANTED and self._who == claim):
            self._judge.forget()

    def _act(self, outcome: Outcome) -> bool:
        """Do what was decided; False when the door should have opened and did not."""
        self._who = outcome.person_id
        if self._desk is not None:
            return self._desk.judged(outcome, self._claim)
        recognised, outcome = outcome.kind, self._judged(outcome)
        self._barred = outcome.kind is not recognised
        let_in = outcome.person_id if outcome.kind is Kind.GRANTED else None
        self._greeted = self._doorway.greeting(let_in)
        return self._doorway.act(outcome, self._door.pulse)

    def _search(self, template: Floats) -> Match:
        with self._metrics.stage("search"):
            alone = self._search_claimed(template)
            return self._index.search(template, 2) if alone is None else alone

    def _search_claimed(self, template: Floats) -> Match | None:
        """1:1 where somebody said who they are; None: nobody did."""
        row = None if self._claim is None else self._index.row(self._claim)
        if self._claim is None or row is None:
            return None
        return one_to_one(self._claim, row[1], template)

    def _search_both(self, evidence: Fused, other: Fused | None) -> FusedMatch:
        assert self._move is not None  # noqa: S101  # else nobody asks
        with self._metrics.stage("search"):
            alone = self._search_claimed(evidence.template)
            if alone is not None:  # by the network in use: nothing is learnt from it
                return FusedMatch(alone, self._quality(evidence.log_variance), evidence.views)
            return self._move.both(evidence, other)

    def _show(self, display: Display) -> None:
        if display != self._display:
            self._display = display
            self._on_display(display)
