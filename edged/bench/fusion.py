"""What several frames of a person give over one, and what that costs.

Protocol. People the score was not trained on: the development third of LFW by hash of the name,
and everybody with a single photo. Each is enrolled with the first photo or the first three; the
gallery holds them all. As a mate a person is searched with bursts (`edged.bench.bursts`) of each
photo that is not enrolled, as a stranger with one of their first photo, their own row left out. A
stranger whose untouched photo reaches the similarity at FMR 1e-8 with somebody else is the same
person under two names, and is left out. The webcam's people are enrolled from one day (three
frames a third of a second apart) and searched with five consecutive frames of another, as
they were taken and degraded like the bursts.

Views below a floor do not count; the floor is the profile's minimum quality, as at the door, or
lower. A burst whose fused quality is below the minimum is a miss. The threshold of each rule is
where 0.3 % of the strangers' bursts of the same kind pass. Bounds do not hold the threshold's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.bench.fpir import Share
from edged.vision.evidence import CORRELATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edged.types import Floats

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.intp]

FRAMES = 5
_DRAWS = 1000


@dataclass(frozen=True)
class Bursts:
    """Embeddings of bursts, float32 (n, frames, d), log variances and qualities (n, frames)."""

    embeddings: Floats
    log_variance: Floats
    quality: Floats

    def first(self, frames: int) -> Bursts:
        """The first frames of each."""
        parts = (self.embeddings, self.log_variance, self.quality)
        return Bursts(*(part[:, :frames] for part in parts))

    def take(self, rows: Ints | Bools) -> Bursts:
        """Some of them."""
        return Bursts(self.embeddings[rows], self.log_variance[rows], self.quality[rows])


def _best(bursts: Bursts, usable: Bools) -> Floats:
    doubt = np.where(usable, bursts.log_variance, np.inf)
    return _only(doubt.argmin(1), doubt.shape[1])


def _first(_: Bursts, usable: Bools) -> Floats:
    return _only(usable.argmax(1), usable.shape[1])


def _only(chosen: Ints, frames: int) -> Floats:
    weight: Floats = np.eye(frames, dtype=np.float32)[chosen]
    return weight


RULES: dict[str, Callable[[Bursts, Bools], Floats]] = {
    "first frame": _first,
    "best frame by the score": _best,
    "average": lambda _, usable: usable.astype(np.float32),
    "by quality": lambda bursts, _: bursts.quality,
    "by 1 / deviation": lambda bursts, _: np.exp(-bursts.log_variance / 2),
    "by 1 / variance": lambda bursts, _: np.exp(-bursts.log_variance),
    "by 1 / variance squared": lambda bursts, _: np.exp(-2 * bursts.log_variance),
}
"""Weights of a burst's views, (n, frames)."""

SINGLE, FUSED = "best frame by the score", "by 1 / variance"


def unit(rows: Floats) -> Floats:
    """Each row put to length 1; zeros stay zeros."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).astype(np.float32)


def fuse(rule: str, bursts: Bursts, usable: Bools) -> Floats:
    """A probe of each burst, (n, d); zeros where no view is usable."""
    if rule == "median":
        return unit(_median(bursts.embeddings, usable))
    weight = RULES[rule](bursts, usable) * usable
    return unit(np.einsum("nfd,nf->nd", bursts.embeddings, weight))


def fused_variance(log_variance: Floats, usable: Bools, correlation: float) -> Floats:
    """What `edged.vision.evidence` predicts for the usable views of each burst together."""
    root = np.where(usable, np.exp(-log_variance / 2), 0)
    precision = np.maximum((root**2).sum(1), 1e-12)
    shared = (root.sum(1) / precision) ** 2
    found: Floats = np.log((1 - correlation) / precision + correlation * shared)
    return found


@dataclass(frozen=True)
class Crowd:
    """Whose each row of photos is, which of that person's photos it is, and their embeddings."""

    whose: Ints
    turn: Ints
    clean: Floats

    def gallery(self, enrolled: int) -> Floats:
        """One row a person: their first photos fused, as the daemon's index does."""
        rows = self.turn < enrolled
        total = np.zeros((self.whose.max() + 1, self.clean.shape[1]), np.float32)
        np.add.at(total, self.whose[rows], self.clean[rows])
        return unit(total)

    def search(self, probes: Floats, gallery: Floats) -> tuple[Floats, Floats]:
        """Similarity to the own row, and to the best other one, of each photo's probe."""
        rows = np.arange(len(self.whose))
        similarity = probes @ gallery.T
        own = similarity[rows, self.whose].copy()
        similarity[rows, self.whose] = -2
        return own, similarity.max(1)

    def strangers(self, label_error: float) -> Bools:
        """The first photo of everybody who is not there under another name."""
        _, other = self.search(self.clean, self.gallery(1))
        found: Bools = (self.turn == 0) & (other < label_error)
        return found


