"""A keyed turn of all templates: with another key they are other numbers, and compare the same.

What it gives: templates that leave this process without the key cannot be held against another
site's, and can be renewed without anybody being enrolled again. What it does not give: with the
key it is undone, and whoever knows the plain embeddings of as many people as an embedding has
numbers can compute it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats

    Turn = NDArray[np.float64]


@lru_cache(maxsize=4)
def rotation(seed: bytes, model: str, size: int) -> Turn:
    """An orthogonal matrix, float64 (size, size), the same on every machine within rounding.

    Uniform over all rotations and reflections: the QR decomposition of normal numbers, signs put
    right (Mezzadri, 2007, "How to generate random matrices from the classical compact groups").
    numpy's own generators may give other numbers in a later release, so they come from SHAKE-256.
    """
    count = size * size
    stream = hashlib.shake_256(b"edged/v1/rotation\0" + seed + model.encode()).digest(16 * count)
    draws = np.frombuffer(stream, "<u8").reshape(2, count)
    first, second = (draws >> np.uint64(11)) * 2.0**-53
    normal = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)
    q, r = np.linalg.qr(normal.reshape(size, size))
    turned: Turn = q * np.sign(np.diag(r))
    turned.setflags(write=False)
    return turned


def turn(vectors: Floats, by: Turn | Floats) -> Floats:
    """Rows (n, d) or one row (d,) from the network's space into the key's; of length 1 again."""
    return _unit(vectors.astype(np.float64) @ by.T)


def turn_back(vectors: Floats, by: Turn | Floats) -> Floats:
    """From the key's space into the network's."""
    return _unit(vectors.astype(np.float64) @ by)


def _unit(vectors: Turn) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    turned: Floats = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    return turned
