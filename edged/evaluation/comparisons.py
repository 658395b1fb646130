"""Similarities of many faces: genuine and impostor comparisons without keeping them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edged.types import Floats

BIN = 1e-4
BLOCK = 512


@dataclass(frozen=True)
class Impostors:
    """All impostor comparisons of a set: a histogram, and the tail one by one.

    histogram counts similarities in bins of `BIN` from -1; tail rows are (i, j) image numbers,
    with their similarities.
    """

    histogram: NDArray[np.int64]
    pairs: NDArray[np.int32]
    similarities: Floats

    @property
    def count(self) -> int:
        return int(self.histogram.sum())

    def similarity_at(self, fmr: float) -> float:
        """Lowest threshold whose share of impostors at or above it is at most `fmr`."""
        above = np.cumsum(self.histogram[::-1])[::-1]
        return float(np.argmax(above <= fmr * self.count) * BIN - 1)


def unit(embeddings: Floats) -> Floats:
    """Rows of length one."""
    normed: Floats = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return normed


def _blocks(embeddings: Floats) -> Iterator[tuple[int, Floats]]:
    """Rows of the similarity matrix, from each block's own diagonal on."""
    faces = unit(embeddings)
    for start in range(0, len(faces), BLOCK):
        yield start, faces[start : start + BLOCK] @ faces[start:].T


def impostors(embeddings: Floats, people: NDArray[np.str_], tail_from: float) -> Impostors:
    """Compare every image with every image of every other person, once."""
    _, labels = np.unique(people, return_inverse=True)
    histogram = np.zeros(round(2 / BIN) + 2, np.int64)
    pairs, tail = [], []
    for start, rows in _blocks(embeddings):
        left = labels[start : start + len(rows)]
        ahead = np.arange(rows.shape[1])[None] > np.arange(len(rows))[:, None]
        mask = (left[:, None] != labels[None, start:]) & ahead
        values = rows[mask]
        bins = ((values + 1) / BIN).astype(np.int64)
        histogram += np.bincount(bins, minlength=len(histogram))
        i, j = np.nonzero(mask & (rows >= tail_from))
        pairs.append(np.stack([i + start, j + start], 1).astype(np.int32))
        tail.append(rows[i, j])
    return Impostors(histogram, np.concatenate(pairs), np.concatenate(tail))


def genuine_pairs(people: NDArray[np.str_], most_per_person: int) -> NDArray[np.int64]:
    """(i, j), i < j, of one person; the first `most_per_person` images of each, by file name."""
    pairs = []
    for person in np.unique(people):
        rows = np.nonzero(people == person)[0][:most_per_person]
        i, j = np.triu_indices(len(rows), 1)
        pairs.append(np.stack([rows[i], rows[j]], 1))
    return np.concatenate(pairs).astype(np.int64)


def auroc(clean: NDArray[np.floating], bad: NDArray[np.floating]) -> float:
    """Probability that a bad view scores above a clean one; ties count half."""
    values = np.concatenate([clean, bad])
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    rank_sum = ranks[len(clean) :].sum()
    return float((rank_sum - len(bad) * (len(bad) + 1) / 2) / (len(clean) * len(bad)))
