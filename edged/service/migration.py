"""People move to the next bundle as they are recognised.

The vision thread calls `again`, `both` and `step`, which compare numbers in memory; what is
written down is written by a `Mover`.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from edged.decision.presentation import Kind
from edged.errors import EdgedError
from edged.service.beside import twinned
from edged.service.merge import Side, look
from edged.service.mover import PART, Compared, Mover, Recognised
from edged.service.moving import TIE, Tally, carried, strong_from
from edged.service.next_network import NextNetwork
from edged.types import FusedMatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.decision.presentation import Outcome, Step
    from edged.gallery.people import Enrolment
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.service.engine import Engine
    from edged.service.journal import Journal
    from edged.service.merge import Look
    from edged.service.state import State
    from edged.types import Image, Point, Second
    from edged.vision.evidence import Fused

log = logging.getLogger(__name__)

_REFUSED = (Kind.DENIED, Kind.REVIEW, Kind.SECOND_FACTOR)


class Migration:
    """A move from the bundle in use to `model.next`; does nothing where there is none.

    Whatever is wrong with the next bundle, the door works on with the one in use, and the state
    says what is wrong.

    Args:
        engine: of the bundle in use, open.
        policy: its rules.
        index: who has templates of it.
        now: monotonic seconds.

    Attributes:
        spoke: the identity of the network by which the last search's best was matched.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        policy: Policy,
        gallery: Gallery,
        index: Index,
        journal: Journal,
        state: State,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._policy = policy
        self._gallery = gallery
        self._journal = journal
        self._state = state
        self._now = now
        manifest = engine.manifest
        quality = manifest.quality
        self._old = Side(engine.identity, manifest.similarity.risk, quality.quality, index)
        self._least = max(quality.minimum.access, policy.minimum_quality)
        self._network = NextNetwork(config, engine, self._refuse, now)
        self._new: Side | None = None
        self._new_least = 1.0
        self._mover: Mover | None = None
        self._look: Look | None = None
        self._known_alone: str | None = None  # whom the old network would have let in
        self.spoke = engine.identity

    @property
    def configured(self) -> bool:
        """Whether two networks may decide; then nothing is recorded, see docs/model-change.md."""
        return self._mover is not None

    @property
    def identity(self) -> str | None:
        """The bundle that people move to just now; None: nobody moves."""
        return self._network.identity if self._network.active else None

    def open(self) -> None:
        """Open the next bundle and begin, or go on, where the last run stopped."""
        name = self._config.model.next
        if name is None:
            return
        try:
            self._open(name)
        except EdgedError as fault:
            self.close()
            self._refuse("; ".join(str(fault).splitlines()))

    def _open(self, name: str) -> None:
        manifest = self._network.open(name)
        if manifest is None:
            log.warning("model.next is the bundle in use: take it out of the configuration")
            self._state.set(model_move={"status": "none", "reason": "it is the bundle in use"})
            return
        identity, quality = self._network.identity, manifest.quality
        index = self._gallery.index(identity, manifest.outputs.embedding.size)
        self._new = Side(identity, manifest.similarity.risk, quality.quality, index)
        self._new_least = quality.minimum.access
        facts: dict[str, Any] = {}
        if self._config.recording is not None:
            facts["recording"] = "paused: a recording is decided by one network"
        mover = Mover(
            self._old,
            self._new,
            self._network,
            self._policy,
            self._gallery,
            self._journal,
            self._state,
            facts,
            self._now,
        )
        mover.open()
        self._mover = mover

    def close(self) -> None:
        """Finish what is at hand and let go of the network; safe at any time, and twice."""
        if self._mover is not None:
            self._mover.close()
        self._network.close()

    def _refuse(self, reason: str) -> None:
        if self._state.degrade(PART, reason):
            log.error("the next bundle is not used: %s", reason)

    # on the vision thread

    def again(self, image: Image, landmarks: Sequence[Point], chip: Image) -> Second | None:
        """What the next network makes of a view; see `Vision`."""
        return self._network.see(image, landmarks, chip)

    def both(self, fused: Fused, other: Fused | None) -> FusedMatch:
        """Search with the evidence of both networks; see `Judge`."""
        new, mover = self._new, self._mover
        if new is None or mover is None or not self._network.active:
            self._look, self.spoke = None, self._old.identity
            match = self._old.index.search(fused.template, 2)
            return FusedMatch(match, self._old.quality(fused.log_variance), fused.views)
        found = self._look = look(self._old, new, mover.roll, fused, other)
        self.spoke = found.spoke
        return FusedMatch(found.match, found.quality, fused.views)

    def step(self, step: Step) -> None:
        """Take in what was decided on a frame; never blocks."""
        found, self._look = self._look, None
        if self._mover is None or not self._network.active:
            self._known_alone = None
            return
        outcome = step.outcome
        if found is not None and found.old.views == 1:
            # with this frame somebody begins; a summary is of whoever was there before
            self._over(missed=outcome is None and step.summary is not None)
        if found is not None and found.new is not None:
            alone = found.granted_alone(self._policy)
            if alone in self._mover.roll.moved:
                self._known_alone = alone
        if outcome is not None and outcome.kind is Kind.GRANTED:
            if found is not None and found.new is not None and outcome.person_id is not None:
                self._granted(outcome, outcome.person_id, found, found.new)
            self._over(missed=False)
            return
        refused = outcome is not None and outcome.kind in _REFUSED
        left = step.summary is not None and (found is None or found.old.views > 1)
        if refused or left:
            self._over(missed=True)

    def _over(self, *, missed: bool) -> None:
        """A presentation is over; `missed`: nobody was let in."""
        if missed and self._known_alone is not None and self._mover is not None:
            self._mover.put(Compared(self._known_alone, self._now(), Tally(missed=1)))
        self._known_alone = None

    def _granted(self, outcome: Outcome, who: str, found: Look, new: Fused) -> None:
        if self._mover is None:
            return
        if who in self._mover.roll.moved:
            seen = self._compare(who, found, new)
            if seen is not None:
                self._mover.put(Compared(who, self._now(), seen))
        elif self._beyond_doubt(who, outcome, found):
            made = new.template, found.qualities[1], found.old.template
            self._mover.put(Recognised(who, self._now(), *made))

    def _beyond_doubt(self, who: str, outcome: Outcome, found: Look) -> bool:
        best = found.alone.candidates[0] if found.alone.candidates else None
        grant = outcome.threshold
        return (
            best is not None
            and grant is not None
            and best.person_id == who
            and best.similarity >= strong_from(grant, self._old.curve)
            and found.qualities[0] >= self._least
            and found.qualities[1] >= self._new_least
        )

    def _compare(self, who: str, found: Look, new: Fused) -> Tally | None:
        """Both networks on the views that somebody who moved was just let in by."""
        side = self._new
        if side is None:
            return None
        before, now = _cosine(self._old, who, found.old), _cosine(side, who, new)
        if before is None or now is None:
            return None
        highest, now = (carried(one, side.curve, self._old.curve) for one in (1.0, now))
        before = min(before, highest)  # beyond it the scale says nothing of the next one
        doubted = found.qualities[1] < found.qualities[0]
        return Tally(
            worse=int(now < before - TIE),
            better=int(now > before + TIE),
            equal=int(abs(now - before) <= TIE),
            saved=int(self._known_alone is None),
            doubted=int(doubted),
            trusted=int(not doubted),
        )

    # enrolments

    def twin(self, enrolment: Enrolment, second: Second | None) -> list[Enrolment]:
        """An enrolment, and the same by the next network where that trusts the view."""
        return twinned(enrolment, second, self.identity, self._new_least)


def _cosine(side: Side, who: str, evidence: Fused) -> float | None:
    row = side.index.row(who)
    return None if row is None else float(row[1] @ evidence.template)
