"""What the score means: the quality curve, and whether it tells bad views from good ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import EvaluationError
from edged.evaluation import calibrate
from edged.evaluation.intervals import bucket
from edged.evaluation.risk import draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edged.evaluation.outcomes import Outcomes
    from edged.types import Floats

LEVELS = {"excellent": 0.85, "good": 0.65, "fair": 0.40}
MINIMUM = {"attendance": 0.40, "access": 0.60, "high_security": 0.65}


@dataclass(frozen=True)
class HeldOutBand:
    """Held-out views of one band of quality: promised (mean quality), kept (share passed), and
    its 95 % bounds by drawing people."""

    low: float
    high: float
    views: int
    promised: float
    passed: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Chosen:
    """The curve that won, and what both would have been.

    Attributes:
        curve: fitted on everybody.
        errors: expected calibration error over five folds of people, by method.
        gain: 95 % bounds of how much less wrong the isotonic curve is, by drawing people.
        reliability: of the chosen method, each person judged by the curve of the others.
        broken: views without a finite output: quality 0, every comparison failed.
    """

    curve: calibrate.Quality
    method: str
    errors: dict[str, float]
    gain: tuple[float, float]
    reliability: list[HeldOutBand]
    broken: int

    @property
    def error(self) -> float:
        """Expected error of the stated probability on people the curve was not fitted on."""
        return self.errors[self.method]

    @property
    def worst_band(self) -> float:
        """The largest gap between promised and passed of a band."""
        return max(abs(band.promised - band.passed) for band in self.reliability)

    def as_manifest(self) -> dict[str, Any]:
        """The manifest's `quality`, less its `meaning`, `source`, `levels` and `minimum`."""
        bands = [asdict(band) | {"interval": list(band.interval)} for band in self.reliability]
        return {
            **self.curve.as_manifest(),
            "expected_error": round(self.error, 4),
            "reliability": [_rounded(band) for band in bands],
        }


def choose(outcomes: Outcomes, seed: int = 1) -> Chosen:
    """Logistic, unless isotonic is less wrong on held-out people by more than chance explains.

    Raises:
        RuntimeError: the score points the wrong way or says nothing.
    """
    score, passed = outcomes.outputs.log_variance, outcomes.passed
    fold = folds(outcomes.people)
    logistic = _held_out(calibrate.fit_curve, score, passed, fold)
    curve: calibrate.Quality = calibrate.fit_curve(score, passed)
    try:
        isotonic = _held_out(calibrate.fit_isotonic, score, passed, fold)
        steps = calibrate.fit_isotonic(score, passed)
    except EvaluationError:  # the logistic, which asks less of the data, stands
        isotonic, steps = np.full_like(logistic, np.nan), None
    names, whose = np.unique(outcomes.people, return_inverse=True)
    if steps is None:
        errors = {"logistic": calibrate.calibration_error(logistic, passed)}
        gain = (0.0, 0.0)
    else:
        both = {"logistic": logistic, "isotonic": isotonic}
        errors = {n: calibrate.calibration_error(q, passed) for n, q in both.items()}
        gains = []
        for weight in draws(len(names), seed):
            by_view = weight[whose].astype(np.float64)
            drawn = [calibrate.calibration_error(q, passed, weights=by_view) for q in both.values()]
            gains.append(drawn[0] - drawn[1])
        low, high = np.quantile(gains, [0.025, 0.975])
        gain = (float(low), float(high))
    wins = steps is not None and gain[0] > 0 and errors["isotonic"] < errors["logistic"]
    return Chosen(
        curve=steps if wins and steps is not None else curve,
        method="isotonic" if wins else "logistic",
        errors=errors,
        gain=gain,
        reliability=reliability(isotonic if wins else logistic, passed, outcomes.people, seed),
        broken=int((~outcomes.outputs.usable).sum()),
    )


def folds(people: NDArray[np.str_], number: int = 5) -> NDArray[np.intp]:
    """A fold for each row: whole people, as evenly as can be, by nothing but their names.

    Raises:
        EvaluationError: fewer people than folds.
    """
    names, whose = np.unique(people, return_inverse=True)
    if len(names) < number:
        raise EvaluationError(
            f"{len(names)} people with two photos or more: a quality curve needs {number}"
        )
    rank = np.argsort(np.argsort([bucket(str(name)) for name in names], kind="stable"))
    found: NDArray[np.intp] = (rank % number)[whose]
    return found


def reliability(
    quality: Floats, passed: NDArray[np.floating], people: NDArray[np.str_], seed: int = 1
) -> list[HeldOutBand]:
    """Ten equally filled bands; bounds by drawing people, whose views hang together."""
    names, whose = np.unique(people, return_inverse=True)
    weights = np.stack(list(draws(len(names), seed))).astype(np.float64)
    found = []
    for rows in np.array_split(np.argsort(quality, kind="stable"), 10):
        if not len(rows):
            continue
        count = np.bincount(whose[rows], minlength=len(names))
        share = np.bincount(whose[rows], passed[rows], minlength=len(names))
        tried = weights @ count
        drawn = (weights @ share)[tried > 0] / tried[tried > 0]
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (0.0, 1.0)
        band = quality[rows].astype(np.float64)
        found.append(
            HeldOutBand(
                float(band.min()),
                float(band.max()),
                len(rows),
                float(band.mean()),
                float(passed[rows].mean()),
                (float(low), float(high)),
            )
        )
    return found


def _held_out(
    method: Callable[[Floats, NDArray[np.floating]], calibrate.Quality],
    score: Floats,
    passed: NDArray[np.floating],
    fold: NDArray[np.intp],
) -> Floats:
    """Each view's quality by the curve of the other folds."""
    quality = np.empty(len(score), np.float32)
    for k in np.unique(fold):
        rest = fold != k
        quality[~rest] = method(score[rest], passed[rest]).quality(score[~rest])
    return quality


def _rounded(band: dict[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(one) for one in value]
        return round(value, 4) if isinstance(value, float) else value

    return {name: short(value) for name, value in band.items()}
