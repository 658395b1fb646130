"""Two networks on the same chips: what the smaller one costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edged.evaluation.comparisons import impostors, unit
from edged.evaluation.outputs import agreement
from edged.evaluation.rates import supported

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.acquire import Acquired
    from edged.evaluation.comparisons import Impostors
    from edged.evaluation.rates import Draws

_NONE = 2.0  # similarities from here on are kept one by one: none is needed here


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
    names = np.char.zfill(views.people[both].astype(str), 7)
    others = impostors(reference.embeddings, names, _NONE)
    own, its = unit(views.embeddings), unit(reference.embeddings)
    similarity = (own[kept[:, 0]] * own[kept[:, 1]]).sum(1)
    of_reference = (its[place[kept[:, 0]]] * its[place[kept[:, 1]]]).sum(1)
    rows = []
    for fmr in supported(others):
        ours, theirs = strangers.similarity_at(fmr), others.similarity_at(fmr)
        rows.append(
            {
                "fmr": fmr,
                "similarity": ours,
                "reference_similarity": theirs,
                "fnmr": draws.share(similarity < ours, owner),
                "reference_fnmr": draws.share(of_reference < theirs, owner),
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
