"""Which genuine comparisons pass: by view, and after the worst views are discarded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import EvaluationError
from edged.evaluation.comparisons import genuine_pairs, rows_of, unit
from edged.evaluation.outputs import Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats

MOST_PER_PERSON = 10


def discard_curve(
    faces: Outputs, people: NDArray[np.str_], threshold: float, badness: Floats
) -> dict[float, tuple[int, int]]:
    """Failed and tried genuine comparisons after the worst share of images is discarded.

    A view that is not finite is the worst of all, and fails whatever it is compared in.

    Raises:
        EvaluationError: nobody has two images.
    """
    badness = np.where(np.isfinite(badness), badness, np.inf)
    pairs = genuine_pairs(people, MOST_PER_PERSON)
    used = np.unique(pairs)
    if not len(used):
        raise EvaluationError(f"{len(people)} images, and nobody with two: no genuine comparison")
    vectors = unit(faces.embeddings)
    similarity = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
    result = {}
    for share in (0.0, 0.1, 0.2):
        limit = np.quantile(badness[used], 1 - share, method="lower")
        kept = (badness[pairs] <= limit).all(1)
        result[share] = (int((~(similarity[kept] >= threshold)).sum()), int(kept.sum()))
    return result


def view_outcomes(
    views: Outputs,
    mates: Outputs,
    people: NDArray[np.str_],
    threshold: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For each view, the share of its person's *other* clean images that it matches.

    Row i of `views` shows the same photo as row i of `mates`, perhaps degraded.

    Returns:
        The shares, and which rows have a mate at all.
    """
    left, right = unit(views.embeddings), unit(mates.embeddings)
    share = np.zeros(len(people))
    has_mate = np.zeros(len(people), bool)
    for whole in rows_of(people):
        rows = whole[:MOST_PER_PERSON]
        if len(rows) < 2:
            continue
        passed = left[rows] @ right[rows].T >= threshold
        np.fill_diagonal(passed, False)
        share[rows] = passed.sum(1) / (len(rows) - 1)
        has_mate[rows] = True
    return share, has_mate


@dataclass(frozen=True)
class Outcomes:
    """One row a view: the share of genuine comparisons it passes, its outputs, its person."""

    passed: NDArray[np.float64]
    outputs: Outputs
    people: NDArray[np.str_]
    degraded: NDArray[np.bool_]

    def discards(self) -> dict[str, dict[float, float]]:
        """FNMR after the worst share of views is discarded, by score and by norm."""
        result = {}
        scores = {"score": self.outputs.log_variance, "norm": -self.outputs.norm}
        for name, badness in scores.items():
            order = np.argsort(badness, kind="stable")
            kept = {s: order[: round(len(order) * (1 - s))] for s in (0.0, 0.1, 0.2, 0.5)}
            result[name] = {s: float(1 - self.passed[rows].mean()) for s, rows in kept.items()}
        return result


def all_outcomes(
    clean: Outputs, damaged: Outputs, people: NDArray[np.str_], threshold: float
) -> Outcomes:
    """Undegraded and degraded views of every photo against the person's other photos.

    Raises:
        EvaluationError: nobody has two photos.
    """
    shares, seen = [], []
    for views in (clean, damaged):
        share, has_mate = view_outcomes(views, clean, people, threshold)
        shares.append(share)
        seen.append(has_mate)
    kept = np.concatenate(seen)
    if not kept.any():
        raise EvaluationError(f"{len(people)} photos, and nobody with two: no genuine comparison")
    both = Outputs(
        np.concatenate([clean.embeddings, damaged.embeddings]),
        np.concatenate([clean.log_variance, damaged.log_variance]),
    )
    return Outcomes(
        np.concatenate(shares)[kept],
        both.take(kept),
        np.concatenate([people, people])[kept],
        (np.arange(len(kept)) >= len(people))[kept],
    )
