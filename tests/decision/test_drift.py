"""What has been going wrong for days is told once, and once when it is over."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.decision.drift import DAYS, Bucket, Drift, review, trouble
from edged.types import Defect

DARK, BACKLIT, BLURRED, FAR = Defect.TOO_DARK, Defect.BACKLIT, Defect.BLURRED, Defect.TOO_FAR
EIGHT = 8 * 60
TODAY = 100


def at(
    day: int,
    minute: int,
    seen: int,
    *,
    dark: int = 0,
    kind: Defect = DARK,
    quality: float = 0.9,
    blurred: int = 0,
) -> list[Bucket]:
    """The presentations of ten minutes; the dark ones have no quality worth the name."""
    fine = seen - dark - blurred
    rows = [(None, fine, quality), (kind, dark, 0.3), (BLURRED, blurred, quality)]
    return [Bucket(day, minute, what, n, n, n * q) for what, n, q in rows if n]


def day_of(day: int, *, dark_at: int | None = None, quality: float = 0.9) -> list[Bucket]:
    """A day from 7 to 18 o'clock, eight presentations every ten minutes."""
    rows = []
    for minute in range(7 * 60, 18 * 60, 10):
        dark = 6 if dark_at is not None and dark_at <= minute < dark_at + 20 else 0
        rows += at(day, minute, 8, dark=dark, quality=quality)
    return rows


def told(review_drifts: tuple[Drift, ...]) -> list[tuple[str, str | None, int | None]]:
    return [(d.what, d.defect.value if d.defect else None, d.minute) for d in review_drifts]


# -- what dominated a presentation ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("defects", "frames", "what"),
    [
        ({}, 10, None),
        ({}, 0, None),
        ({DARK: 4}, 10, None),
        ({DARK: 5}, 10, DARK),
        ({DARK: 2, BACKLIT: 3}, 10, BACKLIT),
        ({BLURRED: 10, DARK: 5}, 10, DARK),
        ({BLURRED: 5, FAR: 6}, 10, FAR),
        ({Defect.NO_FACE: 10, Defect.OFF_CENTRE: 10}, 10, None),
    ],
)
def test_a_presentation_has_at_most_one_trouble_and_light_goes_first(
    defects: dict[Defect, int], frames: int, what: Defect | None
) -> None:
    assert trouble(defects, frames) is what


# -- light ----------------------------------------------------------------------------------------


def test_dark_every_morning_at_ten_past_eight_is_told_once_and_once_when_it_is_over() -> None:
    buckets: list[Bucket] = []
    active: tuple[Drift, ...] = ()
    news = []
    for day in range(1, 21):
        buckets += day_of(day, dark_at=EIGHT + 10 if 5 <= day < 12 else None)
        for _hour in range(3):
            found = review(buckets, active, day)
            active = found.active
            news += [(day, "began", d) for d in found.began] + [
                (day, "over", d) for d in found.over
            ]
    assert [(day, what) for day, what, _ in news] == [(7, "began"), (14, "over")]
    assert told((news[0][2],)) == [("light", "too_dark", EIGHT + 10)]
    began = news[0][2]
    assert (began.days, began.since) == (3, 5)
    assert 0.5 <= began.share <= 0.75
    assert began.presentations >= 15
    assert active == ()


def test_four_presentations_a_day_are_too_few_to_say_so() -> None:
    buckets = [row for day in range(96, 101) for row in at(day, EIGHT, 4, dark=4)]
    assert review(buckets, (), TODAY).began == ()


def test_two_dark_days_in_five_are_weather() -> None:
    buckets = [row for day in range(96, 101) for row in at(day, EIGHT, 9, dark=9 * (day > 98))]
    assert review(buckets, (), TODAY).began == ()


def test_a_weekend_does_not_count_as_days() -> None:
    buckets = [row for day in (94, 95, 100) for row in at(day, EIGHT, 9, dark=9)]
    assert told(review(buckets, (), TODAY).began) == [("light", "too_dark", EIGHT)]


