"""MTCNN in numpy: the cascade as this recipe needs it, and the reference for its networks' I/O.

All three networks are read as published. Their inputs are RGB, `(x - 127.5) / 128`, float32, and
**width before height**: an image (h, w, 3) is fed as (1, w, h, 3), a patch as (n, x, y, 3).
PNet's maps are indexed [0, x, y, channel] likewise. Boxes here are float pixels, half open:
(left, top, right, bottom) with right - left = width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

STRIDE_PX = 2
CELL_PX = 12
PYRAMID_FACTOR = 0.709
THRESHOLDS = (0.6, 0.7, 0.7)


@dataclass(frozen=True)
class Faces:
    """Detections, best first: boxes (n, 4), scores (n,) in 0..1, landmarks (n, 5, 2) as (x, y)."""

    boxes: Floats
    scores: Floats
    landmarks: Floats


class Mtcnn:
    """The cascade. `smallest_px` is the side of the smallest face worth finding."""

    def __init__(self, folder: Path, smallest_px: int = 40, threads: int = 2) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._pnet, self._rnet, self._onet = (
            ort.InferenceSession(folder / f"{name}.onnx", options, ["CPUExecutionProvider"])
            for name in ("pnet", "rnet", "onet")
        )
        self._smallest_px = smallest_px

    def detect(self, image: Image) -> Faces:
        """Find faces in an RGB image, uint8 (h, w, 3)."""
        boxes = self._propose(image)
        boxes, _ = self._refine(image, boxes)
        return self._finish(image, boxes)

    def _propose(self, image: Image) -> Floats:
        height, width = image.shape[:2]
        scale = CELL_PX / self._smallest_px
        found = []
        while min(height, width) * scale >= CELL_PX:
            size = (int(np.ceil(width * scale)), int(np.ceil(height * scale)))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            offsets, probability = self._pnet.run(
                ["conv2d_4", "softmax"],
                {"input_1": normalise(small).transpose(1, 0, 2)[None]},
            )
            x, y = np.nonzero(probability[0, :, :, 1] >= THRESHOLDS[0])
            cells = np.stack([x, y, x, y], axis=1) * STRIDE_PX
            cells[:, 2:] += CELL_PX
            rows = np.concatenate(
                [cells / scale, probability[0, x, y, 1:2], offsets[0, x, y]], axis=1
            ).astype(np.float32)
            found.append(rows[suppress(rows[:, :4], rows[:, 4], 0.5)])
            scale *= PYRAMID_FACTOR
        rows = np.concatenate(found) if found else np.empty((0, 9), np.float32)
        rows = rows[suppress(rows[:, :4], rows[:, 4], 0.7)]
        return shift(rows[:, :4], rows[:, 5:9])

    def _refine(self, image: Image, boxes: Floats) -> tuple[Floats, Floats]:
        if not len(boxes):
            return boxes, np.empty(0, np.float32)
        patches = crop(image, square(boxes), 24)
        offsets, probability = self._rnet.run(["dense_2", "softmax_1"], {"input_2": patches})
        keep = probability[:, 1] > THRESHOLDS[1]
        boxes, scores, offsets = square(boxes)[keep], probability[keep, 1], offsets[keep]
        best = suppress(boxes, scores, 0.7)
        return shift(boxes[best], offsets[best]), scores[best]

    def _finish(self, image: Image, boxes: Floats) -> Faces:
        if not len(boxes):
            empty = np.empty(0, np.float32)
            return Faces(empty.reshape(0, 4), empty, empty.reshape(0, 5, 2))
        boxes = square(boxes)
        offsets, points, probability = self._onet.run(
            ["dense_5", "dense_6", "softmax_2"], {"input_3": crop(image, boxes, 48)}
        )
        sides = (boxes[:, 2:] - boxes[:, :2])[:, :, None]
        # Five x, then five y, each a fraction of the box.
        landmarks = boxes[:, :2, None] + points.reshape(-1, 2, 5) * sides
        boxes = shift(boxes, offsets)
        scores = probability[:, 1]
        keep = np.nonzero(scores > THRESHOLDS[2])[0]
        keep = keep[suppress(boxes[keep], scores[keep], 0.7, against="smaller")]
        return Faces(boxes[keep], scores[keep], landmarks[keep].transpose(0, 2, 1))


def normalise(image: NDArray[np.generic]) -> Floats:
    """Grey levels 0..255 to the networks' range, float32."""
    return (image.astype(np.float32) - 127.5) * np.float32(0.0078125)


def shift(boxes: Floats, offsets: Floats) -> Floats:
    """Move each edge by its offset, a fraction of the box's width or height."""
    sides = boxes[:, 2:] - boxes[:, :2]
    moved: Floats = boxes + offsets * np.concatenate([sides, sides], axis=1)
    return moved


def square(boxes: Floats) -> Floats:
    """Grow the short side about the centre, then snap to whole pixels."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = np.rint((boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True, initial=1))
    corner = np.rint(centre - side / 2)
    return np.concatenate([corner, corner + side], axis=1).astype(np.float32)


def crop(image: Image, boxes: Floats, size_px: int) -> Floats:
    """Cut, resize and normalise square patches; outside the image is black. (n, x, y, 3)."""
    height, width = image.shape[:2]
    patches = np.empty((len(boxes), size_px, size_px, 3), np.float32)
    for row, (left, top, right, bottom) in enumerate(boxes.astype(int)):
        patch = np.zeros((bottom - top, right - left, 3), np.uint8)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if x1 > x0 and y1 > y0:
            patch[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
        small = cv2.resize(patch, (size_px, size_px), interpolation=cv2.INTER_AREA)
        patches[row] = normalise(np.asarray(small, np.uint8)).transpose(1, 0, 2)
    return patches


def suppress(
    boxes: Floats, scores: Floats, overlap: float, against: str = "union"
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression; returns kept rows, best first."""
    order = np.argsort(-scores, kind="stable")
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        inner = np.prod(np.maximum(high - low, 0), axis=1)
        if against == "union":
            outer = area[best] + area[order] - inner
        else:
            outer = np.minimum(area[best], area[order])
        order = order[inner <= overlap * outer]
    return np.asarray(kept, np.intp)
