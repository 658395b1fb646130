"""All scales of an image side by side on one canvas, so that PNet runs once a frame.

PNet is fully convolutional: a window that lies within one tile gives what it would have given
on that scale alone, and windows that straddle tiles are dropped. One inference over a canvas
of fixed size is cheaper than one small inference a scale, and needs no dynamic shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.types import Floats, Image

WINDOW_PX = 12
STRIDE_PX = 2
_STEP = 0.709  # the scale step that MTCNN was made with (Zhang et al., 2016)


@dataclass(frozen=True, slots=True)
class Tile:
    """Where one scale lies on the canvas, px, and how large it is against the image."""

    x: int
    y: int
    width: int
    height: int
    scale: float


def halved(image: Image) -> Image:
    """The mean of each two by two pixels: the one reduction that OpenCV does by area fast."""
    width, height = image.shape[1] // 2, image.shape[0] // 2
    whole = image[: height * 2, : width * 2]
    half: Image = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return half


class Halves:
    """An image and its halves, quarters …, each made when it is first asked for.

    Halving by whole pixels is cheap; every other reduction then starts from an image that is at
    most twice too large. For a crop or two it is not worth it: then `deep` is False, and the
    image itself is the only level.
    """

    def __init__(self, image: Image, *, deep: bool = True) -> None:
        self._levels = [image]
        self._deep = deep

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image, px."""
        height, width = self._levels[0].shape[:2]
        return width, height

    def at_least(self, scale: float) -> tuple[Image, float]:
        """The smallest level that is not below `scale`, and its scale."""
        level = 0
        while (
            self._deep and scale <= 0.5 ** (level + 1) and min(self._levels[level].shape[:2]) >= 4
        ):
            level += 1
            if level == len(self._levels):
                self._levels.append(halved(self._levels[-1]))
        return self._levels[level], 0.5**level


class Pyramid:
    """The canvas for images of one size.

    Args:
        width_px, height_px: the image's size.
        smallest_face_px: faces smaller than this need not be found.
    """

    def __init__(self, width_px: int, height_px: int, smallest_face_px: int) -> None:
        self.tiles = _layout(width_px, height_px, smallest_face_px)
        width = max((tile.x + tile.width for tile in self.tiles), default=WINDOW_PX)
        height = max((tile.y + tile.height for tile in self.tiles), default=WINDOW_PX)
        # PNet's pooling rounds up: only an even canvas gives one cell per whole window.
        self.width, self.height = width + width % 2, height + height % 2
        self._canvas = np.full((self.height, self.width, 3), 127, np.uint8)
        self._owner = self._owners()

    def _owners(self) -> NDArray[np.int16]:
        """For each PNet output cell (rows, columns) the tile its window lies in, or -1."""
        rows = (self.height - WINDOW_PX) // STRIDE_PX + 1
        columns = (self.width - WINDOW_PX) // STRIDE_PX + 1
        owner = np.full((rows, columns), -1, np.int16)
        for number, tile in enumerate(self.tiles):
            top, left = -(-tile.y // STRIDE_PX), -(-tile.x // STRIDE_PX)
            bottom = (tile.y + tile.height - WINDOW_PX) // STRIDE_PX
            right = (tile.x + tile.width - WINDOW_PX) // STRIDE_PX
            owner[top : bottom + 1, left : right + 1] = number
        return owner

    def draw(self, halves: Halves) -> Image:
        """The canvas with the image at every scale; valid until the next call."""
        source: Image | None = None
        for tile in self.tiles:
            if source is None:
                source = halves.at_least(tile.scale)[0]
            target = self._canvas[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
            # At most twice too large, where linear is nearly as good and nine times as fast.
            source = cv2.resize(source, (tile.width, tile.height), interpolation=cv2.INTER_LINEAR)
            target[:] = source
        return self._canvas

    def windows(self, scores: Floats, threshold: float) -> tuple[Floats, NDArray[np.intp]]:
        """The windows whose face score passes.

        Args:
            scores: PNet's face probability, shape (rows, columns) of the canvas.

        Returns:
            Boxes in px of the image, shape (n, 5): left, top, right, bottom, score; and the
            output cells, shape (n, 2): row, column.
        """
        cells = np.argwhere((scores >= threshold) & (self._owner >= 0))
        boxes = np.empty((len(cells), 5), np.float32)
        if not len(cells):
            return boxes, cells
        rows, columns = cells[:, 0], cells[:, 1]
        table = np.array([(t.x, t.y, t.scale) for t in self.tiles], np.float32)
        x, y, scale = table[self._owner[rows, columns]].T
        boxes[:, 0] = (columns * STRIDE_PX - x) / scale
        boxes[:, 1] = (rows * STRIDE_PX - y) / scale
        boxes[:, 2] = boxes[:, 0] + WINDOW_PX / scale
        boxes[:, 3] = boxes[:, 1] + WINDOW_PX / scale
        boxes[:, 4] = scores[rows, columns]
        return boxes, cells


def _layout(width_px: int, height_px: int, smallest_face_px: int) -> tuple[Tile, ...]:
    """Tiles packed into columns, each below the last one of the first column with room."""
    tiles: list[Tile] = []
    columns: list[tuple[int, int, int]] = []  # left, width, used height
    scale = WINDOW_PX / smallest_face_px
    floor = 0
    while min(width_px, height_px) * scale >= WINDOW_PX:
        width, height = round(width_px * scale), round(height_px * scale)
        if not tiles:
            floor = height
        for number, (left, room, used) in enumerate(columns):
            if width <= room and used + height <= floor:
                columns[number] = (left, room, used + height)
                tiles.append(Tile(left, used, width, height, scale))
                break
        else:
            left = sum(room for _, room, _ in columns)
            columns.append((left, width, height))
            tiles.append(Tile(left, 0, width, height, scale))
        scale *= _STEP
    return tuple(tiles)
