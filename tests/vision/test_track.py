"""Faces keep their number, and one of them is served."""

from __future__ import annotations

from itertools import count
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.types import Box
from edged.vision.mtcnn import Detection
from edged.vision.track import Tracker
from edged.vision.turn import PATIENCE_S

RATE_HZ = 15


def at(x: float, y: float = 240, width: float = 100) -> Detection:
    box = Box(x - width / 2, y - width / 2, x + width / 2, y + width / 2)
    return Detection(box, ((x, y),) * 5, 0.99)


class Door:
    """A tracker that is given full detections, at 15 frames a second."""

    def __init__(self) -> None:
        self.tracker = Tracker(72, count(1))
        self.t_s = 0.0

    def see(self, *faces: Detection, frames: int = 1, done: bool = False) -> list[int | None]:
        """The number of the face served in each of so many frames that show these faces."""
        served: list[int | None] = []
        for _ in range(frames):
            self.t_s += 1 / RATE_HZ
            self.tracker.tick(self.t_s)
            self.tracker.associate(list(faces))
            track = self.tracker.served(640, 480, done=done)
            served.append(track.number if track else None)
        return served

    @property
    def numbers(self) -> list[int]:
        """Of the faces in view, the largest first."""
        return [track.number for track in self.tracker.tracks]

    @property
    def company(self) -> bool:
        current = self.tracker.current
        assert current is not None
        return self.tracker.company(current)


@pytest.fixture
def door() -> Door:
    return Door()


PATIENCE_FRAMES = round(PATIENCE_S * RATE_HZ)


# Numbers


def test_a_face_that_moves_keeps_its_number(door: Door) -> None:
    for x in range(100, 500, 20):
        door.see(at(x))
    assert door.numbers == [1]


def test_two_faces_are_never_mixed_up_by_their_order(door: Door) -> None:
    door.see(at(150), at(450))
    door.see(at(455), at(155))
    assert [(t.number, t.face.box.centre[0]) for t in door.tracker.tracks] == [(2, 455), (1, 155)]


def test_a_face_lost_for_a_moment_comes_back_as_itself_and_later_as_another(door: Door) -> None:
    door.see(at(300))
    door.see(frames=6)
    door.see(at(310))
    assert door.numbers == [1]
    door.see(frames=15)
    door.see(at(310))
    assert door.numbers == [2]


def test_only_the_served_face_is_followed_and_the_others_stay(door: Door) -> None:
    door.see(at(150), at(450, width=80))
    assert door.tracker.follow(at(152))
    assert [t.face for t in door.tracker.tracks] == [at(152), at(450, width=80)]
    assert not door.tracker.follow(None)
    assert door.numbers == [2]
    door.see(at(156), at(450, width=80))
    assert door.numbers == [1, 2]


def test_a_followed_face_that_runs_into_another_is_lost_until_a_detection_tells(
    door: Door,
) -> None:
    door.see(at(280), at(420, width=90))
    assert not door.tracker.follow(at(418))
    assert door.numbers == [2]


def test_nobody_is_followed_where_nobody_is_served(door: Door) -> None:
    assert not door.tracker.follow(at(300))
    assert door.tracker.tracks == []


def test_numbers_are_never_used_twice_even_by_another_tracker() -> None:
    first, second = Tracker(), Tracker()
    first.associate([at(100)])
    second.associate([at(100)])
    assert first.tracks[0].number != second.tracks[0].number


def test_people_who_pass_each_other_apart_keep_their_numbers(door: Door) -> None:
    door.see(at(100, 150), at(540, 300, 90))
    for x in range(100, 560, 20):
        door.see(at(x, 150), at(640 - x, 300, 90))
    assert door.numbers == [1, 2]


def test_another_person_in_the_same_place_is_served_under_another_number(door: Door) -> None:
    assert door.see(at(320)) == [1]
    door.tracker.part(door.tracker.tracks[0], at(320).box)
    served = door.see(at(322), frames=PATIENCE_FRAMES + 2)
    assert served[0] is None
    assert served[-1] == 2


def test_whoever_was_passed_in_front_of_goes_on_under_their_number(door: Door) -> None:
    assert door.see(at(320)) == [1]
    door.tracker.part(door.tracker.tracks[0], at(320).box)
    assert door.see(at(340, width=120)) == [None]
    assert door.see(at(380, width=130)) == [None]
    assert door.see(at(430, width=130), at(322), frames=3) == [1, 1, 1]


# Turns


