"""Every measurement of one build, in one place: the manifest and the card are written from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training import calibrate, data, door, latency, manifest
from training.comparisons import Impostors, genuine_pairs, impostors, unit
from training.degrade import FIXED
from training.evaluate import (
    FRONTAL_BELOW,
    MOST_PER_PERSON,
    TURNED_ABOVE,
    Agreement,
    Outputs,
    Separation,
    agreement,
    degraded,
    discard_curve,
    non_faces,
    outputs,
    randomly_degraded,
    separations,
    turn,
    view_outcomes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.align import Chips
    from training.detect import Floats

QUALITY_FMR = 1e-4
DOOR_FPIR = 0.003
TAIL_FROM = 0.2
MINIMUM = {"attendance": 0.40, "access": 0.50, "high_security": 0.65}
WORST_FNMR_AT_1E_3 = 0.05


@dataclass(frozen=True)
class Sets:
    """The local data a build measures on; `lfw_folder` holds the photos behind `lfw`."""

    lfw: Chips
    photos: Chips
    webcam: Chips
    lfw_folder: Path


@dataclass(frozen=True)
class Report:
    """All figures; the first four go into the manifest as they are."""

    quality: dict[str, Any]
    false_match: list[dict[str, Any]]
    calibration: dict[str, Any]
    tail: dict[str, Any]
    intervals: dict[str, tuple[float, float]]
    top_pairs: list[float]
    fnmr: list[dict[str, Any]]
    separations: list[Separation]
    discard: dict[str, dict[float, tuple[int, int]]]
    discard_half_degraded: dict[str, dict[float, float]]
    calibration_error: float
    views: int
    pass_rates: dict[str, float]
    quality_of: dict[str, list[float]]
    below_minimum: dict[str, dict[str, float]]
    clean_agreement: Agreement
    degraded_agreement: Agreement
    door: dict[str, Any]
    latency_ms: dict[str, float]
    size_bytes: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_all(network: Path, reference: Path, sets: Sets, seed: int) -> Report:
    """Calibrate `network` (INT8) and measure it beside `reference` (float).

    Raises:
        RuntimeError: the network does not recognise faces, or its score points the wrong way.
    """
    lfw = outputs(network, sets.lfw.images)
    all_pairs = impostors(lfw.embeddings, sets.lfw.people, TAIL_FROM)
    tail = calibrate.fit_tail(all_pairs)
    table = calibrate.false_match_table(all_pairs, tail)
    threshold = all_pairs.similarity_at(QUALITY_FMR)

    held_out = data.development_rows(sets.lfw.people)
    people, clean = sets.lfw.people[held_out], lfw.take(held_out)
    chips = sets.lfw.images[held_out]
    floats = outputs(reference, chips)
    fnmr = false_non_matches(clean, floats, people, all_pairs)
    if fnmr[0]["failed"] > WORST_FNMR_AT_1E_3 * fnmr[0]["tried"]:
        raise RuntimeError(f"the network does not recognise faces: {fnmr[0]}")

    damaged_chips = randomly_degraded(chips, seed + 1)
    damaged = outputs(network, damaged_chips)
    outcomes = all_outcomes(clean, damaged, people, threshold)
    curve, error = quality_curve(outcomes)
    frontal = held_out & (turn(sets.lfw.landmarks) < FRONTAL_BELOW)
    sources = {
        "clean frontal photos": lfw.take(frontal),
        "all photos": clean,
        "randomly degraded": damaged,
        "photos-dev": outputs(network, sets.photos.images),
        "webcam-dev live": outputs(network, sets.webcam.images).take(_live(sets.webcam)),
    }
    rows = separations(network, lfw.take(frontal), sets.lfw.images[frontal], _others(sets), seed)
    webcam = outputs(network, sets.webcam.images)
    check = door.check(
        webcam,
        sets.webcam.people,
        curve.quality(webcam.log_variance),
        door.distractors(lfw, sets.lfw.people),
        calibrate.threshold(table, len(np.unique(sets.lfw.people)), DOOR_FPIR),
        MINIMUM["access"],
    )
    qualities = {name: curve.quality(o.log_variance) for name, o in sources.items()}
    qualities |= fixed_qualities(network, sets.lfw.images[frontal], curve, seed)
    return Report(
        quality={
            "method": "logistic",
            "midpoint": curve.midpoint,
            "slope": curve.slope,
            "meaning": "probability that a genuine comparison made with this view passes at FMR "
            "1e-4 against an undegraded photo (half undegraded, half randomly degraded views of "
            "people not trained on)",
            "levels": manifest.LEVELS,
            "minimum": MINIMUM,
        },
        false_match=table,
        calibration={
            "data": "LFW-deepfunneled, one face a photo, INT8 embeddings",
            "people": len(np.unique(sets.lfw.people)),
            "images": len(sets.lfw),
            "impostor_comparisons": all_pairs.count,
            "genuine_comparisons": fnmr[0]["tried"],
            "split": f"false matches: all people, the base is frozen; quality: {data.SPLIT}",
        },
        tail=asdict(tail) | held_out_decade(all_pairs),
        intervals={
            f"{f:.0e}": ends
            for f, ends in calibrate.bootstrap(
                all_pairs, sets.lfw.people, [1e-2, 1e-3, 1e-4, 1e-5], seed
            ).items()
        },
        top_pairs=np.sort(all_pairs.similarities)[::-1][:100].round(3).tolist(),
        fnmr=fnmr,
        separations=rows,
        discard={
            "score": discard_curve(clean, people, threshold, clean.log_variance),
            "norm": discard_curve(clean, people, threshold, -clean.norm),
        },
        discard_half_degraded=outcomes.discards(),
        calibration_error=error,
        views=len(outcomes.passed),
        pass_rates={
            "undegraded": float(outcomes.passed[~outcomes.degraded].mean()),
            "degraded": float(outcomes.passed[outcomes.degraded].mean()),
        },
        quality_of={
            name: np.quantile(q, [0.05, 0.25, 0.5, 0.75, 0.95]).round(3).tolist()
            for name, q in qualities.items()
        },
        below_minimum={
            name: {profile: float((q < low).mean()) for profile, low in MINIMUM.items()}
            for name, q in qualities.items()
        },
        clean_agreement=agreement(clean, floats),
        degraded_agreement=agreement(damaged, outputs(reference, damaged_chips)),
        door=door_summary(check),
        latency_ms=latency.measure({"float": reference, "INT8": network}),
        size_bytes=network.stat().st_size,
    )


def _live(webcam: Chips) -> NDArray[np.bool_]:
    return np.char.startswith(webcam.people, "live/")


def _others(sets: Sets) -> dict[str, NDArray[np.uint8]]:
    """Bad views that nobody had to paint: turned heads, and patches that are no face."""
    lfw, photos = sets.lfw, sets.photos
    held_out = data.development_rows(lfw.people)
    turned = held_out & (turn(lfw.landmarks) > TURNED_ABOVE)
    turned_photos = photos.images[turn(photos.landmarks) > TURNED_ABOVE]
    files = [sets.lfw_folder / str(f) for f in lfw.files[held_out][::5]]
    return {
        "half profile (real)": np.concatenate([lfw.images[turned], turned_photos]),
        "non-face": non_faces(files, 3),
    }


def false_non_matches(
    faces: Outputs, floats: Outputs, people: NDArray[np.str_], all_pairs: Impostors
) -> list[dict[str, Any]]:
    """Failed genuine comparisons of held-out people at three false match rates, INT8 and float."""
    pairs = genuine_pairs(people, MOST_PER_PERSON)
    rows = []
    for fmr in (1e-3, 1e-4, 1e-5):
        limit = all_pairs.similarity_at(fmr)
        row: dict[str, Any] = {"fmr": fmr, "threshold": round(limit, 4), "tried": len(pairs)}
        for name, out in (("failed", faces), ("failed_float", floats)):
            vectors = unit(out.embeddings)
            similarity = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
            row[name] = int((similarity < limit).sum())
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Outcomes:
    """One row a view: the share of genuine comparisons it passes, its scores, its person."""

    passed: NDArray[np.float64]
    log_variance: Floats
    norm: Floats
    people: NDArray[np.str_]
    degraded: NDArray[np.bool_]

    def discards(self) -> dict[str, dict[float, float]]:
        """FNMR after the worst share of views is discarded, by score and by norm."""
        result = {}
        for name, badness in (("score", self.log_variance), ("norm", -self.norm)):
            order = np.argsort(badness, kind="stable")
            kept = {s: order[: round(len(order) * (1 - s))] for s in (0.0, 0.1, 0.2, 0.5)}
            result[name] = {s: float(1 - self.passed[rows].mean()) for s, rows in kept.items()}
        return result


def all_outcomes(
    clean: Outputs, damaged: Outputs, people: NDArray[np.str_], threshold: float
) -> Outcomes:
    """Undegraded and degraded views of every photo against the person's other photos."""
    parts = []
    for views in (clean, damaged):
        share, seen = view_outcomes(views, clean, people, threshold)
        flag = np.full(int(seen.sum()), views is damaged)
        parts.append((share[seen], views.log_variance[seen], views.norm[seen], people[seen], flag))
    return Outcomes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def quality_curve(outcomes: Outcomes) -> tuple[calibrate.Curve, float]:
    """The logistic over all held-out people, and its calibration error by five folds of people."""
    score, passed = outcomes.log_variance, outcomes.passed
    fold = np.array([data.bucket(str(p)) % 5 for p in outcomes.people])
    quality = np.empty(len(score), np.float32)
    for k in range(5):
        rest = fold != k
        quality[~rest] = calibrate.fit_curve(score[rest], passed[rest]).quality(score[~rest])
    return calibrate.fit_curve(score, passed), calibrate.calibration_error(quality, passed)


def fixed_qualities(
    network: Path, frontal: NDArray[np.uint8], curve: calibrate.Curve, seed: int
) -> dict[str, Floats]:
    """Where visibly bad views land: they should fall below every minimum."""
    return {
        kind: curve.quality(outputs(network, degraded(frontal, kind, seed)).log_variance)
        for kind in FIXED
    }


def held_out_decade(all_pairs: Impostors) -> dict[str, float]:
    """Both tails fitted a decade earlier, asked for 1e-5, beside what was counted there."""
    earlier = calibrate.fit_tail(all_pairs, (1e-2, 1e-4))
    return {
        "counted_at_1e-5": all_pairs.similarity_at(1e-5),
        "normal_from_1e-4": earlier.normal(1e-5),
        "pareto_from_1e-4": earlier.pareto(1e-5),
    }


def door_summary(check: door.Check) -> dict[str, Any]:
    """Counts as they are, similarities as quantiles."""
    return {
        "gallery": check.gallery,
        "threshold": round(check.threshold, 4),
        "counts": check.counts,
        "quantiles": {
            kind: np.quantile(values, [0, 0.05, 0.5, 0.95, 1]).round(3).tolist()
            for kind, values in check.similarities.items()
        },
    }
