"""Two networks on the same chips: what the smaller one costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edged.evaluation.comparisons import impostors, unit
from edged.evaluation.outputs import agreement
from edged.evaluation.rates import supported, tail_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.acquire import Acquired
    from edged.evaluation.comparisons import Impostors
    from edged.evaluation.rates import Draws


def side_by_side(
    acquired: Acquired,
    pairs: NDArray[np.int64],
    strangers: Impostors,
    promise: float,
    draws: Draws,
) -> dict[str, Any]:
    """FNMR of both at the same false match rates, each at its own threshold; and how alike
    their embeddings and scores are."""
    assert acquired.reference is not None  # noqa: S101
    views, reference, both = acquired.views, acquired.reference, acquired.both
    place = np.full(len(views), -1)
    place[both] = np.arange(len(both))
    kept = pairs[(place[pairs] >= 0).all(1)]
    owner = views.people[kept[:, 0]]
    own, its = unit(views.embeddings), unit(reference.embeddings)
    people = views.people[both]
    names = np.char.zfill(people.astype(str), 7)
    others = impostors(reference.embeddings, names, tail_from(its, people))
    similarity = (own[kept[:, 0]] * own[kept[:, 1]]).sum(1)
    of_reference = (its[place[kept[:, 0]]] * its[place[kept[:, 1]]]).sum(1)
    rows = []
    counted = supported(others)
    drawn = draws.thresholds(strangers, views.people, counted).T
    its_drawn = draws.thresholds(others, people, counted).T
    for fmr, our_draws, their_draws in zip(counted, drawn, its_drawn, strict=True):
        ours, theirs = strangers.similarity_at(fmr), others.similarity_at(fmr)
        rows.append(
            {
                "fmr": fmr,
                "similarity": ours,
                "reference_similarity": theirs,
                "fnmr": draws.misses(similarity, owner, ours, our_draws),
                "reference_fnmr": draws.misses(of_reference, owner, theirs, their_draws),
            }
        )
    return {
        "agreement": agreement(acquired.outputs.take(both), reference),
        "at_fmr": rows,
        "at_threshold": {
            "similarity": promise,
            "fnmr": draws.share(similarity < promise, owner),
            "reference_fnmr": draws.share(of_reference < promise, owner),
        },
    }
