"""Every measurement of one build, in one place: the manifest and the card are written from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.evaluation import quality, risk
from edged.evaluation.comparisons import auroc
from edged.evaluation.degrade import KINDS, LEVELS
from edged.evaluation.outcomes import all_outcomes, view_outcomes
from edged.evaluation.outputs import Agreement, Outputs, agreement
from training import data, door, latency, matching
from training import quality as measured
from training.evaluate import (
    FRONTAL_BELOW,
    TURNED_ABOVE,
    degraded,
    non_faces,
    outputs,
    randomly_degraded,
    turn,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.evaluation import calibrate
    from training.align import Chips

QUALITY_FMR = 1e-4
DOOR_FPIR = 0.003
DAMAGED_EVERY = 2  # sixty times the same photos: half of them will do
WORST_FNMR_AT_1E_3 = 0.05
MEANING = (
    "probability that a genuine comparison made with this view passes at FMR 1e-4 between photos "
    "(similarity {:.4f}) against an undegraded photo (half undegraded, half randomly degraded "
    "views of people not trained on)"
)


@dataclass(frozen=True)
class Sets:
    """The local data a build measures on; `lfw_folder` holds the photos behind `lfw`."""

    lfw: Chips
    photos: Chips
    webcam: Chips
    lfw_folder: Path


@dataclass(frozen=True)
class Report:
    """All figures of one build."""

    matching: matching.Matching
    fnmr: list[dict[str, Any]]
    quality: measured.Quality
    clean_agreement: Agreement
    degraded_agreement: Agreement
    door: dict[str, Any]
    quality_similarity: float
    latency_ms: dict[str, float]
    size_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a JSON file."""
        return asdict(self)

    def for_manifest(self) -> dict[str, Any]:
        """The manifest's `quality`, `false_match` and `calibration`."""
        return {
            "quality": {
                **self.quality.chosen.as_manifest(),
                "source": "network",
                "meaning": MEANING.format(self.quality_similarity),
                "levels": quality.LEVELS,
                "minimum": quality.MINIMUM,
            },
            "false_match": self.matching.false_match,
            "calibration": {
                "data": "LFW-deepfunneled, one face a photo, INT8 embeddings",
                "people": self.matching.people,
                "images": self.matching.images,
                "impostor_comparisons": self.matching.comparisons,
                "genuine_comparisons": self.fnmr[0]["tried"],
                "split": "false matches: all people, whose names the base never learned here; "
                f"quality: {data.SPLIT}",
            },
        }


def measure_all(network: Path, reference: Path, sets: Sets, seed: int) -> Report:
    """Calibrate `network` (INT8) and measure it beside `reference` (float).

    Raises:
        RuntimeError: the network does not recognise faces, or its score points the wrong way.
    """
    lfw = outputs(network, sets.lfw.images)
    matched, pairs = matching.measure(lfw, sets.lfw.people, seed)
    threshold = pairs.similarity_at(QUALITY_FMR)

    held_out = data.development_rows(sets.lfw.people)
    chips, clean = sets.lfw.take(held_out), lfw.take(held_out)
    floats = outputs(reference, chips.images)
    fnmr = matching.false_non_matches(clean, floats, chips.people, pairs)
    if fnmr[0]["failed"] > WORST_FNMR_AT_1E_3 * fnmr[0]["tried"]:
        raise RuntimeError(f"the network does not recognise faces: {fnmr[0]}")

    damaged_chips = randomly_degraded(chips.images, seed + 1)
    damaged = outputs(network, damaged_chips)
    outcomes = all_outcomes(clean, damaged, chips.people, threshold)
    chosen = quality.choose(outcomes, seed)
    curve = chosen.curve
    webcam = outputs(network, sets.webcam.images)
    frontal = chips.take(frontal_rows(chips))
    kinds = all_kinds(network, sets, chips, clean, webcam, curve, threshold, seed)
    kinds.insert(1, measured.kind("held-out photos", clean, kinds_clean(chips, clean), curve))
    check = door.check(
        webcam,
        sets.webcam.people,
        curve.quality(webcam.log_variance),
        door.distractors(lfw, sets.lfw.people),
        risk.threshold(matched.false_match, matched.people, DOOR_FPIR),
        quality.MINIMUM["access"],
    )
    return Report(
        matching=matched,
        fnmr=fnmr,
        quality=measured.measure(
            chosen,
            outcomes,
            (clean, chips.people, threshold),
            frontal_rows(chips),
            measured.bands(outcomes, curve, lfw, sets.lfw.people, threshold),
            kinds,
            damage(network, frontal, kinds_clean(chips, clean), seed),
        ),
        clean_agreement=agreement(clean, floats),
        degraded_agreement=agreement(damaged, outputs(reference, damaged_chips)),
        door=door_summary(check),
        quality_similarity=round(threshold, 4),
        latency_ms=latency.measure({"float": reference, "INT8": network}),
        size_bytes=network.stat().st_size,
    )


def frontal_rows(chips: Chips) -> NDArray[np.bool_]:
    """Frontal photos of people who have another photo."""
    _, labels, counts = np.unique(chips.people, return_inverse=True, return_counts=True)
    return (turn(chips.landmarks) < FRONTAL_BELOW) & (counts[labels] > 1)


def kinds_clean(chips: Chips, clean: Outputs) -> Outputs:
    """What every kind of view is compared with."""
    return clean.take(frontal_rows(chips))


def all_kinds(
    network: Path,
    sets: Sets,
    chips: Chips,
    held_out: Outputs,
    webcam: Outputs,
    curve: calibrate.Quality,
    threshold: float,
    seed: int,
) -> list[measured.Kind]:
    """Clean frontal photos, each fixed damage to them, and views that nobody had to paint."""
    clean = kinds_clean(chips, held_out)
    frontal = chips.take(frontal_rows(chips))
    share, seen = view_outcomes(clean, clean, frontal.people, threshold)
    rows = [measured.kind("clean frontal photos", clean, clean, curve, float(share[seen].mean()))]
    live = np.char.startswith(sets.webcam.people, "live/")
    rows.append(measured.kind("webcam-dev, live", webcam.take(live), clean, curve))
    photos = outputs(network, sets.photos.images)
    rows.append(measured.kind("photos-dev", photos, clean, curve))
    for name in KINDS:
        views = outputs(network, degraded(frontal.images, name, LEVELS["middle"], seed))
        share, seen = view_outcomes(views, clean, frontal.people, threshold)
        rows.append(measured.kind(name, views, clean, curve, float(share[seen].mean())))
    turned = chips.images[turn(chips.landmarks) > TURNED_ABOVE]
    turned_photos = sets.photos.images[turn(sets.photos.landmarks) > TURNED_ABOVE]
    profile = outputs(network, np.concatenate([turned, turned_photos]))
    rows.append(measured.kind("half profile (real)", profile, clean, curve))
    files = [sets.lfw_folder / str(f) for f in chips.files[::5]]
    rows.append(measured.kind("no face", outputs(network, non_faces(files, seed)), clean, curve))
    return rows


def damage(network: Path, frontal: Chips, clean: Outputs, seed: int) -> list[dict[str, Any]]:
    """AUROC of score and norm against clean frontal photos, of each kind and level of damage."""
    rows = []
    chips = frontal.images[::DAMAGED_EVERY]
    for name in KINDS:
        row: dict[str, Any] = {"kind": name}
        for level, value in LEVELS.items():
            views = outputs(network, degraded(chips, name, value, seed))
            row[level] = {
                "score": auroc(clean.log_variance, views.log_variance),
                "norm": auroc(-clean.norm, -views.norm),
            }
        rows.append(row)
    return rows


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
