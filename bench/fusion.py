"""Print what fusing several frames gives; see edged.bench.fusion.

usage: python bench/fusion.py [--seed 7] [--json]
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.bench.bursts import LEVELS, burst, frame
from edged.bench.fpir import Share
from edged.bench.fusion import (
    FRAMES,
    FUSED,
    RULES,
    SINGLE,
    Bursts,
    Crowd,
    compare,
    fuse,
    fused_variance,
    looks,
    margins,
    reliability,
    threshold_at,
    unit,
)
from edged.bench.webcam import data_folder
from edged.camera.images import read_image
from edged.config.schema import Decision, Model, Vision
from edged.decision.policy import false_match_rate, similarity_at
from edged.errors import NoUsableFace
from edged.evaluation.intervals import bucket
from edged.service.engine import Engine
from edged.service.policy import make_policy
from edged.vision.evidence import CORRELATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edged.types import Image

FPIR = 0.003
LONG = 10  # frames, where looking after every frame is tried
PHOTOS = 6  # of one person at most: a few have hundreds
ALL = (*RULES, "median")
PASSES = 0.5357  # similarity at FMR 1e-4 between photos: what the bundle's quality speaks of


def photos(engine: Engine, folder: Path) -> Iterator[tuple[str, int, Image]]:
    """Name, number and aligned face of everybody the score was not trained on."""
    for person in sorted(folder.iterdir()):
        files = sorted(person.iterdir())
        if bucket(person.name) % 100 < 30 or len(files) == 1:
            chips = [
                chip
                for path in files[:PHOTOS]
                if (chip := face(engine, path, central=True)) is not None
            ]
            yield from ((person.name, turn, chip) for turn, chip in enumerate(chips))


def face(engine: Engine, path: Path, *, central: bool = False) -> Image | None:
    try:
        return engine.extract(read_image(path), central=central).chip
    except NoUsableFace:
        return None


def embedded(engine: Engine, frames: Sequence[Sequence[Image]]) -> Bursts:
    found = [[engine.embedder.embed(chip) for chip in views] for views in frames]
    return Bursts(
        np.stack([[view.embedding for view in views] for views in found]),
        np.array([[view.log_variance for view in views] for views in found], np.float32),
        np.array([[view.quality for view in views] for views in found], np.float32),
    )


def webcam(
    engine: Engine, days: dict[str, list[Image]], make: Callable[[Image], Image]
) -> dict[str, Bursts]:
    """Windows of consecutive frames of each day."""
    told = {}
    for day, chips in days.items():
        made = [make(chip) for chip in chips]
        starts = range(0, len(made) - FRAMES + 1, FRAMES)
        told[day] = embedded(engine, [made[start : start + FRAMES] for start in starts])
    return told


def show_webcam(
    templates: dict[str, np.ndarray],
    days: dict[str, Bursts],
    gallery: np.ndarray,
    floor: float,
    thresholds: dict[str, float],
) -> dict[str, Any]:
    """Windows of people enrolled on another day that are missed, and of strangers granted."""
    told: dict[str, Any] = {}
    for rule, threshold in thresholds.items():
        missed = shown = granted = strangers = 0
        for day, bursts in days.items():
            usable = bursts.quality >= floor
            probes = fuse(rule, bursts, usable)
            other = (probes @ gallery.T).max(1)
            strangers += len(probes)
            granted += int((usable.max(1) & (other >= threshold)).sum())
            for known, template in templates.items():
                if known != day and known.split("/")[0] == day.split("/")[0]:
                    own = probes @ template
                    right = usable.max(1) & (own >= np.maximum(threshold, other))
                    shown += len(own)
                    missed += int((~right).sum())
        miss, taken = Share(missed, shown), Share(granted, strangers)
        told[rule] = {
            "missed": [missed, shown, *miss.bounds],
            "strangers": [granted, strangers, *taken.bounds],
        }
    return told


def moving(
    engine: Engine,
    crowd: Crowd,
    chips: Sequence[Image],
    strangers: np.ndarray,
    floor: float,
    level: float,
    random: np.random.Generator,
) -> dict[str, Any]:
    """Bursts whose frames come from different photos: somebody who moves, at the most.

    Mates are people with six photos, searched with the last five against the first; strangers
    are people who are not there, each with one burst of as many photos as there are of them.
    """
    sets = np.split(np.arange(len(crowd.whose)), np.flatnonzero(np.diff(crowd.whose)) + 1)
    known = set(crowd.whose[strangers].tolist())

    def searched(rows: list[np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        bursts = embedded(engine, [[frame(chips[i], level, random) for i in row] for row in rows])
        usable = bursts.quality >= floor
        whose = crowd.whose[[row[0] for row in rows]]
        told = {}
        for rule in (SINGLE, "average", FUSED):
            similarity = fuse(rule, bursts, usable) @ crowd.gallery(1).T
            own = np.where(usable.any(1), similarity[np.arange(len(rows)), whose], -2)
            similarity[np.arange(len(rows)), whose] = -2
            told[rule] = own, np.where(usable.any(1), similarity.max(1), -2)
        return told

    mates = searched([row[1 : FRAMES + 1] for row in sets if len(row) > FRAMES])
    others = searched([np.resize(row, FRAMES) for row in sets if crowd.whose[row[0]] in known])
    told = {}
    for rule, (own, best) in mates.items():
        threshold = threshold_at(others[rule][1], FPIR)
        missed = Share(int((own < np.maximum(threshold, best)).sum()), len(own))
        told[rule] = [missed.events, missed.trials, *missed.bounds]
    return told


def measure(engine: Engine, seed: int) -> dict[str, Any]:
    policy = make_policy(Decision(), engine.manifest)
    floor, data = policy.minimum_quality, data_folder()
    names, turns, chips = zip(*photos(engine, data / "lfw-train"), strict=True)
    _, whose = np.unique(names, return_inverse=True)
    clean = embedded(engine, [[chip] for chip in chips])
    crowd = Crowd(whose, np.array(turns), clean.embeddings[:, 0])
    strangers = crowd.strangers(similarity_at(1e-8, policy.curve))
    live = data / "webcam-dev" / "live"
    days = {
        str(day.relative_to(live)): [
            chip for path in sorted(day.glob("*.jpg")) if (chip := face(engine, path)) is not None
        ]
        for day in sorted(live.glob("*/*"))
    }
    templates = {}
    for day, images in days.items():
        first = embedded(engine, [images[:11:5]])
        templates[day] = unit(first.embeddings[0].sum(0))
    gallery = crowd.gallery(1)
    door = similarity_at(false_match_rate(FPIR, len(gallery)), policy.curve)  # of one look
    quality = np.vectorize(engine.manifest.quality.quality)
    told: dict[str, Any] = {"people": len(gallery), "threshold": door, "levels": {}}
    told["webcam"], told["looks"] = {}, {}

    def fit(bursts: Bursts, low: float) -> tuple[np.ndarray, np.ndarray]:
        usable = bursts.quality >= low
        promised = quality(fused_variance(bursts.log_variance, usable, CORRELATION))
        return usable, usable.max(1) & (promised >= floor)

    told["untouched"] = [
        compare(crowd, strangers, clean, n, *fit(clean, floor), FPIR, (SINGLE, FUSED))
        for n in (1, 3)
    ]
    for number, (name, level) in enumerate(LEVELS.items()):
        random = np.random.default_rng([seed, number])
        frames = FRAMES if name == "severe" else LONG
        long = embedded(engine, [burst(chip, level, frames, random) for chip in chips])
        bursts = long.first(FRAMES)
        told["levels"][name] = row = {
            "median_quality": float(np.median(bursts.quality)),
            "enrolled": [
                {"floor": low}
                | compare(crowd, strangers, bursts, n, *fit(bursts, low), FPIR, rules)
                for n in (1, 3)
                for low, rules in ((floor, ALL), (0.3, (SINGLE, FUSED)), (0.1, (SINGLE, FUSED)))
            ],
            "reliability": [
                reliability(crowd, bursts.first(n), floor, PASSES, quality, correlation)
                for n in (2, 3, 5)
                for correlation in (0.35, 0.5, 0.65, 0.8)
            ],
            "margins": [margins(crowd, strangers, bursts, floor, door, n) for n in (1, 3)],
        }
        row["moving"] = moving(engine, crowd, chips, strangers, floor, level, random)
        thresholds = {
            rule: row["enrolled"][0]["rules"][rule]["threshold"] for rule in (SINGLE, FUSED)
        }
        shown = webcam(engine, days, lambda chip, level=level, r=random: frame(chip, level, r))
        told["webcam"][name] = show_webcam(templates, shown, gallery, floor, thresholds)
        if frames == LONG:
            usable = long.quality >= floor
            _, other = crowd.search(fuse(FUSED, long, usable), gallery)
            ended = np.where(usable.sum(1) >= policy.evidence_frames, other, -2)
            tried = [threshold_at(ended[strangers], share) for share in (FPIR, 10 * FPIR)]
            told["looks"][name] = looks(crowd, strangers, long, floor, [door, *tried])
    taken = webcam(engine, days, lambda chip: chip)
    own = dict.fromkeys((SINGLE, FUSED), door)
    told["webcam"]["as taken, the threshold of one look"] = show_webcam(
        templates, taken, gallery, floor, own
    )
    return told


def show(told: dict[str, Any]) -> None:
    print(f"{told['people']} people")
    for part in told["untouched"]:
        print(f"untouched, enrolled {part['enrolled']}: {part['rules'][FUSED]['fnir']:.1%}")
    for name, level in told["levels"].items():
        for part in level["enrolled"]:
            print(f"\n{name}, enrolled {part['enrolled']}, views from quality {part['floor']}")
            for rule, row in part["rules"].items():
                low, high = row["bounds"]
                print(f"  {rule:<26} {row['fnir']:.1%} ({low:.1%}-{high:.1%})")
            low, high = part["fused_over_best_bounds"]
            print(f"  fused / best {part['fused_over_best']:.2f} ({low:.2f}-{high:.2f})")
        for part in level["reliability"]:
            bands = " ".join(f"{b['promised']:.2f}>{b['passed']:.2f}" for b in part["bands"])
            print(f"  r {part['correlation']}: error {part['expected_error']:.3f}: {bands}")
        print(f"  frames of different photos, missed: {level['moving']}")
        for part in level["margins"]:
            for row in part:
                print("  ", row)
    for name, rules in told["webcam"].items():
        for rule, counts in rules.items():
            print(f"webcam, {name}, {rule}: {counts}")
    for name, rows in told["looks"].items():
        for row in rows:
            print(name, row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with Engine(Model(), Vision()) as engine:
        told = measure(engine, args.seed)
    if args.json:
        print(json.dumps(told))
    else:
        show(told)


if __name__ == "__main__":
    main()
