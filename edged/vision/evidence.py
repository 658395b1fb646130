"""Several views of one person become one template."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edged.types import Floats


class Evidence:
    """Embeddings of one track, weighted by inverse variance: doubtful views count less."""

    def __init__(self) -> None:
        self.track_id: int | None = None
        self._sum: Floats | None = None

    def add(self, track_id: int, embedding: Floats, log_variance: float) -> Floats:
        """Take in one more view; another track starts anew.

        Args:
            embedding: unit length, float32 (d,).

        Returns:
            The fused template, unit length, float32 (d,).
        """
        weight = np.float32(exp(-max(-20.0, min(20.0, log_variance))))
        if track_id != self.track_id or self._sum is None:
            self.track_id, self._sum = track_id, embedding * weight
        else:
            self._sum += embedding * weight
        length = float(np.linalg.norm(self._sum))
        return self._sum / np.float32(length) if length > 0 else embedding

    def clear(self) -> None:
        """Forget everything."""
        self.track_id, self._sum = None, None
