"""The advice: one table, one row a situation."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import Vision
from edged.web.installer.advice import Hint, Light, Pace, Scene, View, Weight, advise, middle

LIMITS = Vision()
FLOOR = 0.6
GOOD = View(
    x=0.5, y=0.48, width_px=140, share=0.35, yaw_deg=2, pitch_deg=-3, roll_deg=1,
    level=120, around=110, burnt=0.01, blur=0.3, quality=0.9,
)  # fmt: skip
PACE = Pace(15.0, 15.0, 15.0)
LIT = Light(110, 0.02, 0.05)


def scene(view: View = GOOD, visitors: int = 10, **changes: object) -> Scene:
    made = Scene((view,) * 20, (view,) * visitors, LIT, PACE)
    return replace(made, **changes)  # type: ignore[arg-type]


def codes(hints: tuple[Hint, ...]) -> list[str]:
    return [hint.code for hint in hints]


def test_a_good_place_needs_nothing() -> None:
    assert advise(scene(), LIMITS, FLOOR) == ()


def test_before_anybody_came_there_is_nothing_to_say() -> None:
    assert advise(Scene(), LIMITS, FLOOR) == ()


VIEWS = [
    ({"level": 30, "around": 140}, "backlit", "turn the camera away from the window"),
    ({"level": 70, "around": 200}, "backlit", "raise the exposure"),
    ({"level": 0, "around": 90}, "backlit", "add light in front"),
    ({"level": 30, "around": 40}, "dark", "add light in front"),
    ({"level": 30, "around": None}, "dark", "raise the exposure or the gain"),
    ({"level": 235}, "burnt", "lower the exposure"),
    ({"level": 180, "burnt": 0.4}, "burnt", "40 % white"),
    ({"width_px": 58}, "small", "58 px wide and need 72"),
    ({"width_px": 80}, "small", "mount the camera nearer"),
    ({"share": 0.79}, "large", "further away"),
    ({"y": 0.2}, "high", "upper third of the picture: tilt the camera up"),
    ({"y": 0.8}, "low", "lower third of the picture: tilt it down"),
    ({"x": 0.2}, "left", "left third of the picture: turn the camera to its left"),
    ({"x": 0.8}, "right", "right third of the picture: turn the camera to its right"),
    ({"pitch_deg": -25}, "above", "from above by 25°: mount the camera lower"),
    ({"pitch_deg": 25}, "below", "from below by 25°: mount the camera higher"),
    ({"yaw_deg": 25}, "past_right", "towards the right of the picture"),
    ({"yaw_deg": -25}, "past_left", "towards the left of the picture"),
    ({"roll_deg": 12}, "leans", "turn the camera clockwise"),
    ({"roll_deg": -12}, "leans", "turn the camera anticlockwise"),
    ({"quality": 0.3, "blur": 0.8}, "blurred", "focus the lens"),
    ({"quality": 0.3}, "doubtful", "clean the lens"),
]


@pytest.mark.parametrize(("changes", "code", "words"), VIEWS)
def test_what_is_wrong_with_the_faces_is_told_with_its_remedy(
    changes: dict[str, float], code: str, words: str
) -> None:
    hints = advise(scene(replace(GOOD, **changes)), LIMITS, FLOOR)
    assert codes(hints) == [code]
    assert words in hints[0].text
    assert hints[0].weight is Weight.MEND


PACES = [
    (Pace(15, 15, 15, silent_s=7), "no_picture", Weight.FAULT),
    (Pace(None, None, 15, silent_s=7), "no_picture", Weight.FAULT),
    (Pace(15, 15, 15, clock_still_s=4), "clock_still", Weight.FAULT),
    (Pace(15, 15, 15, same_s=4), "frozen", Weight.FAULT),
    (Pace(8, 8, 15), "slow_camera", Weight.MEND),
    (Pace(15, 9, 15), "slow_terminal", Weight.MEND),
]


@pytest.mark.parametrize(("pace", "code", "weight"), PACES)
def test_how_the_pictures_come_is_told(pace: Pace, code: str, weight: Weight) -> None:
    hints = advise(scene(pace=pace), LIMITS, FLOOR)
    assert [(hint.code, hint.weight) for hint in hints] == [(code, weight)]


@pytest.mark.parametrize(
    "pace", [Pace(13, 13, 15), Pace(9, 9, None), Pace(None, None, 15), Pace(16, 14, 15)]
)
def test_nearly_the_configured_rate_is_enough(pace: Pace) -> None:
    assert advise(scene(pace=pace), LIMITS, FLOOR) == ()


@pytest.mark.parametrize(
    ("light", "code"),
    [
        (Light(10, 0, 0.3), "black_picture"),
        (Light(60, 0, 0.8), "black_picture"),
        (Light(200, 0.5, 0), "white_picture"),
    ],
)
def test_without_a_face_the_whole_picture_is_judged(light: Light, code: str) -> None:
    assert codes(advise(scene(recent=(), light=light), LIMITS, FLOOR)) == [code]
    assert advise(scene(light=light), LIMITS, FLOOR) == ()


def test_light_is_judged_on_now_and_aim_on_everybody() -> None:
    dark, high = replace(GOOD, level=20, around=20), replace(GOOD, y=0.1)
    assert codes(advise(scene(recent=(dark,)), LIMITS, FLOOR)) == ["dark"]
    assert advise(scene(visitors=10, recent=(high,)), LIMITS, FLOOR) == ()
    assert codes(advise(scene(visitors=0, recent=(high,)), LIMITS, FLOOR)) == []


def test_one_tall_visitor_moves_no_camera() -> None:
    tall = replace(GOOD, y=0.1, pitch_deg=-40)
    assert advise(scene(visitors=0), LIMITS, FLOOR) == ()
    assert advise(replace(scene(), visitors=(tall, GOOD, GOOD)), LIMITS, FLOOR) == ()


def test_advice_on_few_people_says_so() -> None:
    high = replace(GOOD, y=0.2)
    assert "(so far)" in advise(scene(high, visitors=2), LIMITS, FLOOR)[0].text
    assert "(so far)" not in advise(scene(high, visitors=3), LIMITS, FLOOR)[0].text


def test_faults_come_first() -> None:
    worst = replace(GOOD, y=0.1, width_px=40, level=10, around=10)
    hints = advise(scene(worst, pace=Pace(15, 15, 15, same_s=9)), LIMITS, FLOOR)
    assert codes(hints) == ["frozen", "dark", "small", "high"]


def test_what_explains_a_poor_view_is_told_rather_than_that_it_is_poor() -> None:
    assert codes(advise(scene(replace(GOOD, quality=0.2, level=20, around=20)), LIMITS, FLOOR)) == [
        "dark"
    ]


def test_the_typical_view_is_each_measure_s_median_where_it_was_measured() -> None:
    views = tuple(View(x=x, level=level) for x, level in ((1, None), (2, 9.0), (9, nan)))
    assert middle(views) == View(x=2, level=9.0)


NUMBER = st.one_of(st.none(), st.floats(), st.sampled_from([nan, inf, -inf, 0.0, -1.0]))
VIEW = st.builds(View, **{field.name: NUMBER for field in fields(View)})
FLOAT = st.floats(allow_nan=True)


@given(
    recent=st.lists(VIEW, max_size=4),
    visitors=st.lists(VIEW, max_size=4),
    light=st.one_of(st.none(), st.builds(Light, FLOAT, FLOAT, FLOAT)),
    pace=st.builds(Pace, NUMBER, NUMBER, NUMBER, FLOAT, FLOAT, FLOAT),
)
def test_whatever_was_measured_the_advice_is_readable_and_says_nothing_twice(
    recent: list[View], visitors: list[View], light: Light | None, pace: Pace
) -> None:
    hints = advise(Scene(tuple(recent), tuple(visitors), light, pace), LIMITS, FLOOR)
    assert len({hint.code for hint in hints}) == len(hints) <= 10
    for hint in hints:
        assert hint.text.endswith(".")
        assert "None" not in hint.text
        assert "{" not in hint.text
