"""Error rates with their counts and bounds: at a threshold, along a DET curve, at equal error.

Comparisons of one person hang together, so where people are known the 95 % bounds come from
drawing people with replacement; a threshold that comes from the same people is drawn again with
them, as it would be of other people. Where nothing failed, a draw shows nothing: there, and where
no people are known, the bounds are as if the comparisons were independent, which makes them too
narrow. Every rate says which of the two it has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from edged.evaluation.comparisons import BIN, Impostors
from edged.evaluation.intervals import clopper_pearson
from edged.evaluation.risk import Resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats

    Ints = NDArray[np.int64]
    Doubles = NDArray[np.float64]

DRAWS = 500
FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
_LEAST_FALSE_MATCHES = 30  # the rule of 30 (Doddington et al., 2000): within 30 % at 90 %
_DET_POINTS = 80
_SAMPLE = 1500
_TAIL_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """Events out of trials; ``value`` and the bounds are None where nothing was tried."""

    events: int
    trials: int
    value: float | None
    low: float | None
    high: float | None
    bounds: Literal["people", "independent", "none"]


def independent(events: int, trials: int) -> Rate:
    """A share with Clopper-Pearson bounds."""
    if not trials:
        return Rate(0, 0, None, None, None, "none")
    low, high = clopper_pearson(events, trials)
    return Rate(events, trials, events / trials, low, high, "independent")


class Draws:
    """People drawn with replacement, as how often each is in: (draws, people)."""

    def __init__(self, people: int, seed: int, draws: int = DRAWS) -> None:
        rng = np.random.default_rng(seed)
        self.people = people
        self.weights: NDArray[np.int16] = rng.multinomial(
            people, np.full(people, 1 / people), size=draws
        ).astype(np.int16)

    def share(self, events: NDArray[np.bool_], owner: Ints) -> Rate:
        """A share of trials, each of which belongs to one person.

        Args:
            events: (n,) what happened.
            owner: (n,) the person's number.
        """
        happened, tried = int(events.sum()), len(events)
        if not 0 < happened < tried:
            return independent(happened, tried)
        by = np.bincount(owner, events, self.people)
        of = np.bincount(owner, minlength=self.people)
        total = self.weights @ of
        shares = (self.weights @ by)[total > 0] / total[total > 0]
        low, high = np.quantile(shares, [0.025, 0.975])
        return Rate(happened, tried, happened / tried, float(low), float(high), "people")

    def thresholds(self, pairs: Impostors, labels: Ints, fmrs: list[float]) -> Doubles:
        """The similarity at each FMR in each draw, (draws, fmrs); NaN where a draw has one person.

        Args:
            pairs: with a tail that goes well beyond the largest of the FMRs.
            labels: the person of each image, (images,).
        """
        again = Resampled(pairs, labels, None)
        found = np.full((len(self.weights), len(fmrs)), np.nan)
        for row, weight in zip(found, self.weights, strict=True):
            counts = again.counts(weight.astype(np.int64))
            if counts.count:
                row[:] = [counts.similarity_at(fmr) for fmr in fmrs]
        return found

    def misses(
        self, genuine: Floats, owner: Ints, threshold: float, redrawn: NDArray[np.floating]
    ) -> Rate:
        """FNMR at a threshold that comes from the same people.

        Args:
            genuine: similarities, (n,).
            owner: (n,) the person's number.
            redrawn: the threshold in each draw; see `thresholds`.
        """
        happened, tried = int((genuine < threshold).sum()), len(genuine)
        if not 0 < happened < tried:
            return independent(happened, tried)
        shares = []
        for weight, similarity in zip(self.weights, redrawn, strict=True):
            by_pair = weight[owner].astype(np.int64)
            total = by_pair.sum()
            if total and not np.isnan(similarity):
                shares.append(by_pair[genuine < similarity].sum() / total)
        low, high = np.quantile(shares, [0.025, 0.975])
        return Rate(happened, tried, happened / tried, float(low), float(high), "people")

    def false_matches(self, pairs: Impostors, sizes: Ints, labels: Ints, threshold: float) -> Rate:
        """FMR at a threshold that lies in the tail of `pairs`.

        Args:
            sizes: images by person, (people,).
            labels: the person of each image, (images,).
        """
        kept = pairs.similarities >= threshold
        happened, tried = int(kept.sum()), pairs.count
        if not 0 < happened < tried:
            return independent(happened, tried)
        people = labels[pairs.pairs[kept]]
        key = people.min(1) * self.people + people.max(1)
        unique, count = np.unique(key, return_counts=True)
        left, right = unique // self.people, unique % self.people
        shares = []
        for weight in self.weights.astype(np.int64):
            images = weight * sizes
            # A person drawn twice is not compared with their own double.
            total = (images.sum() ** 2 - (images**2).sum()) / 2
            if total:
                shares.append((weight[left] * weight[right] * count).sum() / total)
        low, high = np.quantile(shares, [0.025, 0.975])
        return Rate(happened, tried, happened / tried, float(low), float(high), "people")


def misses_of_pairs(genuine: Floats, impostor: Floats, fmr: float, seed: int) -> Rate:
    """FNMR at the threshold of listed impostors, both kinds of pairs drawn again.

    Of n impostors drawn with replacement the one of rank m has the rank n * Beta(m, n + 1 - m)
    among those there were, and of the genuine pairs a binomial number lies below it.
    """
    threshold = impostors_of(impostor).similarity_at(fmr)
    fixed = independent(int((genuine < threshold).sum()), len(genuine))
    tried, count = fixed.trials, len(impostor)
    if fixed.low is None or fixed.high is None:
        return fixed
    rng = np.random.default_rng(seed)
    last = int(fmr * count) + 1  # the closest that the threshold keeps out
    ranks = (count * rng.beta(last, count + 1 - last, 4 * DRAWS)).astype(np.int64)
    highest = np.sort(impostor)[::-1][np.minimum(ranks, count - 1)]
    below = np.searchsorted(np.sort(genuine), highest, side="right") / tried
    low, high = np.quantile(rng.binomial(tried, below) / tried, [0.025, 0.975])
    # Of few events draws show too little.
    return replace(fixed, low=min(fixed.low, float(low)), high=max(fixed.high, float(high)))


def impostors_of(similarities: Floats, rows: NDArray[np.int32] | None = None) -> Impostors:
    """Listed impostor comparisons, all of them kept one by one."""
    rows = np.zeros((len(similarities), 2), np.int32) if rows is None else rows
    bins = ((similarities + 1) / BIN).astype(np.int64)
    size = round(2 / BIN) + 2
    return Impostors(np.bincount(bins, minlength=size)[:size], rows, similarities)


def tail_from(faces: Floats, people: Ints) -> float:
    """From where impostors are kept one by one: the closest few in a hundred, by a sample.

    That is enough for the threshold at the largest of `FMRS` in every draw of people.
    """
    rows = np.random.default_rng(0).permutation(len(faces))[:_SAMPLE]
    found = faces[rows] @ faces[rows].T
    apart = (people[rows][:, None] != people[rows][None]) & np.isfinite(found)
    return float(np.quantile(found[apart], _TAIL_SHARE)) if apart.any() else 1.0


def supported(impostors: Impostors) -> list[float]:
    """The false match rates at which enough false matches were counted."""
    return [fmr for fmr in FMRS if impostors.count * fmr >= _LEAST_FALSE_MATCHES]


@dataclass(frozen=True, slots=True)
class Point:
    """Both error rates at one similarity."""

    similarity: float
    fmr: float
    fnmr: float


class Curve:
    """FMR and FNMR at every similarity, in steps of `BIN`."""

    def __init__(self, genuine: Floats, impostors: Impostors) -> None:
        size = len(impostors.histogram)
        above = np.cumsum(impostors.histogram[::-1])[::-1]
        self.similarity = np.arange(size) * BIN - 1
        self.fmr = above / max(impostors.count, 1)
        self.fnmr = np.searchsorted(np.sort(genuine), self.similarity) / max(len(genuine), 1)

    def equal_error(self) -> Point:
        """Where the two rates meet; their mean stands for both."""
        at = int(np.argmax(self.fnmr >= self.fmr))
        return self._point(at)

    def points(self, impostors: int) -> list[Point]:
        """A DET curve, evenly spread over the logarithm of the FMR."""
        wanted = np.geomspace(1, 1 / max(impostors, 2), _DET_POINTS)
        at = {int(np.argmax(self.fmr <= fmr)) for fmr in wanted}
        return [self._point(number) for number in sorted(at)]

    def _point(self, at: int) -> Point:
        return Point(
            round(float(self.similarity[at]), 4), float(self.fmr[at]), float(self.fnmr[at])
        )
