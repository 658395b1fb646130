"""Embeddings for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edged.types import Floats


def embeddings(count: int, size: int = 16, seed: int = 0) -> Floats:
    """Unit-length float32 rows, (count, size)."""
    rows = np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
