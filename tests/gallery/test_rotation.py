"""Templates are turned by a key: other numbers, the same similarities."""

from __future__ import annotations

import numpy as np
import pytest

from edged.gallery.rotation import rotation, turn, turn_back
from tests.gallery.faces import embeddings

FACES = embeddings(50, 192)


@pytest.mark.parametrize("size", [2, 16, 192, 512])
def test_a_turn_keeps_every_length_and_every_angle(size: int) -> None:
    by = rotation(b"seed", "model", size)
    np.testing.assert_allclose(by @ by.T, np.eye(size), atol=1e-12)


def test_similarities_stay_and_the_way_back_is_exact() -> None:
    by = rotation(b"seed", "model", 192)
    turned = turn(FACES, by)
    np.testing.assert_allclose(turned @ turned.T, FACES @ FACES.T, atol=2e-6)
    np.testing.assert_allclose(turn_back(turned, by), FACES, atol=1e-6)
    assert turned.dtype == np.float32


def test_with_another_key_or_model_nobody_resembles_themselves() -> None:
    turned = turn(FACES, rotation(b"one", "model", 192))
    for other in (rotation(b"two", "model", 192), rotation(b"one", "next", 192)):
        alike = (turned * turn(FACES, other)).sum(axis=1)
        assert np.abs(alike).max() < 0.4  # random directions; the same person has 1
        assert abs(float(alike.mean())) < 0.1


def test_a_key_gives_the_same_turn_for_ever() -> None:
    """What is stored would be worthless otherwise."""
    by = rotation(bytes(range(32)), "mobilefacenet-rts@1.1.0#0123456789ab", 3)
    expected = [
        [0.7240053727, -0.3382559016, 0.6011648404],
        [0.5622428787, 0.7942825807, -0.2302132215],
        [-0.39962378, 0.5046762597, 0.7652468277],
    ]
    np.testing.assert_allclose(by, expected, atol=1e-9)
