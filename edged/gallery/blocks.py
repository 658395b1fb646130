"""A few thousand people of an index, together: made once, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edged.gallery import compact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edged.gallery.compact import Int8s
    from edged.types import Floats

ROWS = 4096  # a change makes the blocks that it touches anew; a search calls once for each


class Block:
    """Rows in a byte a number and in three, whose they are and since which revision.

    Whoever searches holds the blocks that it began with. When nobody holds a block any more, its
    memory is overwritten before it is given back.
    """

    def __init__(self, size: int, rows: int) -> None:
        self.ids: tuple[str, ...] = ()
        self.widest = 0.0  # the longest rest of a row
        self._since: NDArray[np.int64] = np.empty(rows, np.int64)
        self._high: Int8s = np.empty((rows, size), np.int8)
        self._low: NDArray[np.int16] = np.empty((rows, size), np.int16)
        self._step: Floats = np.empty(rows, np.float32)
        self._rest: Floats = np.empty(rows, np.float32)
        self._dots: compact.Dots | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __del__(self) -> None:
        for rows in (self._high, self._low, self._step):
            rows.fill(0)

    @property
    def nbytes(self) -> int:
        """Bytes of the rows and what belongs to each, ids aside."""
        arrays = (self._since, self._high, self._low, self._step, self._rest)
        return sum(array.nbytes for array in arrays) + self.compact_nbytes

    @property
    def compact_nbytes(self) -> int:
        """Bytes that a search reads of everybody."""
        return 0 if self._dots is None else (self._dots.nbytes or self._high.nbytes)

    def changed(
        self, leaving: Sequence[int], ids: Sequence[str], rows: Floats, revision: int
    ) -> Block:
        """A block without some positions and with new people, `rows` (n, d), at its end."""
        staying = np.delete(np.arange(len(self)), leaving)
        end = len(staying)
        new = Block(self._high.shape[1], end + len(ids))
        new.ids = (*(self.ids[n] for n in staying.tolist()), *ids)
        for old, made in (
            (self._since, new._since),
            (self._high, new._high),
            (self._low, new._low),
            (self._step, new._step),
            (self._rest, new._rest),
        ):
            np.take(old, staying, axis=0, out=made[:end], mode="clip")  # "raise" makes a copy
        new._since[end:] = revision
        compact.encode(rows, new._high[end:], new._low[end:], new._step[end:], new._rest[end:])
        if new.ids:
            new.widest = float(new._rest.max())
            new._dots = compact.dots(new._high)
        return new

    @property
    def steps(self) -> Floats:
        """What a whole number of each row stands for, (n,)."""
        return self._step

    def products(self, probe: Int8s) -> NDArray[Any]:
        """Dot products of everybody here with a probe, in steps of both, (n,)."""
        if self._dots is None:
            return np.empty(0, np.int32)
        return self._dots(probe)

    def gather(self, position: int, into: compact.Gathered, to: int) -> None:
        """Copy a row to a place in `into`."""
        into.high[to] = self._high[position]
        into.low[to] = self._low[position]
        into.step[to] = self._step[position]

    def row(self, position: int) -> tuple[int, Floats]:
        """Since when it is theirs, and a row as float32 (d,)."""
        one = compact.Gathered(1, self._high.shape[1])
        self.gather(position, one, 0)
        return int(self._since[position]), one.decoded()[0].astype(np.float32)
