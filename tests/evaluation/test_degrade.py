"""Degradations: chips in, chips out, seeded, worse with the level."""

from __future__ import annotations

import numpy as np
import pytest

from edged.evaluation.degrade import FIXED, KINDS, LEVELS, non_face, random_degradation

SEEDS = range(8)


def chip(size: int = 112) -> np.ndarray:
    """Something smooth with detail in it, as a face is."""
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    waves = np.stack(
        [np.sin(x * 9 + k) * np.cos(y * 13 - k) + np.sin(x * 40) / 4 for k in range(3)]
    )
    return (128 + 80 * waves.transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [112, 128])
def test_every_kind_gives_a_chip_of_the_same_form_and_leaves_its_input(
    kind: str, level: float, size: int
) -> None:
    before = chip(size)
    for seed in SEEDS:
        after = KINDS[kind](before, level, np.random.default_rng(seed))
        assert after.shape == before.shape
        assert after.dtype == np.uint8
    assert (before == chip(size)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_damage(kind: str) -> None:
    first, second = (KINDS[kind](chip(), 0.6, np.random.default_rng(5)) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_level_damages_more(kind: str) -> None:
    def damage(level: float) -> float:
        changed = [
            np.abs(KINDS[kind](chip(), level, np.random.default_rng(seed)).astype(int) - chip())
            for seed in range(24)
        ]
        return float(np.mean(changed))

    assert 0 < damage(LEVELS["mild"]) < damage(LEVELS["severe"])


def test_random_damage_draws_from_the_kinds_it_is_given() -> None:
    rng = np.random.default_rng(0)
    grey = random_degradation(chip(), rng, ["infrared"])
    assert (grey[..., 0] == grey[..., 2]).all()
    assert set(FIXED) == set(KINDS)


def test_a_patch_without_a_face_comes_from_the_photo() -> None:
    photo = np.zeros((250, 250, 3), np.uint8)
    photo[..., 1] = 200
    assert (non_face(photo, np.random.default_rng(1)) == [0, 200, 0]).all()
