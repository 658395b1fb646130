"""Faces and their five landmarks, by the MTCNN cascade (Zhang et al., 2016).

The networks read RGB as (x - 127.5) / 128 in the order (n, width, height, 3): the original was
trained in a column-major world, so every crop is handed over transposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.types import Box, Point
from edged.vision.pyramid import Halves, Pyramid, halved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.runtime.base import Runner
    from edged.types import Floats, Image

_PROPOSE, _REFINE, _ACCEPT, _FOLLOW = 0.6, 0.6, 0.8, 0.6  # least face probability by stage
_MOST_PROPOSALS = 48
_MOST_FACES = 12
_DARK, _LIT, _MOST_GAIN = 60.0, 100.0, 8.0  # mean grey levels

Five = tuple[Point, Point, Point, Point, Point]


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as the cascade sees it: box and landmarks in px, score 0–1."""

    box: Box
    landmarks: Five
    score: float


class Detector:
    """The cascade over one image at a time; not thread-safe.

    Args:
        pnet, rnet, onet: open runners with the outputs in the order box regression
            (and landmarks), face probability.
        smallest_face_px: faces smaller than this are not looked for.
    """

    def __init__(self, pnet: Runner, rnet: Runner, onet: Runner, smallest_face_px: int) -> None:
        self._pnet, self._rnet, self._onet = pnet, rnet, onet
        self._smallest_face_px = smallest_face_px
        self._pyramid: Pyramid | None = None
        self._size = (0, 0)

    def detect(self, image: Image) -> list[Detection]:
        """Every face of the image (BGR uint8), best score first."""
        halves = Halves(image)
        boxes = self._propose(halves)
        if len(boxes):
            boxes = self._refine(halves, boxes)
        if not len(boxes):
            return []
        return self._accept(halves, _square(boxes)[:_MOST_FACES], _ACCEPT)

    def follow(self, image: Image, last: list[Box]) -> list[Detection | None]:
        """Look again where faces were a frame ago: ONet alone, one crop a face.

        Returns:
            For each box the face as it is now, or None when it is no longer there.
        """
        crops = np.array([(b.left, b.top, b.right, b.bottom, 1.0) for b in last], np.float32)
        boxes, landmarks, scores = self._onet_on(Halves(image, deep=len(last) > 2), _square(crops))
        return [
            _detection(box, points, score) if score >= _FOLLOW and box[2] > box[0] else None
            for box, points, score in zip(boxes, landmarks, scores, strict=True)
        ]

    def _propose(self, halves: Halves) -> Floats:
        if self._pyramid is None or halves.size != self._size:
            self._size = halves.size
            self._pyramid = Pyramid(*self._size, self._smallest_face_px)
        if not self._pyramid.tiles:
            return np.empty((0, 5), np.float32)
        canvas = self._pyramid.draw(halves)
        regression, probability = self._pnet.run(_input(canvas)[None])
        scores = np.ascontiguousarray(probability[0, :, :, 1].T)
        boxes, cells = self._pyramid.windows(scores, _PROPOSE)
        if not len(boxes):
            return boxes
        boxes = _move(boxes, regression[0, cells[:, 1], cells[:, 0]])
        return boxes[_suppress(boxes, 0.5)][:_MOST_PROPOSALS]

    def _refine(self, halves: Halves, boxes: Floats) -> Floats:
        boxes = _square(boxes)
        regression, probability = self._rnet.run(_crops(halves, boxes, 24))
        passed = probability[:, 1] >= _REFINE
        boxes = boxes[passed]
        boxes[:, 4] = probability[passed, 1]
        boxes = _move(boxes, regression[passed])
        return boxes[_suppress(boxes, 0.7)]

    def _accept(self, halves: Halves, boxes: Floats, threshold: float) -> list[Detection]:
        refined, landmarks, scores = self._onet_on(halves, boxes)
        refined[:, 4] = scores
        passed = np.flatnonzero(scores >= threshold)
        keep = passed[_suppress_inside(refined[passed], 0.5)]
        return [_detection(refined[i], landmarks[i], scores[i]) for i in keep]

    def _onet_on(self, halves: Halves, boxes: Floats) -> tuple[Floats, Floats, Floats]:
        """Refined boxes (n, 5), landmarks (n, 5, 2) and scores (n,), on square crops (n, 5)."""
        regression, points, probability = self._onet.run(_crops(halves, boxes, 48))
        width = (boxes[:, 2] - boxes[:, 0])[:, None]
        height = (boxes[:, 3] - boxes[:, 1])[:, None]
        landmarks = np.empty((len(boxes), 5, 2), np.float32)
        landmarks[:, :, 0] = boxes[:, 0:1] + width * points[:, :5]
        landmarks[:, :, 1] = boxes[:, 1:2] + height * points[:, 5:]
        return _move(boxes, regression), landmarks, probability[:, 1]


