"""Faces keep their number, and one of them is served."""

from itertools import count

from edged.types import Box
from edged.vision.mtcnn import Detection
from edged.vision.track import Tracker


def at(x: float, y: float = 240, width: float = 100) -> Detection:
    box = Box(x - width / 2, y - width / 2, x + width / 2, y + width / 2)
    return Detection(box, ((x, y),) * 5, 0.99)


def numbers(tracker: Tracker) -> list[int]:
    return [track.number for track in tracker.tracks]


def test_a_face_that_moves_keeps_its_number() -> None:
    tracker = Tracker(count(1))
    for x in range(100, 500, 20):
        tracker.associate([at(x)])
    assert numbers(tracker) == [1]


def test_two_faces_are_never_mixed_up_by_their_order() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(150), at(450)])
    tracker.associate([at(455), at(155)])
    assert numbers(tracker) == [2, 1]


def test_a_face_lost_for_a_moment_comes_back_as_itself_and_later_as_another() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(300)])
    for _ in range(5):
        tracker.associate([])
    tracker.associate([at(310)])
    assert numbers(tracker) == [1]
    for _ in range(20):
        tracker.associate([])
    tracker.associate([at(310)])
    assert numbers(tracker) == [2]


def test_following_says_when_a_face_is_lost() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(150), at(450)])
    assert tracker.follow([at(152), at(452)])
    assert not tracker.follow([at(154), None])
    assert numbers(tracker) == [1]
    tracker.associate([at(156), at(450)])
    assert numbers(tracker) == [1, 2]


def test_two_tracks_that_run_into_one_face_become_one() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(280), at(420)])
    assert not tracker.follow([at(300), at(302)])
    assert len(tracker.tracks) == 1


def test_the_nearest_and_most_central_face_is_served() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(60, width=100), at(320, width=110), at(600, width=60)])
    served = tracker.served(640, 480)
    assert served is not None
    assert served.number == 2


def test_a_bystander_does_not_steal_the_service() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(250, width=100)])
    assert tracker.served(640, 480) is not None
    tracker.associate([at(250, width=100), at(400, width=120)])
    served = tracker.served(640, 480)
    assert served is not None
    assert served.number == 1


def test_somebody_much_nearer_takes_over() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(150, width=60)])
    tracker.served(640, 480)
    tracker.associate([at(150, width=60), at(350, width=160)])
    served = tracker.served(640, 480)
    assert served is not None
    assert served.number == 2


def test_nobody_is_served_in_an_empty_frame() -> None:
    tracker = Tracker(count(1))
    tracker.associate([])
    assert tracker.served(640, 480) is None


def test_numbers_are_never_used_twice_even_by_another_tracker() -> None:
    first, second = Tracker(), Tracker()
    first.associate([at(100)])
    second.associate([at(100)])
    assert numbers(first) != numbers(second)


def test_another_person_in_the_same_place_is_served_under_another_number() -> None:
    tracker = Tracker(count(1))
    tracker.associate([at(320)])
    served = tracker.served(640, 480)
    assert served is not None
    other = tracker.renumber(served)
    assert (other.number, other.face) == (2, served.face)
    assert tracker.served(640, 480) == other
    tracker.associate([at(322)])
    assert numbers(tracker) == [2]
