"""Similarities of many faces: genuine and impostor comparisons without keeping them all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edged.types import Floats

BIN = 1e-4
BLOCK = 512
MOST_KEPT = 3_000_000
_BINS = round(2 / BIN) + 2


@dataclass(frozen=True)
class Counts:
    """Impostor similarities as a histogram in bins of `BIN` from -1; counts may be weights."""

    histogram: NDArray[Any]

    @property
    def count(self) -> int:
        return round(float(self.histogram.sum()))

    def similarity_at(self, fmr: float) -> float:
        """Lowest threshold whose share of impostors at or above it is at most `fmr`."""
        rising = self._above  # from the highest bin down
        bins = len(rising) - int(np.searchsorted(rising, fmr * rising[-1], side="right"))
        return min(1.0, bins * BIN - 1)

    @cached_property
    def _above(self) -> NDArray[Any]:
        return np.cumsum(self.histogram[::-1])


@dataclass(frozen=True)
class Impostors(Counts):
    """All impostor comparisons of a set: a histogram, and the tail one by one.

    Tail rows are (i, j) face numbers, with their similarities.
    """

    pairs: NDArray[np.int32]
    similarities: Floats


def unit(embeddings: Floats) -> Floats:
    """Rows of length one; what has no direction becomes NaN, and NaN matches nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        normed: Floats = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return normed


def rows_of(people: NDArray[np.str_]) -> list[NDArray[np.intp]]:
    """The rows of each person, by name; a person's rows keep their order."""
    _, labels, counts = np.unique(people, return_inverse=True, return_counts=True)
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(counts)[:-1]) if len(counts) else []


def impostors(
    embeddings: Floats, people: NDArray[np.str_], tail_from: float | None = None
) -> Impostors:
    """Compare every image with every image of every other person, once.

    Args:
        tail_from: keep comparisons from this similarity on one by one; None takes the similarity
            at FMR 6 %, for small sets up to 30 %, so that every fit and bound has what it needs.

    Raises:
        EvaluationError: nobody to compare with.
    """
    return _compare(embeddings, people, None, tail_from)


def impostors_between(
    left: tuple[Floats, NDArray[np.str_]],
    right: tuple[Floats, NDArray[np.str_]],
    tail_from: float | None = None,
) -> Impostors:
    """Compare every row of `left` (embeddings, people) with every other person's in `right`."""
    return _compare(left[0], left[1], right, tail_from)


def _compare(
    embeddings: Floats,
    people: NDArray[np.str_],
    right: tuple[Floats, NDArray[np.str_]] | None,
    tail_from: float | None,
) -> Impostors:
    other, others = (embeddings, people) if right is None else right
    labels = np.unique(np.concatenate([people, others]), return_inverse=True)[1]
    sets = (unit(embeddings), labels[: len(people)], unit(other), labels[len(people) :])
    histogram = np.zeros(_BINS, np.int64)
    for _, rows, mask in _blocks(*sets, once=right is None):
        bins = ((rows[mask] + 1) / BIN).astype(np.int64)
        histogram += np.bincount(np.clip(bins, 0, _BINS - 2), minlength=_BINS)
    counts = Counts(histogram)
    if not counts.count:
        raise EvaluationError("no two faces of different people: there is nothing to compare")
    if tail_from is None:
        tail_from = counts.similarity_at(min(0.3, max(0.06, MOST_KEPT / counts.count)))
    pairs, tail = [], []
    for start, rows, mask in _blocks(*sets, once=right is None):
        i, j = np.nonzero(mask & (rows >= tail_from))
        pairs.append(np.stack([i + start, j], 1).astype(np.int32))
        tail.append(rows[i, j])
    return Impostors(histogram, np.concatenate(pairs), np.concatenate(tail))


def _blocks(
    left: Floats,
    left_labels: NDArray[np.intp],
    right: Floats,
    right_labels: NDArray[np.intp],
    *,
    once: bool,
) -> Iterator[tuple[int, Floats, NDArray[np.bool_]]]:
    """Rows of the similarity matrix, and which of them compare two people (`once`: each pair
    in one direction only); faces without a direction are compared with nobody."""
    for start in range(0, len(left), BLOCK):
        rows = left[start : start + BLOCK] @ right.T
        mask = left_labels[start : start + BLOCK, None] != right_labels[None]
        if once:
            mask &= np.arange(len(right))[None] > np.arange(start, start + len(rows))[:, None]
        yield start, rows, mask & np.isfinite(rows)


def genuine_pairs(people: NDArray[np.str_], most_per_person: int) -> NDArray[np.int64]:
    """(i, j), i < j, of one person; the first `most_per_person` images of each, by file name."""
    pairs = [np.empty((0, 2), np.int64)]
    for whole in rows_of(people):
        rows = whole[:most_per_person]
        i, j = np.triu_indices(len(rows), 1)
        pairs.append(np.stack([rows[i], rows[j]], 1))
    return np.concatenate(pairs).astype(np.int64)


def auroc(clean: NDArray[np.floating], bad: NDArray[np.floating]) -> float:
    """Probability that a bad view scores above a clean one; ties count half, a NaN is worst.

    Raises:
        EvaluationError: one of the two is empty.
    """
    if not (len(clean) and len(bad)):
        raise EvaluationError(f"{len(clean)} clean and {len(bad)} bad views: nothing to compare")
    values = np.concatenate([clean, bad])
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    rank_sum = ranks[len(clean) :].sum()
    return float((rank_sum - len(bad) * (len(bad) + 1) / 2) / (len(clean) * len(bad)))
