"""How much of a reader is believed."""

from __future__ import annotations

from edged.readers.throttle import PER_SECOND, Throttle


def test_ten_a_second_pass_and_the_rest_is_counted_and_told() -> None:
    throttle = Throttle()
    assert sum(throttle.take(n / 10_000) for n in range(10_000)) == PER_SECOND
    assert (throttle.passed, throttle.dropped) == (PER_SECOND, 10_000 - PER_SECOND)
    problem = throttle.problem(1.0)
    assert problem is not None
    assert "babbles" in problem
    assert throttle.problem(6.1) is None  # calm for five seconds
    assert throttle.take(6.1)


def test_who_shows_a_card_every_tenth_of_a_second_is_no_babble() -> None:
    throttle = Throttle()
    assert all(throttle.take(n * 0.11) for n in range(100))
    assert throttle.problem(11.0) is None


def test_garbage_is_told_when_it_is_more_than_a_slip() -> None:
    throttle = Throttle()
    for at_s in (0, 60, 120, 180, 240):
        throttle.garbage(1, at_s)
    assert throttle.problem(240) is None
    throttle.garbage(1000, 300)
    problem = throttle.problem(300)
    assert problem is not None
    assert "cannot be read" in problem
    throttle.garbage(0, 306)
    assert throttle.problem(306) is None
