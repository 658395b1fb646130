"""Only embeddings get in."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import GalleryError
from edged.gallery.vectors import unit
from tests.gallery.faces import embeddings

GOOD = embeddings(1)[0]


def with_value(value: float) -> Any:
    vector = GOOD.copy()
    vector[3] = value
    return vector


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (None, "float32"),
        ([1.0, 0.0], "float32"),
        (GOOD.astype(np.float64), "float32"),
        (GOOD.astype(np.float16), "float32"),
        (GOOD[np.newaxis], "float32"),
        (GOOD[:0], "embedding of 0"),
        (np.ones(1, np.float32), "embedding of 1 "),
        (embeddings(1, 4097)[0], "embedding of 4097"),
        (GOOD[:15], "15 numbers where 16"),
        (with_value(np.nan), "not finite"),
        (with_value(np.inf), "not finite"),
        (with_value(-np.inf), "not finite"),
        (np.zeros(16, np.float32), "zeros"),
        (GOOD * np.float32(1.01), "normalise"),
        (GOOD * np.float32(0.99), "normalise"),
        (GOOD * np.float32(3e38), "normalise"),
        (GOOD * np.float32(1e-30), "normalise"),
    ],
)
def test_what_is_no_embedding_is_refused(vector: Any, message: str) -> None:
    with pytest.raises(GalleryError, match=message):
        unit(vector, 16)


@given(st.integers(0, 1000), st.floats(0.9991, 1.0009))
def test_rounding_is_put_right_and_the_direction_kept(seed: int, scale: float) -> None:
    vector = embeddings(1, 32, seed)[0]
    made = unit(vector * np.float32(scale))
    assert made.dtype == np.float32
    assert abs(float(np.linalg.norm(made.astype(np.float64))) - 1) < 1e-6
    np.testing.assert_allclose(made, vector, atol=1e-6)


def test_the_caller_s_array_is_neither_changed_nor_kept() -> None:
    given_ = GOOD * np.float32(1.0005)
    before = given_.copy()
    made = unit(given_[::1])
    given_[:] = 0
    assert made.any()
    assert before.any()
    assert unit(before[::-1]).flags.c_contiguous
