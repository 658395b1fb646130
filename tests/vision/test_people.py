"""Several people before one camera, on the shipped networks and drawn frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.bench.crowd import AT_THE_DOOR, BYSTANDERS, RATE_HZ, Gathering, sway
from edged.types import Defect, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.bench.crowd import Place
    from edged.service.engine import Engine
    from edged.types import Observation
    from edged.vision.pipeline import Vision

EVERY = 5  # frames from one detection to the next


class Lobby:
    """A pipeline before which people stand, at 15 frames a second."""

    def __init__(self, engine: Engine) -> None:
        self.vision: Vision = engine.vision()
        self._people = Gathering()
        self._frame = 0

    def see(
        self, *places: Place, frames: int = 1, done: bool = False, embed: bool = False
    ) -> list[Observation]:
        return [self._look(places, done, embed) for _ in range(frames)]

    def _look(self, places: Sequence[Place], done: bool, embed: bool) -> Observation:
        self._frame += 1
        t_s = self._frame / RATE_HZ
        image = self._people.draw([sway(place, t_s) for place in places])
        return self.vision.observe(Frame(image, t_s, self._frame), embed=embed, done=done)


@pytest.fixture
def lobby(engine: Engine) -> Lobby:
    return Lobby(engine)


def numbers(seen: Sequence[Observation]) -> set[int | None]:
    return {one.track_id for one in seen}


def several(seen: Sequence[Observation]) -> list[bool]:
    return [Defect.SEVERAL_FACES in one.defects for one in seen]


def test_bystanders_change_nothing_for_whoever_is_served(lobby: Lobby) -> None:
    alone = lobby.see(AT_THE_DOOR, frames=2, embed=True)
    crowded = lobby.see(*BYSTANDERS, AT_THE_DOOR, frames=15, embed=True)
    assert numbers(crowded) == numbers(alone)
    assert crowded[-1].faces == 5
    assert not any(several(crowded))
    assert all(one.quality is not None and one.quality > 0.8 for one in crowded)


def test_bystanders_who_walk_about_do_not_reset_a_presentation(lobby: Lobby) -> None:
    served = numbers(lobby.see(AT_THE_DOOR))
    for n in range(40):
        walker = (600.0 - 15 * n, 110.0, 66.0)
        other = (20.0 + 15 * n, 90.0, 56.0)
        assert numbers(lobby.see(walker, other, AT_THE_DOOR)) == served


def test_nobody_is_served_in_the_moment_in_which_a_face_is_hidden(lobby: Lobby) -> None:
    served = numbers(lobby.see(*BYSTANDERS, AT_THE_DOOR, frames=3))
    assert numbers(lobby.see(*BYSTANDERS, frames=5)) == {None}
    assert numbers(lobby.see(*BYSTANDERS, AT_THE_DOOR, frames=3)) == served


def test_a_second_person_is_seen_by_the_next_detection_and_steadily(lobby: Lobby) -> None:
    first, second = (220.0, 230.0, 140.0), (450.0, 230.0, 125.0)
    for alone in (1, 3):
        told = several(lobby.see(first, frames=EVERY + alone))
        assert not any(told)
        told = several(lobby.see(first, second, frames=3 * EVERY))
        assert told.index(True) < EVERY
        assert all(told[told.index(True) :])
        told = several(lobby.see(first, frames=3 * EVERY))
        assert told == sorted(told, reverse=True)
        assert not told[-1]


def test_the_next_is_served_though_the_first_still_stands_aside(lobby: Lobby) -> None:
    first, second = (180.0, 230.0, 130.0), (440.0, 230.0, 120.0)
    (before,) = numbers(lobby.see(first))
    assert numbers(lobby.see(first, second, frames=6)) == {before}
    (after,) = numbers(lobby.see(first, second, frames=10, done=True))
    assert after not in (None, before)
    assert numbers(lobby.see(first, second, frames=20)) == {after}


def test_somebody_who_steps_before_the_other_takes_over_in_half_a_second(lobby: Lobby) -> None:
    behind, before = (170.0, 200.0, 84.0), (420.0, 240.0, 170.0)
    (first,) = numbers(lobby.see(behind, frames=3))
    seen = [one.track_id for one in lobby.see(behind, before, frames=20)]
    assert seen[:7] == [first] * 7
    assert seen[-1] not in (None, first)
    assert len(set(seen)) == 2


def test_a_detector_that_finds_a_thousand_faces_is_bounded(engine: Engine) -> None:
    class Many:
        def __init__(self) -> None:
            self._inner = engine.detector()
            self.followed = 0

        def detect(self, image):
            return self._inner.detect(image) * 1000

        def follow(self, image, boxes):
            self.followed = max(self.followed, len(boxes))
            return self._inner.follow(image, boxes)

    lobby = Lobby(engine)
    many = Many()
    lobby.vision._detector = many
    seen = lobby.see(AT_THE_DOOR, frames=8)
    assert max(one.faces for one in seen) <= 16
    assert many.followed == 1
