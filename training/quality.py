"""Everything measured about the score on held-out people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.evaluation.outcomes import Outcomes, discard_curve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edged.evaluation import calibrate
    from edged.evaluation.outputs import Outputs
    from edged.evaluation.quality import Band, Kind


@dataclass(frozen=True)
class Quality:
    """The curve and everything that was measured about it on held-out people."""

    midpoint: float
    slope: float
    error: float
    views: int
    passed: dict[str, float]
    discard: dict[str, dict[float, tuple[int, int]]]
    discard_half_degraded: dict[str, dict[float, float]]
    bands: list[Band]
    kinds: list[Kind]


def measure(
    curve: calibrate.Curve,
    error: float,
    outcomes: Outcomes,
    undegraded: tuple[Outputs, NDArray[np.str_], float],
    measured_bands: list[Band],
    kinds: list[Kind],
) -> Quality:
    """Put the parts together; `undegraded` is outputs, people and threshold of clean photos."""
    clean, people, threshold = undegraded
    return Quality(
        midpoint=curve.midpoint,
        slope=curve.slope,
        error=error,
        views=len(outcomes.passed),
        passed={
            "undegraded": float(outcomes.passed[~outcomes.degraded].mean()),
            "degraded": float(outcomes.passed[outcomes.degraded].mean()),
        },
        discard={
            "score": discard_curve(clean, people, threshold, clean.log_variance),
            "norm": discard_curve(clean, people, threshold, -clean.norm),
        },
        discard_half_degraded=outcomes.discards(),
        bands=measured_bands,
        kinds=kinds,
    )
