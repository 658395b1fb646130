"""Whether the score is worth having: discards, damaged views, and what quality promises."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation.calibrate import calibration_error
from edged.evaluation.comparisons import auroc, unit
from edged.evaluation.intervals import clopper_pearson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.rates import Draws, Rate
    from edged.types import Floats

    Ints = NDArray[np.int64]

SHARES = tuple(round(0.025 * step, 3) for step in range(21))
BANDS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)
MOST_MATES = 10
_LEAST_IN_CURVE = 20  # a rate over fewer comparisons is no point of a curve


@dataclass(frozen=True)
class Measured:
    """What the network said of views, row by row.

    Attributes:
        embeddings: not normalised, (n, d).
        badness: by measure, (n,): high is bad. "score" is the log variance; further
            "norm", "sharpness" and, for photos, "detector".
        quality: what the bundle makes of the score, (n,).
        people: number of the person, (n,).
    """

    embeddings: Floats
    badness: dict[str, Floats]
    quality: Floats
    people: Ints

    def __len__(self) -> int:
        return len(self.people)


@dataclass(frozen=True, slots=True)
class Discarded:
    """Genuine comparisons left, and failed, once the worst ``share`` of the views is gone."""

    share: float
    events: int
    trials: int
    value: float


def discards(
    passed: NDArray[np.bool_], pairs: Ints, badness: dict[str, Floats]
) -> dict[str, list[Discarded]]:
    """Error-versus-discard curves: by measure, FNMR as ever more of the worst views are gone.

    Args:
        passed: which genuine comparisons pass, (m,).
        pairs: the rows that each compares, (m, 2).
        badness: by measure, of every view.
    """
    used = np.unique(pairs)
    curves: dict[str, list[Discarded]] = {}
    for measure, values in badness.items():
        # Ties are cut in the order of the rows, so that every measure discards as many.
        rank = np.empty(len(values), np.int64)
        rank[used[np.argsort(values[used], kind="stable")]] = np.arange(len(used))
        worst = rank[pairs].max(1)
        curve = []
        for share in SHARES:
            kept = worst < round(len(used) * (1 - share))
            tried, failed = int(kept.sum()), int((~passed[kept]).sum())
            if tried >= _LEAST_IN_CURVE:
                curve.append(Discarded(share, failed, tried, failed / tried))
        curves[measure] = curve
    return curves


def passed_shares(
    views: Floats, rows: Ints, mates: Measured, threshold: float
) -> NDArray[np.float64]:
    """For each view the share of its person's other undamaged views that it matches.

    Args:
        views: embeddings (n, d), perhaps of damaged copies.
        rows: which of `mates` each is a copy of, (n,).
        mates: every undamaged view; the first ten others of a person are compared.

    Returns:
        (n,), NaN where a person has no other view.
    """
    all_mates = unit(mates.embeddings)
    shares = np.full(len(rows), np.nan)
    of: dict[int, Ints] = {}
    for number, (view, row) in enumerate(zip(unit(views), rows, strict=True)):
        person = int(mates.people[row])
        if person not in of:
            of[person] = np.flatnonzero(mates.people == person)[: MOST_MATES + 1]
        others = of[person][of[person] != row][:MOST_MATES]
        if len(others):
            shares[number] = (all_mates[others] @ view >= threshold).mean()
    return shares


@dataclass(frozen=True, slots=True)
class Band:
    """Views whose quality lies from ``low`` to ``high``: promised and kept.

    ``promised`` is their mean quality, ``passed`` the share of their genuine comparisons that
    passed, with bounds by people.
    """

    low: float
    high: float
    views: int
    people: int
    promised: float | None
    passed: float | None
    passed_low: float | None
    passed_high: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Whether the quality keeps its promise: in bands, and its expected error over ten groups."""

    views: int
    expected_error: float | None
    bands: list[Band]


def reliability(
    quality: Floats, passed: NDArray[np.float64], people: Ints, draws: Draws
) -> Reliability:
    """Compare the quality with the share of genuine comparisons that passed.

    Args:
        quality: (n,).
        passed: (n,) shares; NaN is left out.
        people: (n,).
    """
    known = ~np.isnan(passed)
    quality, passed, people = quality[known], passed[known], people[known]
    bands = []
    for low, high in itertools.pairwise(BANDS):
        top = np.inf if high == 1.0 else high
        inside = (quality >= low) & (quality < top)
        bounds: tuple[float | None, float | None] = (None, None)
        if inside.sum() >= 2:
            bounds = _mean_bounds(passed[inside], people[inside], draws)
        count = int(inside.sum())
        mean = float(quality[inside].mean()) if count else None
        kept = float(passed[inside].mean()) if count else None
        owners = len(np.unique(people[inside]))
        bands.append(Band(low, high, count, owners, mean, kept, *bounds))
    error = calibration_error(quality, passed) if len(quality) >= 100 else None
    return Reliability(len(quality), error, bands)


def _mean_bounds(values: NDArray[np.float64], people: Ints, draws: Draws) -> tuple[float, float]:
    if values.min() == values.max() and values[0] in (0, 1):  # draws would all be alike
        count = len(np.unique(people))
        return clopper_pearson(int(values[0]) * count, count)
    total = draws.weights @ np.bincount(people, minlength=draws.people)
    of = draws.weights @ np.bincount(people, values, draws.people)
    low, high = np.quantile(of[total > 0] / total[total > 0], [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage at one level, beside the same views undamaged.

    Attributes:
        auroc: by measure, the chance that a damaged view looks worse than an undamaged one.
        passed: genuine comparisons against the person's other, undamaged views.
        quality: its quantiles at 5, 25, 50, 75 and 95 %.
        retaken: by profile, the share of views that the door would ask to repeat.
    """

    kind: str
    level: str
    views: int
    auroc: dict[str, float]
    passed: Rate
    quality: list[float]
    retaken: dict[str, float]


def separation(
    clean: dict[str, Floats], bad: dict[str, Floats], measures: tuple[str, ...]
) -> dict[str, float]:
    """AUROC of each measure."""
    return {name: round(auroc(clean[name], bad[name]), 4) for name in measures}
