"""Several views of one person become one template."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edged.types import Floats

CORRELATION = 0.5
"""How much of what is wrong with a view is wrong with the next one too."""

_CLIP = 20.0


@dataclass(frozen=True, slots=True)
class Fused:
    """Unit-length template float32 (d,), its predicted log variance, views in it."""

    template: Floats
    log_variance: float
    views: int


class Evidence:
    """Embeddings of one track, weighted by inverse variance: doubtful views count less.

    The variance of the weighted mean of views with variances v_i whose errors correlate by r is
    (1 - r) / S + r (sum of 1/sqrt(v_i))^2 / S^2 with S = sum of 1/v_i.
    """

    def __init__(self) -> None:
        self.track_id: int | None = None
        self._sum: Floats | None = None
        self._precision = 0.0
        self._roots = 0.0
        self._views = 0

    def add(self, track_id: int, embedding: Floats, log_variance: float) -> Fused:
        """Take in one more view; another track starts anew.

        Args:
            embedding: unit length, float32 (d,).
            log_variance: of the view; finite.
        """
        if track_id != self.track_id:
            self.clear()
            self.track_id = track_id
        doubt = max(-_CLIP, min(_CLIP, log_variance))
        weight = np.float32(exp(-doubt))
        if self._sum is None:
            self._sum = embedding * weight
        else:
            self._sum += embedding * weight
        self._precision += exp(-doubt)
        self._roots += exp(-doubt / 2)
        self._views += 1
        length = float(np.linalg.norm(self._sum))
        template = self._sum / np.float32(length) if length > 0 else embedding
        alone = (1 - CORRELATION) / self._precision
        shared = CORRELATION * (self._roots / self._precision) ** 2
        return Fused(template, log(alone + shared), self._views)

    def clear(self) -> None:
        """Forget everything."""
        self.track_id, self._sum = None, None
        self._precision, self._roots, self._views = 0.0, 0.0, 0
