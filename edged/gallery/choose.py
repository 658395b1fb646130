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
    is kept, times its own quality, is largest. Equal ones: the newer.

    Of what was adapted since the last enrolment the newest one stays, if enrolled ones leave it
    a place: so it never outweighs them. What was adapted before an enrolment has had its day.

    Args:
        candidates: all of one person and model, old and new, the oldest first, in one space.
        limit: how many may stay, at least 1.

    Returns:
        Indices into `candidates`, ascending: the oldest first.
    """
    adapted = [i for i, one in enumerate(candidates) if one.source == ADAPTED]
    enrolled = [i for i, one in enumerate(candidates) if one.source != ADAPTED]
    if not enrolled:
        return adapted[-1:]
    since = [i for i in adapted if i > enrolled[-1]]
    return sorted([*_diverse(candidates, enrolled, limit), *since[-1:]][:limit])


def _diverse(candidates: Sequence[Kept], places: list[int], limit: int) -> list[int]:
    if len(places) <= limit:
        return places
    # float64: the same on every processor, so that every terminal of a site keeps the same
    vectors = np.stack([candidates[i].embedding for i in places]).astype(np.float64)
    quality = np.array([candidates[i].quality for i in places], np.float64)
    left = np.ones(len(places), bool)
    distance = np.full(len(places), 2.0)  # to the nearest kept; nothing is further than 2
    kept: list[int] = []
    while len(kept) < limit:
        worth = np.where(left, quality * distance, -np.inf)
        chosen = len(worth) - 1 - int(np.argmax(worth[::-1]))
        kept.append(chosen)
        left[chosen] = False
        distance = np.minimum(distance, 1 - vectors @ vectors[chosen])
    return [places[i] for i in kept]
