"""Who was out of view for a moment is known again by the face, and nobody else is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.service.acquaintance import Acquaintance
from edged.testing.builders import observation

if TYPE_CHECKING:
    from edged.types import Floats, Observation


def unit(*values: float) -> Floats:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


ADA, BOB = unit(1, 0.1, 0), unit(0, 0.1, 1)


def view(track_id: int | None, face: Floats | None, quality: float | None = 0.9) -> Observation:
    return replace(observation(0.0, track_id=track_id, quality=quality), embedding=face)


@pytest.fixture
def known() -> Acquaintance:
    known = Acquaintance(0.5, 0.6)
    for _ in range(3):
        assert known.meet(view(1, ADA), 1).track_id == 1
    return known


def test_the_same_face_gets_its_number_back_and_keeps_it(known: Acquaintance) -> None:
    assert known.meet(view(7, ADA), 1).track_id == 1
    assert known.meet(view(7, None, None), 1).track_id == 1


def test_another_face_stays_another(known: Acquaintance) -> None:
    assert known.meet(view(7, BOB), 1).track_id == 7
    assert known.meet(view(None, None), 1).track_id is None


@pytest.mark.parametrize("quality", [0.5, None, float("nan")])
def test_a_view_that_cannot_tell_says_nothing(known: Acquaintance, quality: float | None) -> None:
    assert known.meet(view(7, ADA, quality), 1).track_id == 7


def test_a_face_that_is_no_number_is_nobody(known: Acquaintance) -> None:
    assert known.meet(view(7, np.full(3, np.nan, np.float32)), 1).track_id == 7


def test_nobody_is_known_before_they_were_seen() -> None:
    known = Acquaintance(0.5, 0.6)
    assert known.meet(view(7, ADA), None).track_id == 7
    assert known.meet(view(7, ADA), 1).track_id == 7
