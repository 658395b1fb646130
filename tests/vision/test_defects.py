"""What is wrong with a view."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edged.config.schema import Vision
from edged.demo import scenes
from edged.testing.builders import face
from edged.types import Box, Defect, Face, Pose
from edged.vision.defects import blur, find_defects, measure, shows_sharpness, visible_share

LIMITS = Vision()


def lobby(level: int = 120, face_level: int | None = None) -> np.ndarray:
    """A frame with an even face where `face()` has it."""
    image = np.full((480, 640, 3), level, np.uint8)
    if face_level is not None:
        box = face().box
        image[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = face_level
    return image


def moved(dx: float, dy: float, width_px: float = 150.0) -> Face:
    at = face(width_px)
    box = Box(at.box.left + dx, at.box.top + dy, at.box.right + dx, at.box.bottom + dy)
    a, b, c, d, e = ((x + dx, y + dy) for x, y in at.landmarks)
    return replace(at, box=box, landmarks=(a, b, c, d, e))


def test_a_good_view_has_none() -> None:
    assert find_defects(lobby(), face(), LIMITS) == []


@pytest.mark.parametrize(
    ("image", "at", "defect"),
    [
        (lobby(), face(40), Defect.TOO_FAR),
        (lobby(), face(400), Defect.TOO_CLOSE),
        (lobby(), moved(-280, 0), Defect.CUT_OFF),
        (lobby(), moved(245, 0, 80), Defect.OFF_CENTRE),
        (lobby(), replace(face(), pose=Pose(50, 0, 0)), Defect.TURNED),
        (lobby(), replace(face(), pose=Pose(0, -40, 0)), Defect.TURNED),
        (lobby(), replace(face(), pose=Pose(0, 0, 45)), Defect.TURNED),
        (lobby(20), face(), Defect.TOO_DARK),
        (lobby(240, 30), face(), Defect.BACKLIT),
        (lobby(230, 60), face(), Defect.BACKLIT),
        (lobby(120, 245), face(), Defect.OVEREXPOSED),
    ],
)
def test_each_defect_is_named(image: np.ndarray, at: Face, defect: Defect) -> None:
    assert defect in find_defects(image, at, LIMITS)


def test_a_face_outside_the_frame_is_cut_off_and_breaks_nothing() -> None:
    assert Defect.CUT_OFF in find_defects(lobby(), moved(5000, 5000), LIMITS)


def test_the_dark_is_seen_while_the_face_is_too_far() -> None:
    assert find_defects(lobby(20), face(40), LIMITS) == [Defect.TOO_FAR, Defect.TOO_DARK]


def test_where_the_room_is_dark_too_nobody_is_against_the_light() -> None:
    assert find_defects(lobby(20, 7), face(), LIMITS) == [Defect.TOO_DARK]


def test_a_face_that_goes_on_beyond_the_edge_is_cut_off_and_not_turned() -> None:
    pose = Pose(50, 0, 0)
    assert Defect.TURNED in find_defects(lobby(), replace(face(), pose=pose), LIMITS)
    found = find_defects(lobby(), replace(moved(-245, 0), pose=pose), LIMITS)
    assert Defect.CUT_OFF in found
    assert Defect.TURNED not in found


def test_against_strong_light_softness_says_nothing() -> None:
    assert shows_sharpness(measure(lobby(120, 60), face()))
    assert not shows_sharpness(measure(lobby(230, 15), face()))


def test_the_measures_are_what_was_drawn() -> None:
    image = lobby(100, 200)
    box = face().box
    image[int(box.top) : int(box.bottom), 320 : int(box.right)] = 255
    seen = measure(image, face())
    assert (seen.face_px, seen.blur) == (150, None)
    assert seen.face_share == pytest.approx(180 / 480)
    assert seen.off_centre == pytest.approx(0, abs=1e-6)
    assert seen.level == pytest.approx(227, abs=3)
    assert seen.burnt == pytest.approx(0.5, abs=0.05)
    assert 100 < seen.around < 120


def test_a_face_outside_the_frame_has_the_level_of_the_frame() -> None:
    seen = measure(lobby(90), moved(5000, 5000))
    assert (seen.level, seen.burnt, seen.off_centre) == (90, 0, 0.5)


@pytest.mark.parametrize(
    ("box", "share"),
    [
        (Box(0, 0, 100, 100), 1.0),
        (Box(-50, 0, 50, 100), 0.5),
        (Box(-50, -50, 50, 50), 0.25),
        (Box(700, 0, 800, 100), 0.0),
        (Box(10, 10, 10, 50), 0.0),
        (Box(50, 50, 10, 10), 0.0),
    ],
)
def test_the_visible_share_of_a_box_is_what_the_frame_holds(box: Box, share: float) -> None:
    assert visible_share(box, 640, 480) == pytest.approx(share)


def test_blur_grows_with_blur_and_is_no_fool_of_noise() -> None:
    frame = scenes.Lobby().draw(scenes.NEAR, 0.0)[100:340, 200:440]
    chip = cv2.resize(frame, (112, 112), interpolation=cv2.INTER_AREA)
    levels = [blur(chip)] + [blur(cv2.GaussianBlur(chip, (0, 0), s)) for s in (1, 2, 3, 4)]
    assert levels == sorted(levels)
    assert levels[0] < LIMITS.blur_level < levels[-1]
    noisy = np.clip(chip + np.random.default_rng(0).normal(0, 20, chip.shape), 0, 255)
    assert blur(noisy.astype(np.uint8)) < LIMITS.blur_level


def test_an_empty_chip_counts_as_blurred() -> None:
    assert blur(np.zeros((112, 112, 3), np.uint8)) == 1.0
