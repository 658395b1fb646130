"""What the network does on people that nobody trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.evaluation.degrade import KINDS, non_face, random_degradation
from edged.evaluation.outputs import Outputs
from training.runner import run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.detect import Floats

FRONTAL_BELOW = 0.10
TURNED_ABOVE = 0.30


def outputs(network: Path, images: NDArray[np.uint8]) -> Outputs:
    """Run a recogniser over chips, RGB uint8 (n, 112, 112, 3)."""
    embeddings, log_variance = run(network, images)
    return Outputs(embeddings, log_variance)


def turn(landmarks: Floats) -> Floats:
    """How far a head is turned: the nose's way off the eyes' middle over the eye-mouth distance.

    0 is frontal; about 0.3 is a half profile. (n, 5, 2) to (n,).
    """
    eyes = landmarks[:, 1] - landmarks[:, 0]
    across = eyes / np.linalg.norm(eyes, axis=1, keepdims=True)
    down = np.stack([-across[:, 1], across[:, 0]], 1)
    middle = (landmarks[:, 0] + landmarks[:, 1]) / 2
    mouth = (landmarks[:, 3] + landmarks[:, 4]) / 2
    height = np.abs(((mouth - middle) * down).sum(1))
    aside: Floats = np.abs(((landmarks[:, 2] - middle) * across).sum(1)) / height
    return aside


def degraded(images: NDArray[np.uint8], kind: str, level: float, seed: int) -> NDArray[np.uint8]:
    """One kind of damage at one level (0 to 1) to every chip."""
    damage = KINDS[kind]
    out = [damage(im, level, np.random.default_rng([seed, i])) for i, im in enumerate(images)]
    return np.stack(out)


def randomly_degraded(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """The damage of training, drawn anew, to every chip."""
    out = [random_degradation(im, np.random.default_rng([seed, i])) for i, im in enumerate(images)]
    return np.stack(out)


def non_faces(photos: list[Path], seed: int) -> NDArray[np.uint8]:
    """One patch without a face from each photo."""
    out = []
    for i, file in enumerate(photos):
        bgr = cv2.imread(str(file))
        if bgr is None:
            raise RuntimeError(f"{file}: not an image")
        rgb = np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)
        out.append(non_face(rgb, np.random.default_rng([seed, i])))
    return np.stack(out)
