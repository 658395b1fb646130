"""A face in a nearly black or nearly white frame is found, and nobody where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.demo import scenes
from edged.types import Defect, Frame
from edged.vision.tone import toned

if TYPE_CHECKING:
    from edged.service.engine import Engine
    from edged.types import Image


def lobby(gain: float, scene: scenes.Scene = scenes.NEAR, n: int = 0) -> Image:
    noise = np.random.default_rng(n).normal(0, 1.5, (480, 640, 3))
    frame = scenes.Lobby().draw(scene, n / 15) * gain + noise + 0.5
    return np.clip(frame, 0, 255).astype(np.uint8)


def test_an_ordinary_frame_is_left_alone() -> None:
    frame = lobby(1.0)
    assert toned(frame) is frame


@pytest.mark.parametrize("gain", [0.04, 4.0])
def test_an_extreme_frame_is_spread_out_and_not_changed_itself(gain: float) -> None:
    frame = lobby(gain)
    before = frame.copy()
    seen = toned(frame)
    assert (seen.shape, seen.dtype) == (frame.shape, np.uint8)
    assert seen.std() > frame.std()
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (9, 9)])
def test_a_frame_of_any_shape_is_taken(shape: tuple[int, int]) -> None:
    for level in (0, 128, 255):
        frame = np.full((*shape, 3), level, np.uint8)
        assert toned(frame).shape == frame.shape


def test_who_stands_in_the_dark_is_seen_and_asked_for_light(engine: Engine) -> None:
    vision = engine.vision()
    frames = [Frame(lobby(0.03, n=n), n / 15, n) for n in range(8)]
    every = [vision.observe(frame, embed=True) for frame in frames]
    seen = [one for one in every if one.face is not None]
    assert len(seen) >= len(every) - 1  # one frame, to find that its light must be spread
    assert all(Defect.TOO_DARK in one.defects for one in seen)
    assert all(max(one.gains) == one.gains[one.defects.index(Defect.TOO_DARK)] for one in seen)
    assert max(one.quality or 0 for one in seen) < 0.4


@pytest.mark.parametrize("gain", [0.0, 0.02, 0.05, 3.0, 8.0])
def test_nobody_is_seen_in_an_empty_lobby_whatever_the_light(engine: Engine, gain: float) -> None:
    vision = engine.vision()
    for n in range(3):
        one = vision.observe(Frame(lobby(gain, scenes.EMPTY, n), n / 15, n), embed=True)
        assert one.defects == (Defect.NO_FACE,)
