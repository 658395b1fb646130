"""Everything measured about the score on held-out people."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.evaluation import quality
from edged.evaluation.comparisons import auroc, unit
from edged.evaluation.outcomes import Outcomes, discard_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.calibrate import Quality as Curve
    from edged.evaluation.outputs import Outputs
    from edged.evaluation.quality import Chosen
    from edged.types import Floats

BANDS = (0.0, 0.4, 0.6, 0.65, 0.85, 1.0)


@dataclass(frozen=True)
class Kind:
    """One kind of view beside clean frontal ones.

    AUROC of score and norm; the share of its genuine comparisons that pass, where it has mates;
    quantiles of quality at 5, 25, 50, 75, 95 %; the share below each profile's minimum.
    """

    name: str
    views: int
    auroc: float
    auroc_norm: float
    passed: float | None
    quantiles: list[float]
    below: dict[str, float]


@dataclass(frozen=True)
class Band:
    """Views of one band of quality: genuine comparisons passed, impostor comparisons passed."""

    low: float
    high: float
    views: int
    passed: float
    impostors: int
    false_matches: int


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
    frontal: NDArray[np.bool_],
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


def bands(
    outcomes: Outcomes,
    curve: Curve,
    gallery: Outputs,
    gallery_people: NDArray[np.str_],
    threshold: float,
) -> list[Band]:
    """Genuine and impostor comparisons of held-out views, by quality."""
    value = curve.quality(outcomes.outputs.log_variance)
    mates = unit(gallery.embeddings).T
    rows = []
    for low, high in itertools.pairwise(BANDS):
        inside = np.nonzero((value >= low) & (value < high))[0]
        views = unit(outcomes.outputs.embeddings[inside])
        others = outcomes.people[inside][:, None] != gallery_people[None]
        rows.append(
            Band(
                low,
                high,
                len(inside),
                float(outcomes.passed[inside].mean()) if len(inside) else 0.0,
                int(others.sum()),
                int(((views @ mates >= threshold) & others).sum()),
            )
        )
    return rows


def kind(
    name: str,
    views: Outputs,
    clean: Outputs,
    curve: Curve,
    passed: float | None = None,
) -> Kind:
    """Compare one kind of view with clean frontal ones."""
    value: Floats = curve.quality(views.log_variance)
    return Kind(
        name,
        len(value),
        auroc(clean.log_variance, views.log_variance),
        auroc(-clean.norm, -views.norm),
        passed,
        np.quantile(value, [0.05, 0.25, 0.5, 0.75, 0.95]).round(3).tolist(),
        {profile: float((value < low).mean()) for profile, low in quality.MINIMUM.items()},
    )
