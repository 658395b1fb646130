"""What similarities and scores of an imported network mean on the user's people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import BundleError
from edged.evaluation import door
from edged.evaluation.comparisons import genuine_pairs, unit
from edged.evaluation.outcomes import MOST_PER_PERSON, all_outcomes
from edged.evaluation.quality import LEVELS, MINIMUM, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.outputs import Outputs

QUALITY_FMR = 1e-4
SAME_FMR, DIFFERENT_FMR = 1e-3, 1e-2
MOST_FNMR = 0.5  # at FMR 1e-2; whoever misses more does not recognise people
_SEED = 20250101


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The manifest's ``similarity``, ``quality`` and ``calibration``, and what a card tells.

    Attributes:
        fnmr: share of genuine comparisons of clean photos that fail, at FMR 1e-2 and 1e-4.
        error: expected calibration error of the quality, over five folds of people.
        passed: share of comparisons that pass at FMR 1e-4, of clean and of damaged views.
    """

    similarity: dict[str, Any]
    quality: dict[str, Any]
    calibration: dict[str, Any]
    fnmr: tuple[float, float]
    error: float
    passed: tuple[float, float]


def calibrate(
    clean: Outputs,
    damaged: Outputs,
    people: NDArray[np.str_],
    source: str,
    verification: tuple[float, float] | None = None,
) -> Calibrated:
    """Fit everything on clean views of people and on the same views randomly damaged.

    Args:
        source: what the log variance is: "network" or "embedding_norm".
        verification: the published similarities for same and different, where there are any.

    Raises:
        BundleError: the network does not recognise these people, or its score says nothing of
            which comparisons pass; the text has the figures.
        EvaluationError: too few people or comparisons, or the network does not tell people apart.
    """
    risk = door.measure(clean, people, _SEED)
    rows = risk.single  # what one photo against another is; the door's table is stricter
    genuine = genuine_pairs(people, MOST_PER_PERSON)
    vectors = unit(clean.embeddings)
    similarities = (vectors[genuine[:, 0]] * vectors[genuine[:, 1]]).sum(1)
    fnmr = tuple(float((similarities < _at(rows, fmr)).mean()) for fmr in (1e-2, QUALITY_FMR))
    if fnmr[0] > MOST_FNMR:
        raise BundleError(
            f"the network does not recognise these people: at FMR 1e-2 it misses {fnmr[0]:.0%} of "
            f"{len(genuine)} genuine comparisons (at most {MOST_FNMR:.0%} is accepted); are "
            "--colour, --mean, --scale and the folders right?"
        )
    strict = _at(rows, QUALITY_FMR)
    outcomes = all_outcomes(clean, damaged, people, strict)
    try:
        chosen = choose(outcomes, _SEED)
    except RuntimeError as fault:
        raise BundleError(f"the score does not say which comparisons pass: {fault}") from fault
    passed = tuple(float(outcomes.passed[outcomes.degraded == which].mean()) for which in (0, 1))
    same, different = verification or (_at(rows, SAME_FMR), _at(rows, DIFFERENT_FMR))
    return Calibrated(
        similarity={
            "verification": {"same": round(same, 4), "different": round(different, 4)},
            "false_match": risk.rows,
        },
        quality={
            **chosen.as_manifest(),
            "source": source,
            "meaning": "probability that a genuine comparison made with this view passes at a "
            f"similarity of {strict:.4f} (FMR 1e-4) against an undegraded photo (half undegraded, "
            "half randomly degraded views of the people that the model was calibrated on)",
            "levels": dict(LEVELS),
            "minimum": dict(MINIMUM),
        },
        calibration={
            "data": "the importer's own people, one face a photo",
            "people": len(np.unique(people)),
            "images": len(people),
            "impostor_comparisons": risk.photos.count,
            "genuine_comparisons": len(genuine),
            "split": "none: thresholds and quality are fitted on all of them; the network was not "
            "trained here",
        },
        fnmr=(fnmr[0], fnmr[1]),
        error=chosen.error,
        passed=(passed[0], passed[1]),
    )


def _at(rows: list[dict[str, Any]], fmr: float) -> float:
    """The similarity at an FMR of the table; its strictest row where the table ends before."""
    return float(
        next((row["similarity"] for row in rows if row["fmr"] <= fmr), rows[-1]["similarity"])
    )
