"""What a similarity risks: the false match table, counted and extrapolated, and its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from edged.errors import EvaluationError
from edged.evaluation.comparisons import BIN, Counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edged.evaluation.comparisons import Impostors

MEASURED_FMR = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
EXTRAPOLATED_FMR = (3e-6, 1e-6, 3e-7, 1e-7, 1e-8, 1e-9, 1e-10)
FIT_FMR = (1e-3, 1e-5)
FEWEST_COUNTED = 10
MOST_SIMILARITY = 0.99
DRAWS = 200


@dataclass(frozen=True)
class Tail:
    """Upper tail of impostor similarities, twice.

    normal: probit(1 - FMR) = (s - mu) / sigma. Pareto: generalised Pareto exceedances of `start`,
    the similarity at the upper end of `FIT_FMR`.
    """

    mu: float
    sigma: float
    start: float
    start_fmr: float
    scale: float
    shape: float

    def normal(self, fmr: float) -> float:
        return float(self.mu + self.sigma * stats.norm.isf(fmr))

    def pareto(self, fmr: float) -> float:
        share = fmr / self.start_fmr
        return float(self.start + stats.genpareto.isf(share, self.shape, scale=self.scale))

    def similarity_at(self, fmr: float) -> float:
        """Half way between the two: held out by a decade, one lands too high, one too low."""
        return (self.normal(fmr) + self.pareto(fmr)) / 2


def window(count: int) -> tuple[float, float]:
    """The FMRs between which `count` comparisons carry a fit; `FIT_FMR` for ten million or more.

    Below 1e-5 a public set's duplicate identities and wrong names are a share of the counts that
    nobody knows, so the far tail is never looked at.
    """
    strict = max(FIT_FMR[1], min(1e-2, 5 * FEWEST_COUNTED / count))
    return min(0.1, 100 * strict), strict


def fit_tail(impostors: Counts, window: tuple[float, float] = FIT_FMR) -> Tail:
    """Fit between the two FMRs of `window` only.

    Raises:
        EvaluationError: the similarities there do not differ, or reach 1.
    """
    fmr = np.geomspace(*window, 41)
    similarity = np.array([impostors.similarity_at(f) for f in fmr])
    low, high = similarity[0], similarity[-1]
    if high - low <= 4 * BIN or high >= 1:
        raise EvaluationError(
            f"similarities of different people hardly differ ({low:.4f} at FMR {window[0]:.2g}, "
            f"{high:.4f} at {window[1]:.2g}): this network does not tell people apart"
        )
    sigma, mu = np.polyfit(stats.norm.isf(fmr), similarity, 1)

    first, last = round((low + 1) / BIN), round((high + 1) / BIN)
    counts = impostors.histogram[first:last].astype(np.float64)
    values = (np.arange(len(counts)) + 0.5) * BIN

    values, counts = values[counts > 0], counts[counts > 0]

    def loss(parameters: NDArray[np.float64]) -> float:
        """Negative log likelihood of exceedances cut off at the window's end."""
        scale, shape = np.exp(parameters[0]), parameters[1] or 1e-9
        reach = np.append(values, high - low) * shape / scale
        if reach.min() <= -1:  # beyond where such a tail ends
            return 1e12
        logs = np.log1p(reach)
        inside = -np.expm1(-logs[-1] / shape)
        density = -(1 + 1 / shape) * logs[:-1] - np.log(scale)
        return float(counts.sum() * np.log(inside) - (density * counts).sum())

    start = np.array([np.log((high - low) / 4), -0.1])
    found = optimize.minimize(loss, start, method="Nelder-Mead")
    scale, shape = np.exp(found.x[0]), found.x[1]
    return Tail(float(mu), float(sigma), float(low), window[0], float(scale), float(shape))


def counted(impostors: Counts) -> list[float]:
    """The FMRs of the table that rest on ten or more comparisons."""
    return [f for f in MEASURED_FMR if f * impostors.count >= FEWEST_COUNTED]