def threshold_at(similarities: Floats, fpir: float) -> float:
    """The similarity that a share `fpir` of strangers' best candidates reaches."""
    return float(np.quantile(similarities, 1 - fpir))


def drawn(
    missed: dict[str, Bools], whose: Ints, one: str, other: str
) -> tuple[dict[str, list[float]], list[float]]:
    """95 % bounds, by drawing people, of each share and of what `one` misses over `other`."""
    _, number = np.unique(whose, return_inverse=True)
    people = int(number.max()) + 1
    count = np.bincount(number, minlength=people)
    sums = {rule: np.bincount(number, hit, minlength=people) for rule, hit in missed.items()}
    random = np.random.default_rng(0)
    weight = np.stack(
        [np.bincount(random.integers(0, people, people), minlength=people) for _ in range(_DRAWS)]
    )
    total = weight @ count
    shares = {rule: np.quantile(weight @ s / total, [0.025, 0.975]) for rule, s in sums.items()}
    ratio = (weight @ sums[one]) / np.maximum(weight @ sums[other], 1)
    bounds = np.quantile(ratio, [0.025, 0.975])
    return {rule: pair.tolist() for rule, pair in shares.items()}, bounds.tolist()


def compare(
    crowd: Crowd,
    strangers: Bools,
    bursts: Bursts,
    enrolled: int,
    usable: Bools,
    decided: Bools,
    fpir: float,
    rules: Sequence[str] = (*RULES, "median"),
) -> dict[str, Any]:
    """FNIR of rules, each at its own threshold, and of fusing over the best frame.

    Args:
        usable: the views that count, (n, frames).
        decided: the bursts whose quality suffices; nothing is granted on others.
    """
    gallery = crowd.gallery(enrolled)
    mates = crowd.turn >= enrolled
    told: dict[str, Any] = {"enrolled": enrolled, "people": len(gallery)}
    missed: dict[str, Bools] = {}
    thresholds: dict[str, float] = {}
    for rule in rules:
        own, other = crowd.search(fuse(rule, bursts, usable), gallery)
        thresholds[rule] = threshold_at(np.where(decided, other, -2)[strangers], fpir)
        granted = decided & (own >= np.maximum(thresholds[rule], other))
        missed[rule] = np.logical_not(granted)[mates]
    bounds, ratio = drawn(missed, crowd.whose[mates], FUSED, SINGLE)
    told["strangers"], told["mates"] = int(strangers.sum()), int(mates.sum())
    told["undecided"] = float(1 - decided[mates].mean())
    told["rules"] = {
        rule: {"threshold": thresholds[rule], "fnir": float(miss.mean()), "bounds": bounds[rule]}
        for rule, miss in missed.items()
    }
    of_best = missed[FUSED].sum() / max(1, int(missed[SINGLE].sum()))
    return told | {"fused_over_best": float(of_best), "fused_over_best_bounds": ratio}


