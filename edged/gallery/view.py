"""Everybody of an index as they were at one moment, and the search among them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from edged.gallery.compact import Gathered, Probe
from edged.types import Candidate, Match

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edged.gallery.blocks import Block
    from edged.gallery.compact import Doubles
    from edged.types import Floats

_LONGEST = 1.002  # of a row or a probe: length 1 within rounding
_ROUNDING = 2e-6  # of single precision, in a score
_FOLDS = 32  # groups of which the best is looked for first
_FEW = 32  # rows that are compared exactly sooner than it is found out whether they must be
_AT_ONCE = 1024  # rows compared exactly at once


@dataclass(frozen=True, slots=True)
class View:
    """Everybody as they were at one moment.

    Attributes:
        starts: where each block begins among all rows, and the end.
        steps: what a whole number of each row stands for, (people,).
        widest: the longest rest that a row in a byte a number leaves out.
        marked: who resembles somebody else.
    """

    blocks: tuple[Block, ...]
    starts: tuple[int, ...]
    steps: Floats
    widest: float
    marked: frozenset[str]

    @classmethod
    def of(cls, blocks: Iterable[Block], marked: frozenset[str]) -> View:
        blocks = tuple(blocks)
        starts = tuple(accumulate((len(block) for block in blocks), initial=0))
        steps = np.concatenate([np.empty(0, np.float32), *(block.steps for block in blocks)])
        widest = max((block.widest for block in blocks), default=0.0)
        return cls(blocks, starts, steps, widest, marked)

    @property
    def people(self) -> int:
        """How many people."""
        return self.starts[-1]

    def search(self, probe: Doubles, k: int) -> Match:
        """The `k` people most similar to a probe in the rows' space, float64 (d,)."""
        people = self.starts[-1]
        k = min(k, people)
        if k < 1:
            return Match((), people)
        quick = Probe.of(probe)
        scores = self._scores(quick)
        # x·q - x'·q' = (x - x')·q + x'·(q - q'), and no product is longer than its factors'
        apart = self.widest * _LONGEST + (_LONGEST + self.widest) * quick.rest + _ROUNDING
        reached = _reached(scores, k)
        # the k-th best is no more than that below its score, and nobody is more above theirs
        rows = _from(scores, reached - 2 * apart / quick.step)
        if len(rows) > _FEW:
            least = np.partition(self._exact(_from(scores, reached), probe), -k)[-k]
            rows = _from(scores, (least - apart) / quick.step)
        similarity = self._exact(rows, probe)
        best = np.argsort(-similarity, kind="stable")[:k].tolist()  # of equals the first
        return Match(tuple(self._candidate(rows[n], similarity[n]) for n in best), people)

    def _scores(self, probe: Probe) -> Floats:
        """About how similar everybody is, in steps of the probe, (people,)."""
        products = np.concatenate([block.products(probe.high) for block in self.blocks])
        scores: Floats = np.multiply(products, self.steps, dtype=np.float32)
        return scores

    def _exact(self, rows: list[int], probe: Doubles) -> Doubles:
        """Similarities of some people."""
        found = np.empty(len(rows))
        gathered = Gathered(min(len(rows), _AT_ONCE), len(probe))
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            for to, row in enumerate(part):
                number = bisect_right(self.starts, row) - 1
                self.blocks[number].gather(row - self.starts[number], gathered, to)
            found[start : start + _AT_ONCE] = gathered.cosines(probe)[: len(part)]
        return found

    def _candidate(self, row: int, similarity: float) -> Candidate:
        number = bisect_right(self.starts, row) - 1
        who = self.blocks[number].ids[row - self.starts[number]]
        # rounding may carry a cosine past 1
        return Candidate(who, max(-1.0, min(float(similarity), 1.0)), who in self.marked)


def _from(scores: Floats, least: float) -> list[int]:
    """Whose score is `least` or more."""
    rows: list[int] = (scores >= least).nonzero()[0].tolist()
    return rows


def _reached(scores: Floats, k: int) -> float:
    """A score that at least `k` people reach; hardly ever less than the k-th best.

    The best of each of many groups are found far more quickly than the best of all.
    """
    width = len(scores) // _FOLDS
    if width > 8 * k:
        scores = scores[: width * _FOLDS].reshape(_FOLDS, width).max(axis=0)
    else:
        scores = scores.copy()
    scores.partition(len(scores) - k)
    return float(scores[len(scores) - k])
