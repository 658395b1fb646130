"""What is wrong with a view."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edged.config.schema import Vision
from edged.demo import scenes
from edged.testing.builders import face
from edged.types import Box, Defect, Face, Pose
from edged.vision.defects import blur, find_defects

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
