"""Views damaged on purpose: whether the score sees it, and whether quality keeps its promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edged.decision.policy import FPIR
from edged.evaluation.acquire import measured
from edged.evaluation.degrade import KINDS, LEVELS
from edged.evaluation.progress import progress
from edged.evaluation.rates import independent
from edged.evaluation.scores import (
    SHARES,
    Damage,
    passed_shares,
    reliability,
    separation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.bundle.manifest import Recogniser
    from edged.evaluation.acquire import Acquired
    from edged.evaluation.cache import Reading
    from edged.evaluation.instrument import Instrument
    from edged.evaluation.rates import Draws
    from edged.evaluation.scores import Measured

    Ints = NDArray[np.int64]

_VIEWS = {"all": 200, "quick": 60}
_MEASURES = ("score", "norm", "sharpness")


def damages(
    instrument: Instrument,
    acquired: Acquired,
    threshold: float,
    extent: str,
    draws: Draws,
    seed: int,
) -> dict[str, Any]:
    """Damage a sample of the views in every way, and compare them with what they were.

    Returns:
        "damage": a row for each kind and level. "damaged_discard" and a reliability over views
        of which half are damaged, one kind and level each, drawn anew for every view.
    """
    views = acquired.views
    levels = LEVELS if extent == "all" else {"middle": LEVELS["middle"]}
    ways = [(kind, level) for kind in KINDS for level in levels]
    sample = _sample(views, _VIEWS[extent], seed)
    readings: dict[tuple[str, str], list[Reading]] = {way: [] for way in ways}
    for row in progress(sample.tolist(), "damaging"):
        chip = instrument.chip(acquired.paths[row])
        for kind, level in ways:
            digest = acquired.digests[row]
            reading = instrument.degraded(chip, digest, kind, levels[level], seed)
            readings[kind, level].append(reading)
    manifest = instrument.engine.manifest
    table = [
        _row(way, readings[way], sample, views, threshold, manifest)
        for way in ways
        if any(not reading.failure for reading in readings[way])
    ]
    rng = np.random.default_rng([seed, 1])
    drawn = [
        readings[ways[way]][at] for at, way in enumerate(rng.integers(len(ways), size=len(sample)))
    ]
    kept = [at for at, reading in enumerate(drawn) if not reading.failure]
    rows = sample[kept]
    damaged = measured([drawn[at] for at in kept], views.people[rows], manifest)
    return {
        "damage": {"views": len(sample), "levels": levels, "rows": table},
        "half_damaged": _mixture(views, damaged, sample, rows, threshold, draws),
    }


def _sample(views: Measured, most: int, seed: int) -> Ints:
    """Views of people who have another one, spread over people, in a drawn order."""
    counts = np.bincount(views.people)
    rows = np.flatnonzero(counts[views.people] > 1)
    drawn = np.random.default_rng([seed, 0]).permutation(rows)
    # A person's first drawn view before anybody's second.
    order = np.argsort(_turn(views.people[drawn]), kind="stable")
    return np.sort(drawn[order][:most])


def _turn(people: Ints) -> Ints:
    """How many of the same person came before, for each row."""
    seen: dict[int, int] = {}
    turns = np.empty(len(people), np.int64)
    for row, person in enumerate(people.tolist()):
        turns[row] = seen.get(person, 0)
        seen[person] = turns[row] + 1
    return turns


def _row(
    way: tuple[str, str],
    readings: list[Reading],
    sample: Ints,
    views: Measured,
    threshold: float,
    manifest: Recogniser,
) -> Damage:
    kept = [at for at, reading in enumerate(readings) if not reading.failure]
    rows = sample[kept]
    bad = measured([readings[at] for at in kept], views.people[rows], manifest)
    clean = {name: views.badness[name][sample] for name in _MEASURES}
    shares = passed_shares(bad.embeddings, rows, views, threshold)
    tried = np.minimum(np.bincount(views.people)[views.people[rows]] - 1, 10)
    least = manifest.quality.minimum
    return Damage(
        *way,
        len(kept),
        separation(clean, bad.badness, _MEASURES),
        independent(round(float(np.nansum(shares * tried))), int(tried.sum())),
        np.quantile(bad.quality, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(),
        {name: float((bad.quality < getattr(least, name)).mean()) for name in FPIR},
    )


def _mixture(
    views: Measured, damaged: Measured, sample: Ints, rows: Ints, threshold: float, draws: Draws
) -> dict[str, Any]:
    passed = np.concatenate(
        [
            passed_shares(views.embeddings[sample], sample, views, threshold),
            passed_shares(damaged.embeddings, rows, views, threshold),
        ]
    )
    quality = np.concatenate([views.quality[sample], damaged.quality])
    people = np.concatenate([views.people[sample], damaged.people])
    curves = {}
    for name in _MEASURES:
        worst = np.concatenate([views.badness[name][sample], damaged.badness[name]])
        order = np.argsort(worst, kind="stable")
        curves[name] = [
            {"share": share, "views": left, "value": float(1 - passed[order[:left]].mean())}
            for share in SHARES
            if (left := round(len(order) * (1 - share))) >= 1
        ]
    return {
        "views": len(passed),
        "threshold": threshold,
        "discard": curves,
        "reliability": reliability(quality, passed, people, draws),
    }
