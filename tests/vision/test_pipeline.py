"""From frames to observations, on the shipped networks and the demo's lobby."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from edged.config.schema import Vision as Limits
from edged.demo import scenes
from edged.testing.builders import policy
from edged.types import Defect, Frame
from edged.vision.embed import Embedded
from edged.vision.pipeline import Vision

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


def test_every_face_is_measured_and_every_defect_has_a_gain(engine):
    views = [scenes.NEAR] * 2 + [scenes.FAR] * 2 + [scenes.DARK] * 10 + [scenes.BLURRED] * 3
    for one in observe(engine, *views):
        assert (one.measures is None) == (one.face is None)
        if one.face is None:
            assert one.gains == ()
            continue
        assert len(one.gains) == len(one.defects)
        assert one.measures.face_px == one.face.box.width
        assert (one.measures.blur is None) == (one.embedding is None)
    near, far = (observe(engine, view)[0] for view in (scenes.NEAR, scenes.FAR))
    assert near.measures.blur < Limits().blur_level
    assert far.gains[far.defects.index(Defect.TOO_FAR)] > 0.9


def test_a_blurred_view_is_told_and_not_trusted(engine):
    for one in observe(engine, *[scenes.BLURRED] * 3):
        assert Defect.BLURRED in one.defects
        assert max(one.gains) == one.gains[one.defects.index(Defect.BLURRED)] > 0.2
        assert one.quality < 0.5


def test_a_view_that_is_never_matched_is_not_embedded(engine):
    for one in observe(engine, *[scenes.FAR] * 3):
        assert one.defects == (Defect.TOO_FAR,)
        assert (one.embedding, one.quality) == (None, None)


def test_a_face_in_the_dark_is_seen_told_and_never_trusted(engine):
    seen = observe(engine, *[scenes.DARK] * 30)
    for one in seen:
        assert one.defects in ((Defect.NO_FACE,), (Defect.TOO_DARK,), DARK_AND_BLURRED)
        assert one.quality is None or one.quality < 0.5
    assert sum(one.face is not None for one in seen) > 27


class Scripted:
    """An embedder that says of each view what it was told to."""

    def __init__(self, engine, *found):
        self._engine = engine
        self._found = list(found)

    def chip(self, image, landmarks):
        return self._engine.embedder.chip(image, landmarks)

    def embed(self, chip):
        return self._found.pop(0)


def as_seen(quality, *values):
    return Embedded(np.array(values, np.float32), 0.0, quality)


def test_another_person_in_the_same_place_gets_another_number(engine):
    first, similar, other = (0.9, 1, 0), (0.9, 0.8, 0.6), (0.9, 0, 1)
    script = Scripted(engine, *(as_seen(*v) for v in (first, similar, *[other] * 10)))
    vision = Vision(engine.detector(), script, Limits(), same=0.45, trusted=0.4)
    seen = [vision.observe(f, embed=True) for f in frames(*[scenes.NEAR] * 14)]
    numbers = [one.track_id for one in seen]
    assert numbers[0] == numbers[1]
    assert numbers[2:9] == [None] * 7
    assert numbers[-1] not in (None, numbers[0])
    assert {one.faces for one in seen} == {1}


def test_one_odd_view_says_nothing_and_moves_nobody(engine):
    first, other = (0.9, 1, 0), (0.9, 0, 1)
    script = Scripted(engine, *(as_seen(*view) for view in (first, other, first, other, first)))
    vision = Vision(engine.detector(), script, Limits(), same=0.45, trusted=0.4)
    seen = [vision.observe(f, embed=True) for f in frames(*[scenes.NEAR] * 5)]
    number = seen[0].track_id
    assert [one.track_id for one in seen] == [number, None, number, None, number]
    assert [one.embedding is None for one in seen] == [False, True, False, True, False]


def test_every_view_that_may_count_is_asked_whether_it_is_still_the_same_person(engine):
    assert engine.vision()._trusted == engine.manifest.quality.minimum.attendance
    low = policy(minimum_quality=0.6, view_quality=0.2)
    assert engine.vision(low)._trusted == 0.2


def test_a_view_that_cannot_be_trusted_does_not_make_it_another_person(engine):
    script = Scripted(engine, *(as_seen(*v) for v in ((0.9, 1, 0), (0.1, 0, 1), (0.9, 1, 0))))
    vision = Vision(engine.detector(), script, Limits(), same=0.45, trusted=0.4)
    numbers = {vision.observe(f, embed=True).track_id for f in frames(*[scenes.NEAR] * 3)}
    assert len(numbers) == 1


def test_a_doubt_is_settled_with_the_next_view_though_nobody_asks(engine):
    first, other = (0.9, 1, 0), (0.9, 0, 1)
    script = Scripted(engine, *(as_seen(*view) for view in (first, other, other)))
    vision = Vision(engine.detector(), script, Limits(), same=0.45, trusted=0.4)
    asked = [True, True, False, False]
    views = zip(frames(*[scenes.NEAR] * 4), asked, strict=True)
    seen = [vision.observe(frame, embed=embed) for frame, embed in views]
    assert [one.track_id is None for one in seen] == [False, True, True, True]
    assert not script._found


@pytest.mark.data
def test_real_people_who_swap_places_are_told_apart_and_nobody_is_split_in_two(engine, data_dir):
    people = [p for p in sorted((data_dir / "webcam-dev" / "live").iterdir()) if p.is_dir()]
    views = [
        [cv2.imread(str(f)) for f in sorted((p / "session01").glob("*.jpg"))[:25]] for p in people
    ]
    for one, other in pairwise(views):
        seen = observe(engine, *one, *other)
        usable = [o.quality is not None and o.quality >= 0.4 for o in seen]
        before = {o.track_id for o, fit in zip(seen[:25], usable[:25], strict=True) if fit}
        after = {o.track_id for o, fit in zip(seen[25:], usable[25:], strict=True) if fit}
        assert before
        assert after
        assert not before & after
    for one in views:
        seen = [o.track_id for o in observe(engine, *one) if o.embedding is not None]
        assert len(set(seen)) <= 2


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
    assert [one.face is not None for one in seen] == [True, False, False, True]


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
