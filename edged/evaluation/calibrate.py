"""From scores to probabilities: the quality curve, and how wrong it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats


@dataclass(frozen=True)
class Curve:
    """quality = 1 / (1 + exp(slope * (log_variance - midpoint)))."""

    midpoint: float
    slope: float

    def quality(self, log_variance: Floats) -> Floats:
        odds = np.exp(self.slope * (log_variance - self.midpoint))
        return np.asarray(1 / (1 + odds), np.float32)


def fit_curve(log_variance: Floats, passed: NDArray[np.floating]) -> Curve:
    """Logistic regression of the share of genuine comparisons that pass.

    Raises:
        RuntimeError: the score points the wrong way; such a model must not ship.
    """

    def loss(parameters: NDArray[np.float64]) -> float:
        logit = parameters[0] - parameters[1] * log_variance
        log_pass, log_fail = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
        return float(-(passed * log_pass + (1 - passed) * log_fail).sum())

    found = optimize.minimize(loss, np.array([0.0, 1.0]), method="BFGS")
    offset, slope = found.x
    if slope <= 0:
        raise RuntimeError(f"quality rises with the variance (slope {slope:.3f})")
    return Curve(round(float(offset / slope), 4), round(float(slope), 4))


def calibration_error(quality: Floats, passed: NDArray[np.floating], bins: int = 10) -> float:
    """Expected calibration error over equally filled bins."""
    groups = np.array_split(np.argsort(quality, kind="stable"), bins)
    gaps = [abs(quality[g].mean() - passed[g].mean()) * len(g) for g in groups]
    return float(np.sum(gaps) / len(quality))
