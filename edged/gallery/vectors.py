"""What an embedding must be before it is stored or searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import GalleryError

if TYPE_CHECKING:
    from edged.types import Floats

SMALLEST, LARGEST = 2, 4096
_UNIT_TOLERANCE = 1e-3


def unit(vector: Any, size: int | None = None) -> Floats:
    """A checked copy of an embedding: contiguous float32 (d,), of length 1 within rounding.

    A length off by up to 0.001 is rounding and is put right; more is another kind of vector.

    Args:
        vector: float32 (d,), unit length.
        size: the d that is expected; None takes any from 2 to 4096.

    Raises:
        GalleryError: not float32, another shape or size, not finite, zero or not unit length.
    """
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.ndim != 1:
        raise GalleryError("an embedding is one row of float32 numbers")
    if not SMALLEST <= len(vector) <= LARGEST:
        raise GalleryError(
            f"an embedding of {len(vector)} numbers; {SMALLEST} to {LARGEST} are possible"
        )
    if size is not None and len(vector) != size:
        raise GalleryError(f"an embedding of {len(vector)} numbers where {size} are expected")
    exact = vector.astype(np.float64)
    length = float(np.sqrt(exact @ exact))
    if not np.isfinite(length):
        raise GalleryError("an embedding with numbers that are not finite")
    if length == 0:
        raise GalleryError("an embedding of nothing but zeros")
    if abs(length - 1) > _UNIT_TOLERANCE:
        raise GalleryError(f"an embedding of length {length:.4g}; normalise it to 1 first")
    return (exact / length).astype(np.float32)
