"""Two networks' indexes searched as one gallery: each person by one of the two, on one scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

from edged.service.moving import carried, merged
from edged.types import Candidate, Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edged.decision.policy import Policy
    from edged.gallery.search import Index
    from edged.types import Floats, RiskPoint
    from edged.vision.evidence import Fused

NUMBER = 2  # of candidates: the best, and whom they must be ahead of
FEW = 64
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two networks.

    Attributes:
        identity: of its bundle.
        curve: its risk curve.
        quality: what a log variance means to it, 0-1.
        index: who has templates of it.
    """

    identity: str
    curve: tuple[RiskPoint, ...]
    quality: Callable[[float], float]
    index: Index


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is matched by which network.

    Attributes:
        moved: by the next one.
        waiting: by the one in use.
    """

    moved: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()

    @property
    def people(self) -> int:
        """How many there are in all."""
        return len(self.moved) + len(self.waiting)


@dataclass(frozen=True, slots=True)
class Look:
    """What the evidence of one moment says.

    Attributes:
        match: of everybody, on the scale of the network in use.
        quality: of the evidence, by the network that the best candidate was matched by.
        spoke: the identity of that network.
        old, new: the evidence by either network; the next one's may be missing.
        alone: the match if the network in use decided alone.
        qualities: of the evidence by either network.
    """

    match: Match
    quality: float
    spoke: str
    old: Fused
    new: Fused | None
    alone: Match
    qualities: tuple[float, float]

    def granted_alone(self, policy: Policy) -> str | None:
        """Whom the network in use would let in by itself."""
        if not self.alone.candidates or self.old.views < policy.evidence_frames:
            return None
        best, *rest = self.alone.candidates
        ahead = not rest or best.similarity - rest[0].similarity >= policy.margin
        trusted = self.qualities[0] >= policy.minimum_quality
        granted = best.similarity >= policy.thresholds(self.match.people).grant
        return best.person_id if granted and trusted and ahead and not best.lookalike else None


def look(old: Side, new: Side, roll: Roll, evidence: Fused, other: Fused | None) -> Look:
    """Search both; without evidence of the next network everybody is matched by the one in use.

    FPIR: each person is compared once, by one network, and a similarity that is carried over
    has the same FMR on either scale. So a search is as many comparisons of the threshold's FMR
    as there are people, as before the move, and thresholds derived from their number hold.
    """
    everybody, waiting = _waiting(old.index, evidence.template, roll)
    quality = old.quality(evidence.log_variance)
    if other is None or not roll.moved:
        doubt = 0.0 if other is None else new.quality(other.log_variance)
        alone = (quality, doubt)
        return Look(everybody, quality, old.identity, evidence, other, everybody, alone)
    moved = [
        replace(one, similarity=carried(one.similarity, new.curve, old.curve))
        for one in best_of(new.index, other.template, roll.moved)
    ]
    candidates = merged(waiting, moved, NUMBER)
    qualities = (quality, new.quality(other.log_variance))
    by_new = bool(candidates) and candidates[0].person_id in roll.moved
    return Look(
        # never fewer than the index knows of: fewer would make the threshold laxer
        Match(candidates, max(roll.people, everybody.people)),
        qualities[by_new],
        new.identity if by_new else old.identity,
        evidence,
        other,
        everybody,
        qualities,
    )


def _waiting(index: Index, probe: Floats, roll: Roll) -> tuple[Match, list[Candidate]]:
    """The best of everybody, and the best of those who wait."""
    everybody = index.search(probe, NUMBER)
    found = [one for one in everybody.candidates if one.person_id not in roll.moved]
    if len(found) == len(everybody.candidates):
        return everybody, found
    return everybody, best_of(index, probe, roll.waiting)


def best_of(index: Index, probe: Floats, ids: frozenset[str]) -> list[Candidate]:
    """The best of some of an index's people; exact.

    Few are compared one by one; of many the index is asked for so many of its best that some
    of them are among those, and for more where that was not enough.
    """
    if len(ids) <= FEW:
        return _one_by_one(index, probe, ids)
    people = index.people
    wanted = ceil(_AHEAD * NUMBER * people / len(ids))
    while True:
        found = index.search(probe, wanted).candidates
        mine = [one for one in found if one.person_id in ids]
        if len(mine) >= NUMBER or wanted >= people:
            return mine[:NUMBER]
        wanted *= _AHEAD


def _one_by_one(index: Index, probe: Floats, ids: Iterable[str]) -> list[Candidate]:
    found, marked = [], index.marked
    for who in ids:
        row = index.row(who)
        if row is not None:
            cosine = max(-1.0, min(1.0, float(row[1] @ probe)))
            found.append(Candidate(who, cosine, who in marked))
    return sorted(found, key=lambda one: one.similarity, reverse=True)[:NUMBER]
