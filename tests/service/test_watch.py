from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.service.watch import Watch


def test_a_camera_that_delivers_does_not_stand_in_for_networks_that_hang() -> None:
    watch = Watch(0)
    assert watch.look(1, 5, 5)
    assert not any(watch.look(1 + n, 5 + n, 5) for n in range(1, 100))
    assert watch.moved_s == 1
    assert watch.look(200, 105, 6)
    assert watch.moved_s == 200


def test_beats_need_not_come_at_the_same_moment() -> None:
    watch = Watch(0)
    watch.look(1, 5, 5)
    assert not watch.look(2, 6, 5)
    assert watch.look(3, 6, 6)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=100))
def test_it_never_says_so_more_often_than_the_slowest_beat(moves: list[tuple[bool, bool]]) -> None:
    watch, first, second, moved = Watch(0), 0, 0, 0
    watch.look(0, first, second)
    for now, (one, two) in enumerate(moves, 1):
        first, second = first + one, second + two
        moved += watch.look(now, first, second)
    assert moved <= min(first, second)
