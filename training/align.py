"""From photos to aligned 112x112 chips, cached in one file a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.detect import Faces, Image, Mtcnn

SIZE_PX = 112
# The five points of the usual ArcFace chip: eyes, nose, mouth corners, left to right in the image.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)


@dataclass(frozen=True)
class Chips:
    """Aligned faces of one data set, row by row.

    images uint8 RGB (n, 112, 112, 3); people and files (n,) text; landmarks (n, 5, 2) and
    boxes (n, 4) in the source photo's pixels.
    """

    images: NDArray[np.uint8]
    people: NDArray[np.str_]
    files: NDArray[np.str_]
    landmarks: NDArray[np.float32]
    boxes: NDArray[np.float32]
    missed: int

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Chips:
        return Chips(
            self.images[rows],
            self.people[rows],
            self.files[rows],
            self.landmarks[rows],
            self.boxes[rows],
            self.missed,
        )

    def save(self, path: Path) -> None:
        np.savez(path, **vars(self))

    @staticmethod
    def load(path: Path) -> Chips:
        with np.load(path) as z:
            return Chips(**{k: z[k] for k in z.files if k != "missed"}, missed=int(z["missed"]))


def similarity(points: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares rotation, scale and shift from `points` to `target` (Umeyama), (2, 3)."""
    source_mean, target_mean = points.mean(0), target.mean(0)
    source, goal = points - source_mean, target - target_mean
    u, d, vt = np.linalg.svd(goal.T @ source / len(points))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = (d * sign).sum() / source.var(0).sum()
    shift = target_mean - scale * rotation @ source_mean
    return np.hstack([scale * rotation, shift[:, None]])


def align(image: Image, landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Warp a face to the template; (112, 112, 3), outside the photo is black."""
    matrix = similarity(landmarks.astype(np.float64), TEMPLATE)
    chip = cv2.warpAffine(image, matrix, (SIZE_PX, SIZE_PX), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, np.uint8)


def nearest_to_centre(image: Image, faces: Faces) -> int:
    """The subject of an LFW photo stands in its middle; others may be larger."""
    centre = np.array(image.shape[1::-1]) / 2
    middle = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    return int(np.argmin(((middle - centre) ** 2).sum(1)))


def largest(image: Image, faces: Faces) -> int:
    """The subject at a door is the one in front."""
    del image
    return int(np.argmax(faces.boxes[:, 2] - faces.boxes[:, 0]))


def collect(
    files: Sequence[Path],
    people: Sequence[str],
    root: Path,
    detector: Mtcnn,
    choose: Callable[[Image, Faces], int],
) -> Chips:
    """Detect and align one face a photo; photos without one are counted, not kept."""
    rows = []
    for file, person in zip(files, people, strict=True):
        bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if bgr is None:
            raise RuntimeError(f"{file}: not an image")
        image = np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)
        faces = detector.detect(image)
        if len(faces.scores):
            k = choose(image, faces)
            chip = align(image, faces.landmarks[k])
            name = str(file.relative_to(root))
            rows.append((chip, person, name, faces.landmarks[k], faces.boxes[k]))
    chips, names, paths, landmarks, boxes = zip(*rows, strict=True)
    return Chips(
        np.stack(chips),
        np.array(names),
        np.array(paths),
        np.stack(landmarks).astype(np.float32),
        np.stack(boxes).astype(np.float32),
        missed=len(files) - len(rows),
    )