def test_a_lamp_that_is_out_is_dark_all_day() -> None:
    buckets = [
        row
        for day in range(96, 101)
        for hour in range(7, 18)
        for row in at(day, hour * 60, 8, dark=5, kind=BACKLIT)
    ]
    began = review(buckets, (), TODAY).began
    assert told(began) == [("light", "backlit", None)]
    assert began[0].presentations == 5 * 11 * 8
    assert began[0].share == pytest.approx(5 / 8)


def test_a_door_that_is_used_in_the_morning_only_is_dark_in_the_morning() -> None:
    buckets = [row for day in range(96, 101) for row in at(day, EIGHT, 9, dark=9)]
    assert told(review(buckets, (), TODAY).began) == [("light", "too_dark", EIGHT)]


def test_morning_and_evening_are_two_things() -> None:
    buckets = [
        row
        for day in range(96, 101)
        for row in [
            *day_of(day),
            *at(day, 18 * 60, 9, dark=9),
            *at(day, 6 * 60, 9, dark=9, kind=BACKLIT),
        ]
    ]
    assert told(review(buckets, (), TODAY).began) == [
        ("light", "backlit", 6 * 60),
        ("light", "too_dark", 18 * 60),
    ]


def test_the_same_half_hour_a_little_later_is_no_news() -> None:
    known = Drift("light", DARK, EIGHT, 3, 0.6, 20, 90)
    buckets = [row for day in range(96, 101) for row in at(day, EIGHT + 40, 9, dark=9)]
    found = review(buckets, (known,), TODAY)
    assert found.began == ()
    assert found.active == (known,)


def test_what_is_dark_all_day_is_dark_in_the_morning_too() -> None:
    known = Drift("light", DARK, None, 3, 0.6, 20, 90)
    buckets = [row for day in range(96, 101) for row in at(day, EIGHT, 9, dark=9)]
    assert review(buckets, (known,), TODAY).began == ()


def test_two_good_days_do_not_end_it_and_days_without_anybody_then_do_not_count() -> None:
    known = Drift("light", DARK, EIGHT, 3, 0.6, 20, 90)
    good = [row for day in (95, 99) for row in at(day, EIGHT, 9)]
    elsewhen = [row for day in range(90, 101) for row in at(day, 15 * 60, 9)]
    assert review(good + elsewhen, (known,), TODAY).over == ()
    assert review([*good, *elsewhen, *at(100, EIGHT, 1)], (known,), TODAY).over == (known,)


def test_what_nobody_has_seen_for_four_weeks_is_over() -> None:
    known = Drift("light", DARK, EIGHT, 3, 0.6, 20, TODAY - DAYS)
    assert review([], (known,), TODAY).over == (known,)
    assert review([], (replace(known, since=TODAY - DAYS + 1),), TODAY).over == ()


# -- the lens -------------------------------------------------------------------------------------


def test_a_dirty_lens_is_told_once_and_once_when_it_was_wiped() -> None:
    buckets: list[Bucket] = []
    active: tuple[Drift, ...] = ()
    news = []
    noise = random.Random(7)
    for day in range(1, 50):
        dirty = 20 <= day < 40
        buckets += day_of(day, quality=(0.6 if dirty else 0.9) + noise.uniform(-0.02, 0.02))
        found = review(buckets, active, day)
        active = found.active
        news += [(day, "began", d) for d in found.began] + [(day, "over", d) for d in found.over]
    # a day is judged when it is over
    assert [(day, what) for day, what, _ in news] == [(23, "began"), (43, "over")]
    began = news[0][2]
    assert told((began,)) == [("lens", None, None)]
    assert (began.days, began.since) == (3, 20)
    assert began.share == pytest.approx(1 / 3, abs=0.03)


def test_where_blur_became_the_trouble_it_is_named() -> None:
    buckets = [row for day in range(80, 97) for row in at(day, EIGHT, 20)]
    buckets += [
        row for day in range(97, 100) for row in at(day, EIGHT, 20, blurred=12, quality=0.5)
    ]
    assert told(review(buckets, (), TODAY).began) == [("lens", "blurred", None)]


