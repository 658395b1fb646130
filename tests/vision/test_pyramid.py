"""All scales on one canvas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.vision.pyramid import Pyramid

SIZES = st.integers(12, 2000)


@given(SIZES, SIZES, st.integers(20, 400))
def test_tiles_lie_on_the_canvas_and_never_overlap(width: int, height: int, face: int) -> None:
    pyramid = Pyramid(width, height, face)
    covered = np.zeros((pyramid.height, pyramid.width), np.int32)
    for tile in pyramid.tiles:
        assert tile.width > 0
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
    assert covered.max(initial=0) <= 1
    assert covered.sum() == sum(tile.width * tile.height for tile in pyramid.tiles)


def test_a_window_comes_back_to_where_it_lay_in_the_image() -> None:
    pyramid = Pyramid(640, 480, 80)
    rows = (pyramid.height - 12) // 2 + 1
    columns = (pyramid.width - 12) // 2 + 1
    for tile in pyramid.tiles:
        scores = np.zeros((rows, columns), np.float32)
        row, column = -(-tile.y // 2), -(-tile.x // 2)
        scores[row, column] = 0.9
        boxes, cells = pyramid.windows(scores, 0.6)
        assert cells.tolist() == [[row, column]]
        assert boxes[0, 4] == pytest.approx(0.9)
        assert abs(boxes[0, 0]) < 2 / tile.scale
        assert boxes[0, 2] - boxes[0, 0] == pytest.approx(12 / tile.scale, rel=1e-4)


def test_windows_that_straddle_two_scales_are_dropped() -> None:
    pyramid = Pyramid(640, 480, 80)
    rows = (pyramid.height - 12) // 2 + 1
    columns = (pyramid.width - 12) // 2 + 1
    boxes, _ = pyramid.windows(np.ones((rows, columns), np.float32), 0.6)
    assert len(boxes) < rows * columns
    assert boxes[:, 0].min() > -3 / min(t.scale for t in pyramid.tiles)
    assert boxes[:, 2].max() < 640 + 3 / min(t.scale for t in pyramid.tiles)


def test_an_image_smaller_than_any_face_has_no_tiles() -> None:
    assert Pyramid(12, 12, 50).tiles == ()
