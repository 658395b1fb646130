"""The focus meter follows the lens: not the light, not the noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edged.demo.scenes import NEAR, Lobby
from edged.types import Box
from edged.web.installer.focus import examine, sharpness

FACE = Box(245, 150, 395, 300)


def measured(blur_px: float, light: float = 1.0, noise: float = 2.0) -> float:
    image = Lobby().draw(replace(NEAR, blur_px=blur_px, light=light, noise=noise), 0)
    return examine(image, FACE).sharpness


@pytest.mark.parametrize(("light", "noise"), [(1.0, 0.5), (1.0, 12.0), (0.5, 6.0), (0.3, 6.0)])
def test_a_sharper_picture_measures_more_in_any_light(light: float, noise: float) -> None:
    found = [measured(blur_px, light, noise) for blur_px in (0, 0.7, 1.0, 1.5, 2.0, 3.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[4]


def test_noise_and_darkness_pass_for_nothing_else() -> None:
    plain = measured(0)
    for light, noise in ((1.0, 12.0), (0.5, 6.0), (0.3, 6.0)):
        assert measured(0, light, noise) == pytest.approx(plain, rel=0.15)


def test_pure_noise_is_not_sharp() -> None:
    image = np.random.default_rng(1).normal(120, 20, (200, 200, 3)).clip(0, 255).astype(np.uint8)
    value, noise = sharpness(image)
    assert value < 0.3 * measured(0)
    assert noise > 5


@pytest.mark.parametrize("box", [None, Box(-50, -50, 30, 30), Box(610, 450, 900, 900)])
def test_a_face_at_the_edge_or_none_is_measured_where_there_is_picture(box: Box | None) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, ::12] = 255
    assert examine(image, box).sharpness > 0


@pytest.mark.parametrize(
    "box",
    [
        Box(0, 0, 0, 0),
        Box(900, 900, 990, 990),
        Box(300, 300, 200, 200),
        Box(float("nan"), 0, 10, 10),
        Box(0, 0, float("inf"), 10),
    ],
)
def test_no_place_measures_nothing(box: Box) -> None:
    assert examine(Lobby().draw(NEAR, 0), box).sharpness == 0


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_picture_measures_nothing(value: int) -> None:
    found = examine(np.full((48, 64, 3), value, np.uint8))
    assert found.sharpness == 0
    assert (found.burnt, found.black) == (float(value == 255), float(value == 0))


def test_two_pictures_of_one_scene_differ_by_their_noise_and_a_frozen_one_does_not() -> None:
    lobby = Lobby()
    one, other = lobby.draw(NEAR, 0), lobby.draw(NEAR, 0)
    assert examine(one).mark == examine(one.copy()).mark != examine(other).mark
