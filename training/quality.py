"""What the score means: the quality curve, and whether it tells bad views from good ones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation import calibrate
from edged.evaluation.comparisons import auroc, unit
from training import data
from training.evaluate import Outputs, discard_curve, view_outcomes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.detect import Floats

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
    """Undegraded and degraded views of every photo against the person's other photos."""
    shares, seen = [], []
    for views in (clean, damaged):
        share, has_mate = view_outcomes(views, clean, people, threshold)
        shares.append(share)
        seen.append(has_mate)
    kept = np.concatenate(seen)
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


def fit(outcomes: Outcomes) -> tuple[calibrate.Curve, float]:
    """The logistic over all held-out people, and its calibration error by five folds of people."""
    score, passed = outcomes.outputs.log_variance, outcomes.passed
    fold = np.array([data.bucket(str(p)) % 5 for p in outcomes.people])
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
