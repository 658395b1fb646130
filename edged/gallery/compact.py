"""A row in a byte a number, to look through everybody quickly, and in three to be exact."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from edged.types import Floats

    Int8s = NDArray[np.int8]
    Int16s = NDArray[np.int16]
    Doubles = NDArray[np.float64]

log = logging.getLogger(__name__)

_COARSE = 127  # the largest number of a row, in steps
_FINE = 65534  # parts of a step: a rest of half a step is 32767 of them
_AT_ONCE = 128  # rows, so that the work in double precision stays in the cache
_EXACT_IN_FLOAT32 = 2**24


def encode(rows: Floats, high: Int8s, low: Int16s, step: Floats, rest: Floats) -> None:
    """Write rows (n, d) as whole numbers: row = step * (high + low / 65534).

    Args:
        rows: finite, none of nothing but zeros.
        high: int8 (n, d), the row in 127 steps up and down.
        low: int16 (n, d), what is left: right to 1/16,000,000 of the row's largest number.
        step: float32 (n,).
        rest: float32 (n,), the length of what `high` alone leaves out.
    """
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        exact = rows[part].astype(np.float64)
        step[part] = np.abs(exact).max(axis=1) / _COARSE
        exact /= step[part, np.newaxis]
        coarse = np.clip(np.rint(exact), -_COARSE, _COARSE)
        high[part] = coarse
        exact -= coarse
        rest[part] = np.sqrt(np.einsum("ij,ij->i", exact, exact)) * step[part]
        low[part] = np.clip(np.rint(exact * _FINE), -(_FINE // 2), _FINE // 2)


class Gathered:
    """A few encoded rows, copied together."""

    def __init__(self, rows: int, size: int) -> None:
        self.high: Int8s = np.zeros((rows, size), np.int8)
        self.low: Int16s = np.zeros((rows, size), np.int16)
        self.step: Doubles = np.zeros(rows)

    def decoded(self) -> Doubles:
        """The rows again, float64 (n, d)."""
        exact: Doubles = (self.high + self.low / _FINE) * self.step[:, np.newaxis]
        return exact

    def cosines(self, probe: Doubles) -> Doubles:
        """Dot products with a probe float64 (d,), in double precision, (n,)."""
        products: Doubles = (self.high @ probe + (self.low @ probe) / _FINE) * self.step
        return products


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe in a byte a number: about step * high; what that leaves out is `rest` long."""

    high: Int8s
    step: float
    rest: float

    @classmethod
    def of(cls, probe: Doubles) -> Probe:
        step = float(max(probe.max(), -probe.min())) / _COARSE
        coarse = np.rint(probe / step)
        left = probe - coarse * step
        return cls(coarse.astype(np.int8), step, float(np.sqrt(left @ left)))


class Dots(Protocol):
    """Rows that a probe can be multiplied with."""

    nbytes: int

    def __call__(self, probe: Int8s) -> NDArray[Any]:
        """Dot products with a probe int8 (d,): whole numbers, (n,)."""


def dots(rows: Int8s) -> Dots:
    """Rows int8 (n, d) made ready, n at least 1; they must not change afterwards."""
    library = numkong()
    return _Plain(rows) if library is None else _Packed(library, rows)


class _Packed:
    """A copy of the rows, laid out as the machine's instructions for bytes like it."""

    def __init__(self, library: ModuleType, rows: Int8s) -> None:
        self._multiply = library.dots_packed
        self._rows = library.dots_pack(rows)
        self.nbytes = int(self._rows.nbytes)

    def __call__(self, probe: Int8s) -> NDArray[Any]:
        products: NDArray[Any] = np.asarray(self._multiply(probe[np.newaxis], self._rows))[0]
        return products


class _Plain:
    """The rows themselves, by numpy: sums of whole numbers are exact in floating point."""

    nbytes = 0

    def __init__(self, rows: Int8s) -> None:
        self._rows = rows
        exact = rows.shape[1] * _COARSE**2 < _EXACT_IN_FLOAT32
        self._type = np.float32 if exact else np.float64

    def __call__(self, probe: Int8s) -> NDArray[Any]:
        products: NDArray[Any] = self._rows.astype(self._type) @ probe.astype(self._type)
        return products


@cache
def numkong() -> ModuleType | None:
    """The library, where it is installed and multiplies rightly on this processor."""
    try:
        import numkong as library
    except ImportError:
        log.warning("numkong is not installed; large galleries are searched more slowly")
        return None
    rows = np.random.default_rng(0).integers(-_COARSE, _COARSE + 1, (37, 203), np.int8)
    rows[:2] = [[_COARSE], [-_COARSE]]
    for probe in rows[:3]:
        if not np.array_equal(_Packed(library, rows)(probe), rows.astype(np.int64) @ probe):
            log.warning("numkong multiplies wrongly on this processor; numpy searches instead")
            return None
    return library
