"""Moving people from one network to the next: what is decided about them, in plain numbers.

A move never asks anybody to come for it. Who is recognised beyond doubt by the network in use
gets a template of the next one, from the same views; who has enough of them is matched by the
next one from then on. Both networks' similarities are put on one scale, that of the network in
use, by the share of impostors that reaches them.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import exp, lgamma, log
from typing import TYPE_CHECKING

from edged.decision.policy import fmr_at, similarity_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edged.types import Candidate, RiskPoint

ENOUGH = 2
"""Templates of the next network that a person needs to be matched by it."""

APART_S = 3600.0
"""Between two of them: light, clothes and mood of one visit are not to be all that is known."""

STRONGER = 10.0
"""How many times rarer an impostor's similarity must be than the threshold asks, before a match
is strong enough to make a template of: with two of them a stranger's risk is squared."""

ALARM = 1e-3
"""The chance that a next network which is no worse is ever rolled back, by each of two tests."""

FEWEST = 30
"""Presentations that differ before similarities may end a move."""

_RAREST = 1e-300  # a table that ends far below goes on to no rate at all

TIE = 0.02
"""Similarities that differ by less say nothing about which network is better."""

MOST_EACH = 5
"""Comparisons that one person counts for: a frequent visitor is not everybody."""


def carried(similarity: float, curve: Sequence[RiskPoint], onto: Sequence[RiskPoint]) -> float:
    """The similarity that is reached by the same share of impostors with another network.

    Where both tables speak it is linear in log10(FMR) between their points. Beyond the strict
    end of either it stays at that end, so that no certainty is invented; below the lax end,
    where nothing is ever granted, it is a straight line to -1 below the other's lax end.

    Args:
        similarity: by the network of `curve`.
        curve: its risk curve, falling FMR.
        onto: the risk curve of the network on whose scale it is wanted.
    """
    lax = min(curve[0].fmr, onto[0].fmr)
    strict = max(curve[-1].fmr, onto[-1].fmr)
    knee = similarity_at(lax, curve)
    if not similarity >= knee:  # so written, NaN stays one
        return -1 + (similarity + 1) * (onto[0].similarity + 1) / (knee + 1)
    fmr = min(lax, max(strict, fmr_at(similarity, curve)))
    return similarity_at(fmr, onto)


def overlap(curve: Sequence[RiskPoint], onto: Sequence[RiskPoint]) -> bool:
    """Whether there is any FMR of which both speak."""
    return max(curve[-1].fmr, onto[-1].fmr) < min(curve[0].fmr, onto[0].fmr)


def strong_from(grant: float, curve: Sequence[RiskPoint]) -> float:
    """The similarity from which a match is beyond doubt, where `grant` lets somebody in."""
    return max(grant, similarity_at(max(_RAREST, fmr_at(grant, curve) / STRONGER), curve))


def has_moved(old: int, new: int) -> bool:
    """Whether somebody with so many templates of either network is matched by the next one."""
    return new >= ENOUGH or (old == 0 and new > 0)


def merged(
    waiting: Iterable[Candidate], moved: Iterable[Candidate], number: int
) -> tuple[Candidate, ...]:
    """The best of two parts of the people, best first; nobody is in both."""
    everybody = sorted([*waiting, *moved], key=lambda one: one.similarity, reverse=True)
    return tuple(everybody[:number])


def tenths(moved: int, people: int) -> int:
    """Progress in steps of ten per cent; 100 only when everybody has moved."""
    return 10 * (10 * moved // people) if people else 0


def log_evidence(against: int, for_it: int) -> float:
    """How strongly it is shown that `against` comes more often than `for_it`: the logarithm of
    a likelihood ratio that may be looked at after every event.

    It is that of a uniform prior over the share against a share of one half. If events against
    come no more often than the others, the chance that it *ever* reaches log(1 / a) with more
    against than for it is at most a (Ville's inequality); a p-value looked at again and again
    would cross any level some day.
    """
    number = against + for_it
    if against <= for_it:
        return 0.0
    ratio = lgamma(against + 1) + lgamma(for_it + 1) - lgamma(number + 2) + number * log(2)
    return max(0.0, ratio)


def chance(against: int, for_it: int) -> float:
    """The same as an upper bound of the probability, 0-1, that this came about by chance."""
    return exp(-log_evidence(against, for_it))


@dataclass(frozen=True, slots=True)
class Tally:
    """What was seen of people who moved: pairs of what either network said of the same views.

    Attributes:
        worse, better, equal: granted presentations by the next network's similarity against
            the old one's on the common scale; equal within `TIE`.
        missed: presentations that only the old network would have granted.
        saved: those that only the next one did.
        doubted, trusted: granted presentations whose quality the next one put lower, or not.
    """

    worse: int = 0
    better: int = 0
    equal: int = 0
    missed: int = 0
    saved: int = 0
    doubted: int = 0
    trusted: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def verdict(self) -> str | None:
        """Why the move is to be rolled back: ``refused`` or ``similarity``; None: it is not."""
        if chance(self.missed, self.saved) < ALARM:
            return "refused"
        enough = self.worse + self.better >= FEWEST
        return "similarity" if enough and chance(self.worse, self.better) < ALARM else None
