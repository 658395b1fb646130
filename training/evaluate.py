"""What the network does on people that nobody trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import stats

from edged.evaluation.comparisons import genuine_pairs, unit
from edged.evaluation.degrade import FIXED, non_face, random_degradation
from training.runner import run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.detect import Floats

FRONTAL_BELOW = 0.10
TURNED_ABOVE = 0.30
MOST_PER_PERSON = 10


@dataclass(frozen=True)
class Outputs:
    """Row i belongs to chip i: embeddings (n, d), not normalised, and log variances (n,)."""

    embeddings: Floats
    log_variance: Floats

    @property
    def norm(self) -> Floats:
        length: Floats = np.linalg.norm(self.embeddings, axis=1)
        return length

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Outputs:
        return Outputs(self.embeddings[rows], self.log_variance[rows])


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


def degraded(images: NDArray[np.uint8], kind: str, seed: int) -> NDArray[np.uint8]:
    """One fixed kind of damage to every chip."""
    out = [FIXED[kind](im, np.random.default_rng([seed, i])) for i, im in enumerate(images)]
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
        out.append(non_face(np.random.default_rng([seed, i]), rgb))
    return np.stack(out)


def discard_curve(
    faces: Outputs, people: NDArray[np.str_], threshold: float, badness: Floats
) -> dict[float, tuple[int, int]]:
    """Failed and tried genuine comparisons after the worst share of images is discarded."""
    pairs = genuine_pairs(people, MOST_PER_PERSON)
    used = np.unique(pairs)
    vectors = unit(faces.embeddings)
    similarity = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
    result = {}
    for share in (0.0, 0.1, 0.2):
        limit = np.quantile(badness[used], 1 - share)
        kept = (badness[pairs] <= limit).all(1)
        result[share] = (int((similarity[kept] < threshold).sum()), int(kept.sum()))
    return result


@dataclass(frozen=True)
class Agreement:
    """INT8 beside float: cosine of embeddings, rank correlation of the score."""

    images: int
    mean_cosine: float
    worst_cosine: float
    rank_correlation: float


def agreement(quantised: Outputs, reference: Outputs) -> Agreement:
    """Compare two networks row by row on the same chips."""
    cosine = (unit(quantised.embeddings) * unit(reference.embeddings)).sum(1)
    rank = stats.spearmanr(quantised.log_variance, reference.log_variance).statistic
    return Agreement(len(cosine), float(cosine.mean()), float(cosine.min()), float(rank))


def view_outcomes(
    views: Outputs,
    mates: Outputs,
    people: NDArray[np.str_],
    threshold: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For each view, the share of its person's *other* clean images that it matches.

    Row i of `views` shows the same photo as row i of `mates`, perhaps degraded.

    Returns:
        The shares, and which rows have a mate at all.
    """
    left, right = unit(views.embeddings), unit(mates.embeddings)
    share = np.zeros(len(people))
    has_mate = np.zeros(len(people), bool)
    for person in np.unique(people):
        rows = np.nonzero(people == person)[0][:MOST_PER_PERSON]
        if len(rows) < 2:
            continue
        passed = left[rows] @ right[rows].T >= threshold
        np.fill_diagonal(passed, False)
        share[rows] = passed.sum(1) / (len(rows) - 1)
        has_mate[rows] = True
    return share, has_mate


def clopper_pearson(events: int, trials: int) -> tuple[float, float]:
    """Exact 95 % interval of a share."""
    low = float(stats.beta.ppf(0.025, events, trials - events + 1)) if events else 0.0
    high = float(stats.beta.ppf(0.975, events + 1, trials - events)) if events < trials else 1.0
    return low, high