def test_the_nearest_and_most_central_face_is_served(door: Door) -> None:
    assert door.see(at(60, width=100), at(320, width=110), at(600, width=60)) == [1]
    assert door.tracker.tracks[0].face == at(320, width=110)
    aside = Door()
    aside.see(at(20, width=100), at(320, width=95))
    current = aside.tracker.current
    assert current is not None
    assert current.face == at(320, width=95)


def test_a_bystander_does_not_steal_the_service(door: Door) -> None:
    door.see(at(250, width=100))
    assert set(door.see(at(250, width=100), at(400, width=130), frames=60)) == {1}


def test_somebody_much_nearer_takes_over_after_half_a_second_and_not_before(door: Door) -> None:
    door.see(at(150, width=80))
    served = door.see(at(150, width=80), at(400, width=200), frames=2 * PATIENCE_FRAMES)
    assert served == [1] * served.count(1) + [2] * served.count(2)
    assert PATIENCE_FRAMES <= served.count(1) <= PATIENCE_FRAMES + 2


def test_somebody_who_passes_close_by_does_not_take_over(door: Door) -> None:
    door.see(at(320, width=90))
    for _ in range(10):
        served = door.see(at(320, width=90), at(100, width=250), frames=PATIENCE_FRAMES - 1)
        assert set(served) == {1}
        assert door.see(at(320, width=90)) == [1]


def test_a_bystander_is_not_served_while_the_served_face_is_lost_for_a_moment(door: Door) -> None:
    bystander = at(520, 120, width=90)
    door.see(at(300, width=120), bystander)
    assert set(door.see(bystander, frames=PATIENCE_FRAMES - 1)) == {None}
    assert door.see(at(305, width=120), bystander) == [1]


def test_who_waited_is_served_when_the_served_one_has_gone(door: Door) -> None:
    door.see(at(300, width=120), at(520, width=110))
    served = door.see(at(520, width=110), frames=PATIENCE_FRAMES + 2)
    assert (served[0], served[-1]) == (None, 2)


def test_somebody_far_away_is_not_asked_to_come_closer_right_after(door: Door) -> None:
    far = at(520, 120, width=55)
    door.see(at(300, width=120), far)
    served = door.see(far, frames=3 * RATE_HZ)
    assert set(served[: 2 * RATE_HZ - 1]) == {None}
    assert served[-1] == 2


def test_somebody_far_away_is_served_where_nobody_was(door: Door) -> None:
    assert door.see(at(300, width=55)) == [1]


def test_the_next_in_the_queue_is_served_at_once_when_the_first_is_done(door: Door) -> None:
    door.see(at(300, width=120), at(480, width=100))
    assert door.see(at(260, width=120), at(440, width=100), done=True) == [2]
    assert set(door.see(at(260, width=120), at(440, width=100), frames=30)) == {2}
    assert set(door.see(at(260, width=120), at(440, width=100), frames=30, done=True)) == {2}


def test_whoever_is_done_stays_served_while_only_bystanders_are_near(door: Door) -> None:
    faces = at(300, width=160), at(480, width=60), at(80, width=80)
    door.see(*faces)
    assert set(door.see(*faces, frames=30, done=True)) == {1}


def test_whoever_is_done_and_lost_for_a_moment_is_still_who_they_were(door: Door) -> None:
    door.see(at(300), frames=3, done=True)
    assert door.see(frames=4, done=True) == [None] * 4
    assert door.see(at(305), done=True) == [1]


def test_the_next_need_not_wait_for_a_face_that_was_done_and_is_lost(door: Door) -> None:
    door.see(at(300, width=120), at(480, width=100))
    door.see(at(300, width=120), at(480, width=50), done=True)
    assert door.see(at(480, width=100), done=True) == [2]


def test_who_was_not_done_yet_goes_before_who_was(door: Door) -> None:
    first, second, third = at(100, width=130), at(320, width=110), at(520, width=100)
    door.see(first, second)
    assert door.see(first, second, done=True) == [2]
    assert door.see(first, second, third, done=True) == [3]
    door.see(first, third, frames=20)
    assert door.see(first, third) == [3]


def test_who_made_way_and_lingers_is_not_served_again_for_some_seconds(door: Door) -> None:
    first, second = at(100, width=130), at(320, width=110)
    door.see(first, second)
    door.see(first, second, frames=5, done=True)
    served = door.see(first, frames=10 * RATE_HZ, done=True)
    assert set(served[: 7 * RATE_HZ]) == {None}
    assert served[-1] == 1


