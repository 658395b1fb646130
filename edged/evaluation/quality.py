"""What the score means: the quality curve, and whether it tells bad views from good ones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation import calibrate
from edged.evaluation.comparisons import auroc, unit
from edged.evaluation.intervals import bucket

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.outcomes import Outcomes
    from edged.evaluation.outputs import Outputs
    from edged.types import Floats

LEVELS = {"excellent": 0.85, "good": 0.65, "fair": 0.40}
MINIMUM = {"attendance": 0.40, "access": 0.60, "high_security": 0.65}
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


def fit(outcomes: Outcomes) -> tuple[calibrate.Curve, float]:
    """The logistic over all held-out people, and its calibration error by five folds of people."""
    score, passed = outcomes.outputs.log_variance, outcomes.passed
    fold = np.array([bucket(str(p)) % 5 for p in outcomes.people])
    quality = np.empty(len(score), np.float32)
    for k in range(5):
        rest = fold != k
        quality[~rest] = calibrate.fit_curve(score[rest], passed[rest]).quality(score[~rest])
    return calibrate.fit_curve(score, passed), calibrate.calibration_error(quality, passed)


def bands(
    outcomes: Outcomes,
    curve: calibrate.Curve,
    gallery: Outputs,
    gallery_people: NDArray[np.str_],
    threshold: float,
) -> list[Band]:
    """Genuine and impostor comparisons of held-out views, by quality."""
    quality = curve.quality(outcomes.outputs.log_variance)
    mates = unit(gallery.embeddings).T
    rows = []
    for low, high in itertools.pairwise(BANDS):
        inside = np.nonzero((quality >= low) & (quality < high))[0]
        views = unit(outcomes.outputs.embeddings[inside])
        others = outcomes.people[inside][:, None] != gallery_people[None]
        rows.append(
            Band(
                low,
                high,
                len(inside),
                float(outcomes.passed[inside].mean()),
                int(others.sum()),
                int(((views @ mates >= threshold) & others).sum()),
            )
        )
    return rows


def kind(
    name: str,
    views: Outputs,
    clean: Outputs,
    curve: calibrate.Curve,
    passed: float | None = None,
) -> Kind:
    """Compare one kind of view with clean frontal ones."""
    quality: Floats = curve.quality(views.log_variance)
    return Kind(
        name,
        len(quality),
        auroc(clean.log_variance, views.log_variance),
        auroc(-clean.norm, -views.norm),
        passed,
        np.quantile(quality, [0.05, 0.25, 0.5, 0.75, 0.95]).round(3).tolist(),
        {profile: float((quality < low).mean()) for profile, low in MINIMUM.items()},
    )