def _detection(box: Floats, landmarks: Floats, score: float) -> Detection:
    left, top, right, bottom = (float(value) for value in box[:4])
    a, b, c, d, e = ((float(x), float(y)) for x, y in landmarks)
    return Detection(Box(left, top, right, bottom), (a, b, c, d, e), float(score))


def _input(image: Image) -> Floats:
    """BGR uint8 (h, w, 3) to the networks' normalised RGB float32 (w, h, 3).

    A dark image is brightened: who stands in the dark must be seen to be told so.
    """
    level = sum(cv2.mean(image)[:3]) / 3
    if level < _DARK:
        image = cv2.convertScaleAbs(image, alpha=min(_LIT / max(level, 1.0), _MOST_GAIN))
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    turned: Floats = cv2.transpose(rgb).astype(np.float32)
    turned -= 127.5
    turned *= 0.0078125
    return turned


def _crops(halves: Halves, boxes: Floats, size: int) -> Floats:
    """Square crops (n, size, size, 3) for the networks; black beyond the frame."""
    out = np.zeros((len(boxes), size, size, 3), np.float32)
    for number, box in enumerate(boxes):
        image, scale = halves.at_least(size / max(float(box[2] - box[0]), 1.0))
        height, width = image.shape[:2]
        left, top, right, bottom = (round(float(side) * scale) for side in box[:4])
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if x1 <= x0 or y1 <= y0:
            continue
        crop = image[y0:y1, x0:x1]
        if (x0, y0, x1, y1) != (left, top, right, bottom):
            crop = cv2.copyMakeBorder(
                crop, y0 - top, bottom - y1, x0 - left, right - x1, cv2.BORDER_CONSTANT
            )
        while min(crop.shape[:2]) >= 2 * size:
            crop = halved(crop)
        out[number] = _input(cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR))
    return out


def _square(boxes: Floats) -> Floats:
    """The same boxes (n, 5) grown to squares about their centres."""
    out = boxes.copy()
    side = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    out[:, 0] = (boxes[:, 0] + boxes[:, 2] - side) / 2
    out[:, 1] = (boxes[:, 1] + boxes[:, 3] - side) / 2
    out[:, 2] = out[:, 0] + side
    out[:, 3] = out[:, 1] + side
    return out


def _move(boxes: Floats, regression: Floats) -> Floats:
    """Boxes (n, 5) shifted by the networks' (n, 4) left, top, right, bottom offsets."""
    out = boxes.copy()
    width = boxes[:, 2] - boxes[:, 0]
    height = boxes[:, 3] - boxes[:, 1]
    out[:, 0] += regression[:, 0] * width
    out[:, 1] += regression[:, 1] * height
    out[:, 2] += regression[:, 2] * width
    out[:, 3] += regression[:, 3] * height
    return out


def _suppress(boxes: Floats, overlap: float) -> NDArray[np.intp]:
    """Non-maximum suppression: indices of the boxes (n, 5) that stay, best score first."""
    corner_and_size = boxes[:, :4].copy()
    corner_and_size[:, 2:] -= boxes[:, :2]
    rectangles, scores = corner_and_size.tolist(), boxes[:, 4].tolist()
    kept = cv2.dnn.NMSBoxes(rectangles, scores, 0.0, overlap)
    return np.asarray(kept, np.intp).reshape(-1)


def _suppress_inside(boxes: Floats, overlap: float) -> NDArray[np.intp]:
    """The same, with the overlap measured against the smaller box: a face has none inside."""
    kept: list[int] = []
    for index in np.argsort(-boxes[:, 4], kind="stable"):
        box = boxes[index]
        rivals = boxes[kept]
        width = np.minimum(rivals[:, 2], box[2]) - np.maximum(rivals[:, 0], box[0])
        height = np.minimum(rivals[:, 3], box[3]) - np.maximum(rivals[:, 1], box[1])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        smaller = np.minimum(_area(rivals), _area(box))
        if not (shared > overlap * smaller).any():
            kept.append(int(index))
    return np.array(kept, np.intp)


def _area(boxes: Floats) -> Floats:
    area: Floats = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return area