def false_match_table(impostors: Counts, tail: Tail) -> list[dict[str, object]]:
    """Rows of the manifest's table, descending FMR; counted while counts can be trusted.

    Of a set too small to count 1e-5 the rest is the normal tail alone, which lands too high
    where the two can be compared: the stricter side.

    Raises:
        EvaluationError: too few comparisons for the first row, or a tail that goes nowhere.
    """
    measured = counted(impostors)
    if not measured:
        raise EvaluationError(
            f"{impostors.count:,} comparisons of different people are too few for a false match "
            f"table: {FEWEST_COUNTED} of them must lie above FMR {MEASURED_FMR[0]:g}, so it takes "
            f"{round(FEWEST_COUNTED / MEASURED_FMR[0]):,}; add people or photos"
        )
    extrapolated = [f for f in (*MEASURED_FMR, *EXTRAPOLATED_FMR) if f not in measured]
    beyond = tail.similarity_at if len(measured) == len(MEASURED_FMR) else tail.normal
    rows = [(f, impostors.similarity_at(f), "measured") for f in measured]
    rows += [(f, beyond(f), "extrapolated") for f in extrapolated]
    return rising(rows)


def rising(rows: list[tuple[float, float, str]]) -> list[dict[str, object]]:
    """Rows as the manifest wants them: strictly rising, each at least as strict as given, and
    none that no two photos of one person could reach.

    Raises:
        EvaluationError: fewer than two rows are left.
    """
    table: list[dict[str, object]] = []
    last = -1.0
    for fmr, given, basis in rows:
        similarity = round(max(given, last + BIN), 4)
        if not similarity < MOST_SIMILARITY:
            break
        table.append({"fmr": fmr, "similarity": similarity, "basis": basis})
        last = similarity
    if len(table) < 2:
        raise EvaluationError(
            f"a threshold of {MOST_SIMILARITY} does not keep an FMR of {rows[1][0]:g}: this "
            "network does not tell people apart"
        )
    return table


@dataclass(frozen=True)
class Resampled:
    """The comparisons of a set, ready to be counted again for people drawn with replacement.

    A person's comparisons hang together; drawing pairs would make intervals far too narrow.
    """

    impostors: Impostors
    left: NDArray[np.intp]
    right: NDArray[np.intp] | None

    @staticmethod
    def of(
        impostors: Impostors,
        names: NDArray[np.str_],
        left: NDArray[np.str_],
        right: NDArray[np.str_] | None = None,
    ) -> Resampled:
        """`names` are all people, sorted; `left` and `right` the people of the compared rows."""
        other = None if right is None else np.searchsorted(names, right)
        return Resampled(impostors, np.searchsorted(names, left), other)

    def counts(self, weight: NDArray[np.int64]) -> Counts:
        """What is counted when each person is there `weight` times.

        The histogram is true from the lowest similarity on that was kept one by one.
        """
        other = self.left if self.right is None else self.right
        i, j = self.impostors.pairs.T
        bins = ((self.impostors.similarities + 1) / BIN).astype(np.int64)
        weights = weight[self.left[i]] * weight[other[j]]
        histogram = np.bincount(
            np.clip(bins, 0, None), weights, minlength=len(self.impostors.histogram)
        )
        a = np.bincount(self.left, minlength=len(weight)) * weight
        b = np.bincount(other, minlength=len(weight)) * weight
        whole = float(a.sum()) * float(b.sum()) - float((a * b).sum())
        whole = whole / 2 if self.right is None else whole
        histogram[0] += max(0.0, whole - histogram.sum())
        return Counts(histogram)


def draws(people: int, seed: int, number: int = DRAWS) -> Iterator[NDArray[np.int64]]:
    """How often each person is there, in `number` draws of as many people with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        yield np.bincount(rng.integers(0, people, people), minlength=people)


def threshold(table: list[dict[str, object]], people: int, fpir: float) -> float:
    """Similarity threshold of a door: FMR* = 1 - (1 - FPIR)^(1/N), log-interpolated."""
    fmr = -np.expm1(np.log1p(-fpir) / people)
    x = np.log10([float(str(r["fmr"])) for r in table])[::-1]
    y = [float(str(r["similarity"])) for r in table][::-1]
    return float(np.interp(np.log10(fmr), x, y))
