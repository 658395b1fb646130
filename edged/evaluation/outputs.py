"""What a recogniser says of many views, and whether two recognisers say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from edged.evaluation.comparisons import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats


@dataclass(frozen=True)
class Outputs:
    """Row i belongs to chip i: embeddings (n, d), not normalised, and log variances (n,)."""

    embeddings: Floats
    log_variance: Floats

    @property
    def norm(self) -> Floats:
        length: Floats = np.linalg.norm(self.embeddings, axis=1)
        return length

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Rows that are finite and point somewhere; whatever else is no view of a face."""
        return np.isfinite(self.log_variance) & np.isfinite(self.norm) & (self.norm > 0)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Outputs:
        return Outputs(self.embeddings[rows], self.log_variance[rows])


@dataclass(frozen=True)
class Agreement:
    """INT8 beside float: cosine of embeddings, rank correlation of the score."""

    images: int
    mean_cosine: float
    worst_cosine: float
    rank_correlation: float


def agreement(quantised: Outputs, reference: Outputs) -> Agreement:
    """Compare two networks row by row on the same chips."""
    cosine = (unit(quantised.embeddings) * unit(reference.embeddings)).sum(1)
    rank = stats.spearmanr(quantised.log_variance, reference.log_variance).statistic
    return Agreement(len(cosine), float(cosine.mean()), float(cosine.min()), float(rank))
