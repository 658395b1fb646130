"""From frames to observations, on the shipped networks and the demo's lobby."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edged.demo import scenes
from edged.types import Defect, Frame

DARK_AND_BLURRED = (Defect.TOO_DARK, Defect.BLURRED)


def frames(*views, rate_hz=15.0):
    """Scenes, or whole images, as a camera would deliver them."""
    lobby = scenes.Lobby()
    for n, view in enumerate(views):
        image = lobby.draw(view, n / rate_hz) if isinstance(view, scenes.Scene) else view
        yield Frame(image, n / rate_hz, n)


def observe(engine, *views, embed=True):
    vision = engine.vision()
    return [vision.observe(frame, embed=embed) for frame in frames(*views)]


def put(portrait, x, y, wall=150, brightness=1.0):
    """The portrait, pasted so that its corner is at (x, y) of a plain frame."""
    frame = np.full((480, 640, 3), wall, np.uint8)
    person = np.clip(portrait * brightness, 0, 255).astype(np.uint8)
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    cv2.warpAffine(person, matrix, (640, 480), frame, borderMode=cv2.BORDER_TRANSPARENT)
    return frame


def test_a_good_view_has_no_defect_and_a_trusted_embedding(engine):
    seen = observe(engine, *[scenes.NEAR] * 5)
    for n, one in enumerate(seen):
        assert (one.seq, one.t_s, one.faces) == (n, n / 15, 1)
        assert one.defects == ()
        assert one.quality > 0.9
        assert np.linalg.norm(one.embedding) == pytest.approx(1, abs=1e-5)
    assert min(float(seen[0].embedding @ one.embedding) for one in seen) > 0.9


@pytest.mark.parametrize(
    ("scene", "defect", "trusted"),
    [
        (scenes.FAR, Defect.TOO_FAR, True),
        (scenes.BLURRED, Defect.BLURRED, False),
    ],
)
def test_a_bad_view_is_given_its_cause(engine, scene, defect, trusted):
    for one in observe(engine, *[scene] * 3):
        assert defect in one.defects
        assert (one.quality > 0.5) is trusted


def test_a_face_in_the_dark_is_told_or_not_seen_and_never_trusted(engine):
    seen = observe(engine, *[scenes.DARK] * 30)
    for one in seen:
        assert one.defects in ((Defect.NO_FACE,), (Defect.TOO_DARK,), DARK_AND_BLURRED)
        assert one.quality is None or one.quality < 0.5
    assert sum(one.face is not None for one in seen) > 10


def test_an_empty_lobby_holds_nobody(engine):
    (one,) = observe(engine, scenes.EMPTY)
    assert (one.faces, one.track_id, one.face, one.embedding) == (0, None, None, None)
    assert one.defects == (Defect.NO_FACE,)


@pytest.mark.parametrize(
    ("x", "y", "defect"),
    [
        (-170, 60, Defect.OFF_CENTRE),
        (96, -90, Defect.CUT_OFF),
    ],
)
def test_a_face_at_the_edge_is_told(engine, portrait, x, y, defect):
    (one,) = observe(engine, put(portrait, x, y))
    assert defect in one.defects


def test_a_dark_face_before_a_bright_wall_is_backlit(engine, portrait):
    lit = put(np.full((330, 300, 3), 0, np.uint8), 0, 0, wall=250)
    lit[:] = 250
    person = (portrait[40:220, 140:320] * 0.3).astype(np.uint8)
    lit[150:330, 230:410] = person
    (one,) = observe(engine, lit)
    assert Defect.BACKLIT in one.defects


def test_a_face_that_fills_the_frame_is_too_close(engine):
    (one,) = observe(engine, replace(scenes.NEAR, face_px=420))
    assert Defect.TOO_CLOSE in one.defects


def test_a_second_person_of_like_size_is_told_and_a_bystander_is_not(engine, portrait):
    small = cv2.resize(portrait, None, fx=0.5, fy=0.5)
    alike = np.hstack([portrait[:480, :320], cv2.flip(portrait, 1)[:480, 192:]])
    (one,) = observe(engine, alike)
    assert one.faces == 2
    assert Defect.SEVERAL_FACES in one.defects
    behind = put(portrait, 64, 60)
    behind[200:456, 480:640] = small[:, 32:192]
    (one,) = observe(engine, behind)
    assert Defect.SEVERAL_FACES not in one.defects


def test_the_recogniser_rests_when_nobody_asks(engine):
    (one,) = observe(engine, scenes.NEAR, embed=False)
    assert one.face is not None
    assert (one.embedding, one.log_variance, one.quality) == (None, None, None)


def test_a_face_keeps_its_number_while_it_is_there_and_never_gives_it_away(engine):
    seen = observe(engine, *[scenes.NEAR] * 12, *[scenes.EMPTY] * 20, *[scenes.NEAR] * 3)
    first, empty, again = seen[:12], seen[12:32], seen[32:]
    assert {one.track_id for one in first} == {first[0].track_id}
    assert {one.track_id for one in empty} == {None}
    assert len({one.track_id for one in again}) == 1
    assert again[0].track_id > first[0].track_id


def test_two_pipelines_know_nothing_of_each_other(engine):
    one, other = engine.vision(), engine.vision()
    near, empty = frames(scenes.NEAR, scenes.EMPTY)
    assert one.observe(near, embed=False).face is not None
    assert other.observe(empty, embed=False).face is None
    assert one.observe(near, embed=False).face is not None


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (480, 1), (13, 17), (2000, 30)])
def test_a_frame_of_any_shape_gives_an_observation(engine, shape):
    (one,) = observe(engine, np.full((*shape, 3), 127, np.uint8))
    assert one.defects == (Defect.NO_FACE,)


def test_frames_may_change_their_size_on_the_way(engine, portrait):
    views = [portrait, cv2.resize(portrait, (300, 300)), np.zeros((9, 9, 3), np.uint8), portrait]
    seen = observe(engine, *views)
    assert [one.face is not None for one in seen] == [True, True, False, True]


@pytest.mark.data
def test_a_person_before_a_webcam_is_one_track_and_one_person(engine, data_dir):
    folder = data_dir / "webcam-dev" / "live" / "person01" / "session01"
    images = [cv2.imread(str(path)) for path in sorted(folder.glob("*.jpg"))[:30]]
    seen = [one for one in observe(engine, *images) if one.face is not None]
    assert len(seen) >= 0.9 * len(images)
    assert len({one.track_id for one in seen}) <= 3
    trusted = [one.embedding for one in seen if one.quality > 0.5]
    assert len(trusted) > 3
    assert np.median(np.array(trusted) @ trusted[0]) > 0.5
