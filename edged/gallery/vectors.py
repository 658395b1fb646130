"""What an embedding must be before it is stored or searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import GalleryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats

SMALLEST, LARGEST = 2, 4096
_UNIT_TOLERANCE = 1e-3
_SHORTEST_MEAN = 0.05  # 50 templates without anything in common have a mean of length 0.14


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


def fused(total: Floats, count: Any) -> tuple[Floats, NDArray[np.bool_]]:
    """The templates of each of many persons as one embedding: their mean, put to length 1.

    Args:
        total: sums of a person's templates, (n, d).
        count: how many templates each is the sum of, (n,).

    Returns:
        Unit-length float32 (n, d), and (n,) which of the rows are one: templates that cancel
        out have no direction in common, and no templates have none at all.
    """
    length = np.linalg.norm(total, axis=1)
    usable = length > _SHORTEST_MEAN * np.maximum(count, 1)  # false, too, for what is no number
    length = np.where(usable, length, np.float32(1)).astype(np.float32)
    return total / length[:, np.newaxis], usable


def agreement(templates: Floats) -> float:
    """How well a person's templates (n, d) agree: the lowest cosine between one of them and all
    others fused; 1 for a single one."""
    if len(templates) == 1:
        return 1.0
    rows = templates.astype(np.float64)
    others = rows.sum(axis=0) - rows
    length = np.linalg.norm(others, axis=1)
    cosines = (rows * others).sum(axis=1) / np.maximum(length, 1e-9)
    return float(cosines.min())


def units(rows: Any, count: int, size: int) -> None:
    """Refuse what are not `count` embeddings: float32 (count, size), each of length 1.

    Raises:
        GalleryError: another type or shape, or a row that is not finite or not unit length.
    """
    if not isinstance(rows, np.ndarray) or rows.dtype != np.float32:
        raise GalleryError("embeddings are rows of float32 numbers")
    if rows.shape != (count, size):
        raise GalleryError(
            f"embeddings of the shape {rows.shape} where {(count, size)} is expected"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not (abs(lengths - 1) <= _UNIT_TOLERANCE).all():  # nor is what is no number
        raise GalleryError("an embedding that is not of length 1; normalise it first")
