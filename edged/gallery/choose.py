"""Which of a person's templates are kept when there are more than may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.gallery.sealed import Kept

ADAPTED = "adapted"
"""The source of a template that followed the person instead of being enrolled."""


def best_templates(candidates: Sequence[Kept], limit: int) -> list[int]:
    """The places of at most `limit` templates that together describe the person best.

    The clearest one first; then, one after the other, the one whose distance to the nearest that
    is kept, times its own quality, is largest. Equal ones: the newer. What was adapted only takes
    the places that enrolled ones leave.

    Args:
        candidates: all of one person and model, old and new, the oldest first, in one space.
        limit: how many may stay, at least 1.

    Returns:
        Indices into `candidates`, ascending: the oldest first.
    """
    if len(candidates) <= limit:
        return list(range(len(candidates)))
    # float64: the same on every processor, so that every terminal of a site keeps the same
    vectors = np.stack([one.embedding for one in candidates]).astype(np.float64)
    quality = np.array([one.quality for one in candidates], np.float64)
    adapted = np.array([one.source == ADAPTED for one in candidates])
    distance = np.full(len(candidates), 2.0)  # to the nearest kept; nothing is further than 2
    kept: list[int] = []
    for group in (~adapted, adapted):
        left = group.copy()
        while len(kept) < limit and left.any():
            worth = np.where(left, quality * distance, -np.inf)
            chosen = len(worth) - 1 - int(np.argmax(worth[::-1]))
            kept.append(chosen)
            left[chosen] = False
            distance = np.minimum(distance, 1 - vectors @ vectors[chosen])
    return sorted(kept)