def test_whoever_is_tried_again_is_not_done_any_more(door: Door) -> None:
    door.see(at(300), frames=2, done=True)
    door.see(at(300))
    assert set(door.see(at(300), at(450), frames=20)) == {1}


def test_nobody_is_served_in_an_empty_frame(door: Door) -> None:
    assert door.see(frames=3) == [None, None, None]


# Company


def test_a_second_person_of_like_size_is_company_and_a_bystander_is_not(door: Door) -> None:
    door.see(at(200), at(400, width=60))
    assert not door.company
    door.see(at(200), at(400, width=80))
    assert door.company


def test_company_does_not_flicker_when_a_detection_misses_it_or_its_size_wavers(
    door: Door,
) -> None:
    door.see(at(200), at(400, width=80))
    assert door.company
    for _ in range(10):
        door.see(at(200), frames=PATIENCE_FRAMES - 2)
        assert door.company
        door.see(at(200), at(400, width=66))
        assert door.company


def test_company_that_has_gone_is_forgotten(door: Door) -> None:
    door.see(at(200), at(400, width=80))
    assert door.company
    door.see(at(200), frames=PATIENCE_FRAMES + 1)
    assert not door.company


# Bad input


@pytest.mark.parametrize(
    "face",
    [
        Detection(Box(nan, 0, 100, 100), ((1, 1),) * 5, 0.9),
        Detection(Box(0, 0, inf, 100), ((1, 1),) * 5, 0.9),
        Detection(Box(50, 50, 50, 50), ((50, 50),) * 5, 0.9),
        Detection(Box(90, 0, 10, 100), ((50, 50),) * 5, 0.9),
        Detection(Box(0, 90, 100, 10), ((50, 50),) * 5, 0.9),
        Detection(Box(0, 0, 100, 100), ((nan, 1),) * 5, 0.9),
        Detection(Box(0, 0, 100, 100), ((1, 1),) * 5, nan),
    ],
)
def test_a_face_that_is_none_is_ignored_and_harms_nobody(door: Door, face: Detection) -> None:
    assert door.see(face) == [None]
    assert door.see(face, at(300)) == [1]
    assert not door.tracker.follow(face)
    assert door.see(at(300), face) == [1]
    assert door.numbers == [1]


def test_a_thousand_faces_in_a_frame_are_bounded_and_the_nearest_is_served(door: Door) -> None:
    crowd = [at(17.0 * n % 640, 13.0 * n % 480, width=20 + n % 30) for n in range(1000)]
    for _ in range(5):
        assert door.see(*crowd, at(320, width=150)) == [1]
    assert len(door.tracker.tracks) <= 16


def test_faces_that_come_and_go_with_every_frame_are_bounded(door: Door) -> None:
    for n in range(300):
        door.see(*(at(40 * k, 40 + 37 * n % 400, width=30) for k in range(16)))
    assert len(door.tracker.tracks) == 16
    assert len(door.tracker._missing) <= 32
    assert len(door.tracker._turn._settled) <= 1


@pytest.mark.parametrize("t_s", [nan, inf, -inf, -5.0, 0.0])
def test_a_time_that_jumps_or_is_none_moves_nobody(t_s: float) -> None:
    tracker = Tracker(72, count(1))
    for now_s in (10.0, t_s, 10.1, t_s, 10.2):
        tracker.tick(now_s)
        tracker.associate([at(300), at(500, width=90)])
        served = tracker.served(640, 480)
        assert served is not None
        assert served.number == 1


def test_a_frame_without_any_width_moves_nobody() -> None:
    tracker = Tracker(72, count(1))
    tracker.associate([at(0)])
    assert tracker.served(0, 0) is not None


faces = st.builds(
    at,
    st.floats(-100, 740),
    st.floats(-100, 580),
    st.one_of(st.floats(1, 400), st.just(nan), st.just(0.0)),
)


@given(st.lists(st.tuples(st.lists(faces, max_size=6), st.booleans(), st.booleans()), max_size=40))
def test_whatever_is_seen_one_face_in_view_is_served_or_nobody(frames) -> None:
    tracker = Tracker(72, count(1))
    for n, (found, done, follow) in enumerate(frames):
        tracker.tick(n / RATE_HZ)
        if not (follow and tracker.follow(found[0] if found else None)):
            tracker.associate(found)
        served = tracker.served(640, 480, done=done)
        numbers = [track.number for track in tracker.tracks]
        assert len(set(numbers)) == len(numbers)
        assert served is None or served in tracker.tracks
        if served is not None:
            tracker.company(served)
            if n % 7 == 6:
                tracker.part(served, served.face.box)
