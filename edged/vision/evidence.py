"""Several views of one person become one template."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats

CORRELATION = 0.5
"""How much of what is wrong with a view is wrong with the next one too; measured on bursts, it
makes the predicted quality true to 0.01-0.03 (docs/decide.md, "What fusing gives")."""

_CLIP = 20.0
_SHORTEST = 1e-3  # of the weighted mean: views that cancel out have no direction in common


@dataclass(frozen=True, slots=True)
class Fused:
    """Unit-length template float32 (d,), its predicted log variance, views in it."""

    template: Floats
    log_variance: float
    views: int


class Evidence:
    """Embeddings of one track, weighted by inverse variance: doubtful views count less.

    The variance of the weighted mean of views with variances v_i whose errors correlate by r is
    (1 - r) / S + r (sum of 1/sqrt(v_i))^2 / S^2 with S = sum of 1/v_i: never below r times the
    smallest v_i, however many views there are.
    """

    def __init__(self) -> None:
        self.track_id: int | None = None
        self._sum: NDArray[np.float64] | None = None
        self._precision = 0.0
        self._roots = 0.0
        self._views = 0

    def add(self, track_id: int, embedding: Floats, log_variance: float) -> Fused | None:
        """Take in one more view; another track starts anew.

        Args:
            embedding: unit length, float32 (d,).
            log_variance: of the view.

        Returns:
            All views of the track together; None where they say nothing: this view is no
            embedding (numbers that are not finite, zeros) and is left out, or they cancel out.
        """
        if track_id != self.track_id:
            self.clear()
            self.track_id = track_id
        length = float(np.linalg.norm(embedding))
        if not (isfinite(log_variance) and isfinite(length) and length > 0):
            return None
        doubt = max(-_CLIP, min(_CLIP, log_variance))
        if self._sum is None:
            # float64: a million views must weigh as much as they are worth
            self._sum = np.zeros(embedding.shape, np.float64)
        self._sum += embedding * (exp(-doubt) / length)
        self._precision += exp(-doubt)
        self._roots += exp(-doubt / 2)
        self._views += 1
        length = float(np.linalg.norm(self._sum))
        if length < _SHORTEST * self._precision:
            return None
        alone = (1 - CORRELATION) / self._precision
        shared = CORRELATION * (self._roots / self._precision) ** 2
        template = (self._sum / length).astype(np.float32)
        return Fused(template, log(alone + shared), self._views)

    def clear(self) -> None:
        """Forget everything."""
        self.track_id, self._sum = None, None
        self._precision, self._roots, self._views = 0.0, 0.0, 0
