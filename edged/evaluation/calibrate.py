"""From scores to probabilities: the quality curve, logistic or isotonic, and how wrong it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import optimize, special

from edged.errors import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats

MOST_KNOTS = 20
_FEWEST_PER_KNOT = 10
_STEP = 1e-4


class Quality(Protocol):
    """A way from log variance to the probability that a genuine comparison passes."""

    def quality(self, log_variance: Floats) -> Floats:
        """0 to 1, falling; 0 for what is not finite."""

    def as_manifest(self) -> dict[str, Any]:
        """The manifest's `method` and its parameters."""


@dataclass(frozen=True)
class Curve:
    """quality = 1 / (1 + exp(slope * (log_variance - midpoint)))."""

    midpoint: float
    slope: float

    def quality(self, log_variance: Floats) -> Floats:
        value = special.expit(-self.slope * (np.asarray(log_variance, np.float64) - self.midpoint))
        return np.where(np.isfinite(log_variance), value, 0).astype(np.float32)

    def as_manifest(self) -> dict[str, Any]:
        return {"method": "logistic", **asdict(self)}


@dataclass(frozen=True)
class Isotonic:
    """Straight lines between knots (log variance, quality) that fall; level beyond the ends."""

    points: tuple[tuple[float, float], ...]

    def quality(self, log_variance: Floats) -> Floats:
        x, y = np.array(self.points).T
        finite = np.isfinite(log_variance)
        value = np.interp(np.where(finite, log_variance, x[-1]), x, y)
        return np.where(finite, value, 0).astype(np.float32)

    def as_manifest(self) -> dict[str, Any]:
        points = [{"log_variance": x, "quality": y} for x, y in self.points]
        return {"method": "isotonic", "points": points}


def fit_curve(log_variance: Floats, passed: NDArray[np.floating]) -> Curve:
    """Logistic regression of the share of genuine comparisons that pass.

    Views whose log variance is not finite have quality 0 by rule and are left out.

    Raises:
        RuntimeError: the score points the wrong way or says nothing; such a model must not ship.
    """
    kept = np.isfinite(log_variance)
    score, share = log_variance[kept].astype(np.float64), passed[kept].astype(np.float64)
    if not len(score) or np.ptp(score) == 0 or np.ptp(share) == 0:
        raise RuntimeError(
            f"no curve: among {len(score)} views the score or the outcome never differs"
        )
    middle, spread = score.mean(), score.std()
    unit = (score - middle) / spread

    def loss(parameters: NDArray[np.float64]) -> float:
        logit = parameters[0] - parameters[1] * unit
        log_pass, log_fail = special.log_expit(logit), special.log_expit(-logit)
        fit = -(share * log_pass + (1 - share) * log_fail).mean()
        return float(fit + 1e-6 * parameters[1] ** 2)  # ends where the two part without overlap

    offset, slope = optimize.minimize(loss, np.array([0.0, 1.0]), method="BFGS").x
    slope /= spread
    if slope <= 0:
        raise RuntimeError(f"quality rises with the variance (slope {slope:.3g})")
    return Curve(_digits(middle + offset / slope), _digits(slope))


def fit_isotonic(log_variance: Floats, passed: NDArray[np.floating]) -> Isotonic:
    """Pool-adjacent-violators, thinned to at most twenty knots that fall strictly.

    Raises:
        EvaluationError: the share that passes does not fall with the log variance.
    """
    kept = np.isfinite(log_variance)
    score, share = log_variance[kept].astype(np.float64), passed[kept].astype(np.float64)
    order = np.argsort(score, kind="stable")
    x, group, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    # Equal scores get one quality, whatever order they came in.
    mean = np.bincount(group, share[order]) / counts
    fitted = (
        optimize.isotonic_regression(mean, weights=counts, increasing=False).x
        if len(x)
        else np.empty(0)
    )
    number = min(MOST_KNOTS, max(2, len(score) // _FEWEST_PER_KNOT))
    edges = np.searchsorted(np.cumsum(counts), np.linspace(0, len(score), number + 1)[1:-1])
    points: list[tuple[float, float]] = []
    for rows in np.split(np.arange(len(x)), np.unique(edges + 1)):
        if not len(rows):
            continue
        knot = _digits(float(np.average(x[rows], weights=counts[rows])))
        level = round(float(np.average(fitted[rows], weights=counts[rows])), 4)
        if points:  # a level stretch falls by next to nothing, and keeps both of its ends
            level = max(0.0, round(min(level, points[-1][1] - _STEP), 4))
        if not points or (knot > points[-1][0] and level < points[-1][1]):
            points.append((knot, level))
    if len(points) < 2 or np.ptp(fitted) < _STEP:
        raise EvaluationError(
            f"among {len(score)} views quality does not fall as the variance rises"
        )
    return Isotonic(tuple(points))


def calibration_error(
    quality: Floats,
    passed: NDArray[np.floating],
    bins: int = 10,
    weights: NDArray[np.floating] | None = None,
) -> float:
    """Expected calibration error over equally filled bins; `weights` of views, if any."""
    weight = np.ones(len(quality)) if weights is None else weights.astype(np.float64)
    gaps = [
        abs(float((weight[g] * (quality[g].astype(np.float64) - passed[g])).sum()))
        for g in np.array_split(np.argsort(quality, kind="stable"), bins)
    ]
    return float(np.sum(gaps) / weight.sum())


def _digits(value: float) -> float:
    """Six significant digits: scores of other networks may be a thousand times larger."""
    return float(f"{value:.6g}")
