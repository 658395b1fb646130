"""What a similarity risks: the false match table, counted and extrapolated, and its bounds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.comparisons import Impostors

MEASURED_FMR = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
EXTRAPOLATED_FMR = (3e-6, 1e-6, 3e-7, 1e-7, 1e-8, 1e-9, 1e-10)
FIT_FMR = (1e-3, 1e-5)


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


def fit_tail(impostors: Impostors, window: tuple[float, float] = FIT_FMR) -> Tail:
    """Fit between the two FMRs of `window` only.

    Below 1e-5 a public set's duplicate identities and wrong names are a share of the counts that
    nobody knows, so the far tail is never looked at.
    """
    fmr = np.geomspace(*window, 41)
    similarity = np.array([impostors.similarity_at(f) for f in fmr])
    sigma, mu = np.polyfit(stats.norm.isf(fmr), similarity, 1)

    low, high = similarity[0], similarity[-1]
    values = impostors.similarities
    values = values[(values >= low) & (values < high)] - low

    def loss(parameters: NDArray[np.float64]) -> float:
        """Negative log likelihood of exceedances cut off at the window's end."""
        scale, shape = np.exp(parameters[0]), parameters[1]
        inside = stats.genpareto.cdf(high - low, shape, scale=scale)
        density = stats.genpareto.logpdf(values, shape, scale=scale)
        total = -(density.sum() - len(values) * np.log(inside))
        return float(total) if np.isfinite(total) else 1e12

    found = optimize.minimize(loss, np.array([np.log(0.04), -0.1]), method="Nelder-Mead")
    scale, shape = np.exp(found.x[0]), found.x[1]
    return Tail(float(mu), float(sigma), float(low), window[0], float(scale), float(shape))


def false_match_table(impostors: Impostors, tail: Tail) -> list[dict[str, object]]:
    """Rows of the manifest's table, descending FMR; counted while counts can be trusted."""
    rows: list[dict[str, object]] = [
        {"fmr": f, "similarity": round(impostors.similarity_at(f), 4), "basis": "measured"}
        for f in MEASURED_FMR
    ]
    rows += [
        {"fmr": f, "similarity": round(tail.similarity_at(f), 4), "basis": "extrapolated"}
        for f in EXTRAPOLATED_FMR
    ]
    similarities = [float(str(r["similarity"])) for r in rows]
    if any(b <= a for a, b in itertools.pairwise(similarities)):
        raise RuntimeError(f"the false match table is not monotonic: {similarities}")
    return rows


def bootstrap(
    impostors: Impostors, people: NDArray[np.str_], fmrs: list[float], seed: int
) -> dict[float, tuple[float, float]]:
    """95 % intervals of the similarity at each FMR, drawing people, not comparisons.

    A person's comparisons hang together; drawing pairs would make the intervals far too narrow.
    """
    _, labels = np.unique(people, return_inverse=True)
    sizes = np.bincount(labels)
    order = np.argsort(-impostors.similarities, kind="stable")
    left, right = labels[impostors.pairs[order].T]
    rng = np.random.default_rng(seed)
    draws: dict[float, list[float]] = {f: [] for f in fmrs}
    for _ in range(200):
        weight = np.bincount(rng.integers(0, len(sizes), len(sizes)), minlength=len(sizes))
        images = weight * sizes
        total = (images.sum() ** 2 - (images**2).sum()) / 2
        above = np.cumsum(weight[left] * weight[right])
        for f in fmrs:
            index = min(int(np.searchsorted(above, f * total)), len(order) - 1)
            draws[f].append(float(impostors.similarities[order[index]]))
    ends = {f: np.quantile(d, [0.025, 0.975]) for f, d in draws.items()}
    return {f: (float(low), float(high)) for f, (low, high) in ends.items()}


def threshold(table: list[dict[str, object]], people: int, fpir: float) -> float:
    """Similarity threshold of a door: FMR* = 1 - (1 - FPIR)^(1/N), log-interpolated."""
    fmr = -np.expm1(np.log1p(-fpir) / people)
    x = np.log10([float(str(r["fmr"])) for r in table])[::-1]
    y = [float(str(r["similarity"])) for r in table][::-1]
    return float(np.interp(np.log10(fmr), x, y))
