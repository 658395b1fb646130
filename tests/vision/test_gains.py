"""What mending is promised to win, and that nothing is promised for nothing."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.testing.builders import face
from edged.types import Defect, Face, Measures, Pose
from edged.vision.gains import BEST, KEPT, gains

GOOD = Measures(150.0, 0.3, 0.05, 120.0, 120.0, 0.0, 0.4)

numbers = st.floats(allow_nan=True, allow_infinity=True)


def promised(
    *defects: Defect,
    quality: float | None = None,
    visible: float = 1.0,
    at: Face | None = None,
    **measured: float,
) -> dict[Defect, float]:
    found = gains(defects, at or face(), replace(GOOD, **measured), visible, quality)
    return dict(zip(defects, found, strict=True))


@pytest.mark.parametrize("name", KEPT)
def test_the_table_is_in_order_and_each_measure_only_worsens(name: str) -> None:
    places = [place for place, _ in KEPT[name]]
    kept = [share for _, share in KEPT[name]]
    assert places == sorted(set(places))
    assert kept in (sorted(kept), sorted(kept, reverse=True))
    assert all(0 < share <= 1 for share in kept)


def test_the_darker_the_more_light_wins() -> None:
    won = [promised(Defect.TOO_DARK, quality=0.1, level=level) for level in (40, 25, 15, 8, 4)]
    values = [one[Defect.TOO_DARK] for one in won]
    assert values == sorted(values)
    assert values[0] < 0.15 < 0.7 < values[-1]


@pytest.mark.parametrize(
    ("defect", "measured"),
    [
        (Defect.TOO_DARK, {"level": 40.0}),
        (Defect.BACKLIT, {"level": 43.0, "around": 130.0}),
        (Defect.OVEREXPOSED, {"burnt": 0.45}),
        (Defect.BLURRED, {"blur": 0.62}),
    ],
)
def test_a_slight_defect_of_a_good_view_is_worth_next_to_nothing(
    defect: Defect, measured: dict[str, float]
) -> None:
    assert promised(defect, quality=0.95, **measured)[defect] <= 0.02 + 1e-9


def test_what_no_defect_explains_none_is_promised_to_win_back() -> None:
    assert promised(Defect.TOO_DARK, quality=0.05, level=44.0)[Defect.TOO_DARK] < 0.1


def test_who_is_too_far_in_the_dark_comes_closer_first_and_the_dark_is_not_forgotten() -> None:
    won = promised(Defect.TOO_FAR, Defect.TOO_DARK, face_px=60.0, level=10.0)
    assert won[Defect.TOO_FAR] > won[Defect.TOO_DARK] > 0.05


def test_a_view_that_is_never_matched_has_everything_to_win() -> None:
    assert promised(Defect.TOO_FAR, face_px=70.0)[Defect.TOO_FAR] == pytest.approx(BEST)
    assert promised(Defect.CUT_OFF, visible=0.8)[Defect.CUT_OFF] > 0.9
    turned = replace(face(), pose=Pose(50.0, 0.0, 0.0))
    assert promised(Defect.TURNED, at=turned)[Defect.TURNED] > 0.9


def test_the_worse_of_two_defects_goes_first() -> None:
    dark = promised(Defect.TOO_DARK, Defect.BLURRED, quality=0.1, level=8.0, blur=0.62)
    soft = promised(Defect.TOO_DARK, Defect.BLURRED, quality=0.1, level=40.0, blur=0.8)
    assert dark[Defect.TOO_DARK] > dark[Defect.BLURRED]
    assert soft[Defect.BLURRED] > soft[Defect.TOO_DARK]


def test_against_the_light_a_soft_face_is_answered_by_the_light() -> None:
    won = promised(Defect.BACKLIT, Defect.BLURRED, quality=0.3, level=16.0, around=170.0, blur=0.68)
    assert won[Defect.BACKLIT] > won[Defect.BLURRED]


def test_a_second_face_counts_in_full_where_one_is_asked_for() -> None:
    assert promised(Defect.SEVERAL_FACES, quality=0.95)[Defect.SEVERAL_FACES] == 1.0


def test_no_defect_has_nothing_to_win() -> None:
    assert gains((), face(), GOOD, 1.0, 0.1) == ()


@given(
    st.lists(st.sampled_from([d for d in Defect if d is not Defect.NO_FACE]), unique=True),
    st.builds(Measures, *[numbers] * 6, st.none() | numbers),
    numbers,
    st.none() | numbers,
    st.builds(Pose, numbers, numbers, numbers),
)
def test_whatever_is_measured_every_gain_is_a_share_and_their_sum_is_what_was_lost(
    defects: list[Defect],
    measures: Measures,
    visible: float,
    quality: float | None,
    pose: Pose,
) -> None:
    found = gains(defects, replace(face(), pose=pose), measures, visible, quality)
    assert len(found) == len(defects)
    assert all(0 <= gain <= 1 for gain in found)
    mended = [g for g, d in zip(found, defects, strict=True) if d is not Defect.SEVERAL_FACES]
    lost = BEST - min(BEST, max(0.0, quality)) if quality is not None and quality == quality else 1
    assert sum(mended) <= lost + 1e-6


def test_a_measure_that_is_no_number_counts_as_the_worst() -> None:
    bad = promised(Defect.TOO_DARK, quality=0.0, level=nan)[Defect.TOO_DARK]
    assert bad == promised(Defect.TOO_DARK, quality=0.0, level=0.0)[Defect.TOO_DARK]
