"""Everything measured about the score on held-out people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.evaluation import quality
from edged.evaluation.outcomes import Outcomes, discard_curve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edged.evaluation.outputs import Outputs
    from edged.evaluation.quality import Band, Chosen, Kind


@dataclass(frozen=True)
class Level:
    """What views of one word, or at and above one profile's minimum, mean: genuine comparisons of
    undegraded and of all views that fail, and the share of all views that are so good."""

    name: str
    least: float
    share: float
    failed: float
    failed_undegraded: float | None


@dataclass(frozen=True)
class Quality:
    """The curve and everything that was measured about it on held-out people."""

    chosen: Chosen
    views: int
    passed: dict[str, float]
    levels: list[Level]
    minimum: list[Level]
    discard: dict[str, dict[float, tuple[int, int]]]
    discard_frontal: dict[str, dict[float, tuple[int, int]]]
    discard_half_degraded: dict[str, dict[float, float]]
    bands: list[Band]
    kinds: list[Kind]
    damage: list[dict[str, Any]]


def measure(
    chosen: Chosen,
    outcomes: Outcomes,
    undegraded: tuple[Outputs, NDArray[np.str_], float],
    frontal: NDArray[np.intp],
    measured_bands: list[Band],
    kinds: list[Kind],
    damage: list[dict[str, Any]],
) -> Quality:
    """Put the parts together; `undegraded` is outputs, people and threshold of clean photos.

    `frontal` are the rows of those that show a frontal face.
    """
    clean, people, threshold = undegraded
    ahead, whose = clean.take(frontal), people[frontal]
    return Quality(
        chosen=chosen,
        views=len(outcomes.passed),
        passed={
            "undegraded": float(outcomes.passed[~outcomes.degraded].mean()),
            "degraded": float(outcomes.passed[outcomes.degraded].mean()),
        },
        levels=_levels(outcomes, chosen),
        minimum=[
            _level(outcomes, chosen, name, least, 1.1) for name, least in quality.MINIMUM.items()
        ],
        discard={
            "score": discard_curve(clean, people, threshold, clean.log_variance),
            "norm": discard_curve(clean, people, threshold, -clean.norm),
        },
        discard_frontal={
            "score": discard_curve(ahead, whose, threshold, ahead.log_variance),
            "norm": discard_curve(ahead, whose, threshold, -ahead.norm),
        },
        discard_half_degraded=outcomes.discards(),
        bands=measured_bands,
        kinds=kinds,
        damage=damage,
    )


def _levels(outcomes: Outcomes, chosen: Chosen) -> list[Level]:
    bounds = [*quality.LEVELS.items(), ("poor", 0.0)]
    upper = [1.1, *quality.LEVELS.values()]
    return [
        _level(outcomes, chosen, name, least, most)
        for (name, least), most in zip(bounds, upper, strict=True)
    ]


def _level(outcomes: Outcomes, chosen: Chosen, name: str, least: float, most: float) -> Level:
    value = chosen.curve.quality(outcomes.outputs.log_variance)
    inside = (value >= least) & (value < most)
    clean = inside & ~outcomes.degraded
    return Level(
        name,
        least,
        float(inside.mean()),
        float(1 - outcomes.passed[inside].mean()) if inside.any() else 0.0,
        float(1 - outcomes.passed[clean].mean()) if clean.any() else None,
    )
