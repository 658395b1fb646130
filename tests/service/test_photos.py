"""Views from photos: whom a photo is about, and which of them belong together."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.service.photos import Levels, Refused, View, coherent, look, sort_out
from tests import faces

ASKED = Levels(quality=0.6, same=0.45, different=0.35)
PORTRAIT = cv2.imread(str(faces.PORTRAIT))


def crowd(people: list[int], noise: float, seed: int, size: int = 64) -> np.ndarray:
    """Views of people given by number, each near a direction of their own."""
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(random.normal(size=(size, size)))[0]
    rows = basis[people] + noise * random.normal(size=(len(people), size)) / np.sqrt(size)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


NONE = np.empty((0, 64), np.float32)


def test_a_portrait_gives_one_view(engine):
    view = look(engine, PORTRAIT, 0.6)
    assert isinstance(view, View)
    assert view.quality > 0.9
    assert view.embedding.shape == (192,)


def test_two_equal_faces_do_not_say_whom_the_photo_is_about(engine):
    found = look(engine, np.hstack([PORTRAIT, cv2.flip(PORTRAIT, 1)]), 0.6)
    assert isinstance(found, Refused)
    assert found.reason == "several_faces"


def test_a_passer_by_does_not_matter(engine):
    canvas = np.full((512, 800, 3), 90, np.uint8)
    canvas[:, :512] = PORTRAIT
    canvas[:256, 540:796] = cv2.resize(PORTRAIT, (256, 256))
    view = look(engine, canvas, 0.6)
    assert isinstance(view, View)
    alone = look(engine, PORTRAIT, 0.6)
    assert float(view.embedding @ alone.embedding) > 0.95


def test_a_larger_face_that_the_network_does_not_see_clearly_is_not_preferred(engine):
    smear = cv2.GaussianBlur(cv2.resize(PORTRAIT, (768, 768)), (0, 0), 9)
    canvas = np.hstack([smear, np.full((768, 512, 3), 90, np.uint8)])
    canvas[100:612, 768:] = PORTRAIT
    found = engine.extract_each(canvas, 5)
    assert len(found) == 2
    assert found[0].embedded.quality < 0.2  # the larger one
    view = look(engine, canvas, 0.6)
    assert isinstance(view, View)
    assert view.quality > 0.9


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.full((300, 300, 3), 128, np.uint8), "no_face"),
        (cv2.GaussianBlur(PORTRAIT, (0, 0), 4), "low_quality"),
        (np.zeros((1, 1, 3), np.uint8), "no_face"),
        (np.zeros((2, 3000, 3), np.uint8), "no_face"),
    ],
)
def test_what_shows_nobody_well_is_refused_by_a_code(engine, image, reason):
    found = look(engine, image, 0.6)
    assert isinstance(found, Refused)
    assert found.reason == reason


def test_an_odd_view_goes_and_the_others_stay():
    views = crowd([0, 0, 1, 0, 0], 0.5, 1)
    assert coherent(views, NONE, ASKED) == [0, 1, 3, 4]


def test_the_larger_of_two_groups_is_the_person():
    assert coherent(crowd([0, 1, 0, 1, 0], 0.5, 2), NONE, ASKED) == [0, 2, 4]


@pytest.mark.parametrize("people", [[0, 1], [0, 0, 1, 1], [0, 0, 0, 1, 1, 1], [0, 1, 2]])
def test_without_a_majority_nobody_is_chosen(people):
    assert coherent(crowd(people, 0.3, 3), NONE, ASKED) == []


def test_one_view_alone_is_the_person():
    assert coherent(crowd([0], 0.1, 4), NONE, ASKED) == [0]


def test_what_is_stored_says_who_the_person_is():
    stored, new = crowd([0, 0, 1, 1, 1, 0], 0.3, 5)[:2], crowd([0, 0, 1, 1, 1, 0], 0.3, 5)[2:]
    assert coherent(new, stored, ASKED) == [3]
    assert coherent(new[:3], stored, ASKED) == []


def test_two_views_between_the_levels_are_of_one_person():
    one = np.zeros(64, np.float32)
    one[0] = 1
    other = np.zeros(64, np.float32)
    other[0], other[1] = 0.4, np.sqrt(1 - 0.16)
    assert coherent(np.stack([one, other]), NONE, ASKED) == [0, 1]
    assert coherent(other[None], np.stack([one]), ASKED) == [0]
    assert coherent(other[None], np.stack([one, one]), ASKED) == []


@settings(max_examples=60, deadline=None)
@given(people=st.lists(st.integers(0, 3), min_size=1, max_size=12), seed=st.integers(0, 1000))
def test_never_two_people_and_the_order_does_not_matter(people, seed):
    views = crowd(people, 0.3, seed)
    chosen = coherent(views, NONE, ASKED)
    assert len({people[place] for place in chosen}) <= 1
    counts = sorted((people.count(who) for who in set(people)), reverse=True)
    majority = len(counts) == 1 or counts[0] > counts[1]
    assert len(chosen) == (counts[0] if majority else 0)
    order = np.random.default_rng(seed).permutation(len(people))
    again = coherent(views[order], NONE, ASKED)
    assert sorted(order[again].tolist()) == chosen


def test_a_photo_given_again_is_neither_new_nor_odd():
    rows = crowd([0, 0, 1], 0.3, 6)
    views = [View(row, 0.9) for row in (rows[0], rows[1], rows[1], rows[2])]
    assert sort_out(views, [rows[0]], ASKED) == ([1], [3])
    assert sort_out(views[:1], [rows[0]], ASKED) == ([], [])
    assert sort_out([], [], ASKED) == ([], [])
