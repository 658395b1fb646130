"""Embeddings of people whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation.outputs import Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


def faces(
    people: int,
    photos: int,
    seed: int = 0,
    noise: float = 0.6,
    size: int = 64,
    kinds: int | None = None,
) -> tuple[Outputs, NDArray[np.str_]]:
    """Random directions, `photos` noisy views of each; the noisier a view, the higher its score.

    With `kinds` people differ in that many of the `size` numbers only, so that there are
    look-alikes whom nothing but the noise of a photo keeps apart.
    """
    random = np.random.default_rng(seed)
    alike = random.standard_normal((people, size))
    if kinds is not None:
        alike[:, kinds:] = 0
        alike *= np.sqrt(size / kinds)
    centres = np.repeat(alike, photos, axis=0)
    level = noise * random.uniform(0.3, 2, (people * photos, 1))
    views = centres + level * random.standard_normal(centres.shape)
    names = np.repeat([f"person {n:04d}" for n in range(people)], photos)
    return Outputs(views.astype(np.float32), np.log(level[:, 0]).astype(np.float32)), names
