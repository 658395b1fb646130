"""The face detector on its shipped networks: what it finds, follows and leaves alone."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edged.demo import scenes
from edged.types import Box

FACE = Box(180, 63, 268, 174)  # where a person sees it in the portrait, px


@pytest.fixture
def detector(engine):
    return engine.detector(40)


def lobby(scene=scenes.NEAR, t_s=0.0):
    return scenes.Lobby().draw(scene, t_s)


def test_a_face_is_found_where_it_is(detector, portrait):
    (face,) = detector.detect(portrait)
    assert face.box.overlap(FACE) > 0.7
    assert 0.9 < face.score <= 1
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_mirrored_image_gives_a_mirrored_face(detector, portrait):
    (face,) = detector.detect(portrait)
    (mirrored,) = detector.detect(cv2.flip(portrait, 1))
    width = portrait.shape[1]
    expected = [(width - x, y) for x, y in face.landmarks]
    left_eye, right_eye, nose, left_mouth, right_mouth = mirrored.landmarks
    turned = [right_eye, left_eye, nose, right_mouth, left_mouth]
    np.testing.assert_allclose(turned, expected, atol=6)


@pytest.mark.parametrize("face_px", [50, 70, 100, 150, 220, 320])
def test_a_face_of_any_size_is_found_and_measured(detector, face_px):
    (face,) = detector.detect(lobby(replace(scenes.NEAR, face_px=face_px)))
    assert face.box.width == pytest.approx(0.88 * face_px, rel=0.25)


def test_a_face_below_the_smallest_size_is_not_looked_for(engine):
    assert engine.detector(120).detect(lobby(scenes.FAR)) == []


def test_a_wall_noise_and_darkness_hold_no_face(detector):
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    for image in (lobby(scenes.EMPTY), noise, np.zeros((480, 640, 3), np.uint8)):
        assert detector.detect(image) == []


def test_two_faces_are_found_best_first(detector, portrait):
    faces = detector.detect(np.hstack([portrait, cv2.flip(portrait, 1)]))
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score
    assert faces[0].box.overlap(faces[1].box) == 0


@pytest.mark.parametrize(
    "shape", [(1, 1), (11, 11), (12, 12), (1, 3000), (3000, 1), (39, 641), (481, 639), (40, 40)]
)
def test_an_image_of_any_shape_is_searched(detector, shape):
    assert detector.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_images_of_changing_size_do_not_disturb_each_other(detector, portrait):
    first = detector.detect(portrait)
    assert detector.detect(cv2.resize(portrait, None, fx=0.7, fy=0.7))
    assert detector.detect(portrait) == first


def test_a_face_that_moved_a_little_is_followed(detector):
    (face,) = detector.detect(lobby(t_s=0.0))
    for n in range(1, 10):
        image = lobby(t_s=n / 15)
        (face,) = detector.follow(image, [face.box])
        assert face is not None
        (afresh,) = detector.detect(image)
        assert face.box.overlap(afresh.box) > 0.7


@pytest.mark.parametrize(
    "box",
    [
        Box(10, 10, 90, 90),
        Box(-500, -500, -400, -400),
        Box(5000, 5000, 5100, 5100),
        Box(3, 3, 3, 3),
    ],
)
def test_where_no_face_is_none_is_followed(detector, box):
    assert detector.follow(lobby(scenes.NEAR), [box]) == [None]


def test_one_face_goes_while_another_stays(detector):
    image = lobby()
    (face,) = detector.detect(image)
    stays, gone = detector.follow(image, [face.box, Box(0, 300, 80, 380)])
    assert stays is not None
    assert gone is None


@pytest.mark.parametrize("scene", [scenes.NEAR, scenes.FAR, scenes.BLURRED])
def test_both_runtimes_see_the_same_face(both, scene):
    image = lobby(scene)
    (one,), (other,) = (engine.detector(40).detect(image) for engine in both)
    assert one.box.overlap(other.box) > 0.97
    np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.5)


@pytest.mark.data
def test_a_face_is_found_in_nearly_every_photo(engine, data_dir):
    paths = sorted((data_dir / "photos-dev").glob("*/*.jpg"))[::5]
    missed = [p for p in paths if not engine.detector(24).detect(cv2.imread(str(p)))]
    assert len(missed) <= 0.03 * len(paths), f"{len(missed)} of {len(paths)}"