def test_a_loss_at_one_time_of_the_day_is_not_the_lens() -> None:
    buckets = [row for day in range(80, 97) for row in at(day, EIGHT, 20) + at(day, 15 * 60, 20)]
    buckets += [
        row
        for day in range(97, 100)
        for row in at(day, EIGHT, 20, quality=0.4) + at(day, 15 * 60, 20)
    ]
    assert review(buckets, (), TODAY).began == ()


def test_a_loss_that_light_explains_is_not_the_lens() -> None:
    buckets = [row for day in range(80, 97) for row in at(day, EIGHT, 20)]
    buckets += [row for day in range(97, 100) for row in at(day, EIGHT, 20, dark=14)]
    assert [d.what for d in review(buckets, (), TODAY).began] == ["light"]


def test_a_dirty_lens_and_a_dark_morning_are_two_things() -> None:
    known = Drift("light", DARK, EIGHT, 3, 0.6, 20, 90)
    buckets = [row for day in range(80, 97) for row in day_of(day, dark_at=EIGHT)]
    buckets += [row for d in range(97, 101) for row in day_of(d, dark_at=EIGHT, quality=0.5)]
    found = review(buckets, (known,), TODAY)
    assert [d.what for d in found.began] == ["lens"]
    assert [d.what for d in found.active] == ["light", "lens"]
    assert review(buckets, found.active, TODAY).began == ()


def test_without_a_week_to_compare_with_nothing_is_said_of_the_lens() -> None:
    buckets = [row for day in range(93, 97) for row in at(day, EIGHT, 20)]
    buckets += [row for day in range(97, 100) for row in at(day, EIGHT, 20, quality=0.2)]
    assert review(buckets, (), TODAY).began == ()


def test_views_without_a_quality_say_nothing_of_the_lens() -> None:
    buckets = [Bucket(day, EIGHT, None, 20, 0, 0.0) for day in range(80, 100)]
    assert review(buckets, (), TODAY).began == ()


# -- anything -------------------------------------------------------------------------------------

BUCKETS = st.lists(
    st.builds(
        lambda day, bin_, what, n, measured, quality: Bucket(
            day, bin_ * 10, what, n, min(n, measured), min(n, measured) * quality
        ),
        st.integers(60, 110),
        st.integers(46, 52) | st.integers(0, 143),
        st.none() | st.sampled_from([DARK, BACKLIT, BLURRED, FAR]),
        st.integers(0, 30),
        st.integers(0, 30),
        st.floats(0, 1),
    ),
    max_size=120,
)


@settings(deadline=None, max_examples=50)
@given(BUCKETS)
def test_what_was_just_told_is_not_told_again(buckets: list[Bucket]) -> None:
    first = review(buckets, (), TODAY)
    again = review(buckets, first.active, TODAY)
    assert (again.began, again.over) == ((), ())
    assert all(0 < d.share <= 1 and 3 <= d.days <= 5 for d in first.began if d.what == "light")


@settings(deadline=None, max_examples=50)
@given(BUCKETS, st.integers(TODAY, TODAY + 40))
def test_what_is_over_does_not_begin_again_with_the_same_history(
    buckets: list[Bucket], today: int
) -> None:
    active = review(buckets, (), TODAY).active
    later = review(buckets, active, today)
    last = review(buckets, later.active, today)
    assert (last.began, last.over) == ((), ())


@settings(deadline=None, max_examples=50)
@given(BUCKETS, st.randoms())
def test_the_order_of_the_buckets_does_not_matter(
    buckets: list[Bucket], order: random.Random
) -> None:
    shuffled = list(buckets)
    order.shuffle(shuffled)
    one, other = review(buckets, (), TODAY), review(shuffled, (), TODAY)
    assert told(one.active) == told(other.active)


def test_days_after_today_do_not_count() -> None:
    buckets = [row for day in range(101, 106) for row in at(day, EIGHT, 9, dark=9)]
    assert review(buckets, (), TODAY).began == ()