def reliability(
    crowd: Crowd,
    bursts: Bursts,
    floor: float,
    passes: float,
    quality: Callable[[Floats], Floats],
    correlation: float = CORRELATION,
) -> dict[str, Any]:
    """Promised quality of fused probes against the share of their genuine comparisons, with the
    untouched other photos of the person, that reach `passes`."""
    usable = bursts.quality >= floor
    probes = fuse(FUSED, bursts, usable)
    promised = quality(fused_variance(bursts.log_variance, usable, correlation))
    rows, kept = [], []
    for row, passed in _genuine(crowd, probes, passes):
        if usable[row].any():
            rows.append(row)
            kept.append(passed)
    said, passed_share = promised[rows], np.array(kept)
    bands = [
        {"promised": float(said[b].mean()), "passed": float(passed_share[b].mean()), "n": len(b)}
        for b in np.array_split(np.argsort(said, kind="stable"), 8)
    ]
    error = float(np.mean([abs(band["promised"] - band["passed"]) for band in bands]))
    return {"correlation": correlation, "expected_error": error, "bands": bands}


def looks(
    crowd: Crowd, strangers: Bools, bursts: Bursts, floor: float, similarities: list[float]
) -> list[dict[str, Any]]:
    """Looking after every frame against one look at the end: strangers granted, mates missed."""
    gallery = crowd.gallery(1)
    usable = bursts.quality >= floor
    views = usable.cumsum(1)
    frames = range(1, views.shape[1] + 1)
    probes = [fuse(FUSED, bursts.first(n), usable[:, :n]) for n in frames]
    searched = [crowd.search(probe, gallery) for probe in probes]
    own, other = (np.stack([pair[i] for pair in searched], 1) for i in (0, 1))
    mates = crowd.turn >= 1
    told = []
    for similarity in similarities:
        for fewest in (1, 2, 3):
            enough = views >= fewest
            taken = np.logical_and(other >= similarity, enough)[strangers]
            right = np.logical_and(own >= np.maximum(similarity, other), enough)[mates]
            told.append(
                {
                    "similarity": similarity,
                    "evidence_frames": fewest,
                    "strangers": len(taken),
                    "granted_any_look": int(taken.any(1).sum()),
                    "granted_last_look": int(taken[:, -1].sum()),
                    "fnir_any_look": float(1 - right.any(1).mean()),
                    "fnir_last_look": float(1 - right[:, -1].mean()),
                }
            )
    return told


def margins(
    crowd: Crowd, strangers: Bools, bursts: Bursts, floor: float, similarity: float, enrolled: int
) -> list[dict[str, Any]]:
    """People granted as somebody else, and mates missed, by the margin that is asked."""
    usable = bursts.quality >= floor
    probes = fuse(FUSED, bursts, usable)
    gallery = crowd.gallery(enrolled)
    own, other = crowd.search(probes, gallery)
    named_once = np.isin(crowd.whose, crowd.whose[strangers])
    rows = (crowd.turn >= enrolled) & named_once
    top = np.sort(np.partition(probes[rows] @ gallery.T, -2, axis=1)[:, -2:], axis=1)
    own, other, lead = own[rows], other[rows], top[:, 1] - top[:, 0]
    told = []
    for margin in (0.0, 0.02, 0.03, 0.06, 0.1):
        granted = (top[:, 1] >= similarity) & (lead >= margin)
        wrong = Share(int((granted & (other > own)).sum()), len(own))
        missed = float(1 - (granted & (own >= other)).mean())
        row = {"margin": margin, "wrong": wrong.events, "searches": wrong.trials, "fnir": missed}
        told.append(row | {"wrong_bounds": list(wrong.bounds)})
    return told


def _median(embeddings: Floats, usable: Bools) -> Floats:
    """Of the usable views, number by number."""
    ordered = np.sort(np.where(usable[..., None], embeddings, np.inf), axis=1)
    count = np.maximum(usable.sum(1), 1)
    rows = np.arange(len(usable))
    middle = (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2
    return np.where(usable.max(1)[:, None], middle, 0)


def _genuine(crowd: Crowd, probes: Floats, passes: float) -> Iterator[tuple[int, float]]:
    """Each photo of whoever has several, and the share of their other photos that its probe
    passes against."""
    order = np.argsort(crowd.whose, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(crowd.whose[order])) + 1):
        if len(rows) < 2:
            continue
        passed = np.asarray(probes[rows] @ crowd.clean[rows].T >= passes)
        np.fill_diagonal(passed, False)
        for row, share in zip(rows, passed.sum(1) / (len(rows) - 1), strict=True):
            yield int(row), float(share)
