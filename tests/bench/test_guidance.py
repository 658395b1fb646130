"""The right thing is said in time, and following it opens the door; on real faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.bench import variants
from edged.bench.guidance import RIGHT, STRENGTHS, Tally, run, wilson
from edged.demo import scenes
from edged.types import Box

if TYPE_CHECKING:
    from pathlib import Path

    from edged.decision.policy import Policy
    from edged.gallery.people import Enrolment
    from edged.service.engine import Engine

BOX = Box(260, 150, 380, 300)


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [(0, 0, 0, 1), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (95, 100, 0.8882, 0.9785)],
)
def test_the_bounds_are_wilsons(events: int, trials: int, low: float, high: float) -> None:
    assert wilson(events, trials) == pytest.approx((low, high), abs=1e-4)


def test_tallies_add_up() -> None:
    one = Tally(shown=3, decided_anyway=1, right=2, frames_to_grant=[3], said={"hold_still": 2})
    both = one + Tally(shown=1, nothing=1, frames_to_grant=[5], said={"more_light": 1})
    assert (both.shown, both.asked, both.right, both.nothing) == (4, 3, 2, 1)
    assert both.frames_to_grant == [3, 5]
    assert both.said == {"hold_still": 2, "more_light": 1}


@pytest.mark.parametrize("kind", STRENGTHS)
def test_a_variant_is_a_frame_of_the_same_size_and_is_the_same_each_time(kind: str) -> None:
    frame = scenes.Lobby().draw(scenes.NEAR, 0.0)
    make = getattr(variants, kind)
    for strength in STRENGTHS[kind]:
        spoilt = make(frame, BOX, strength)
        assert (spoilt.shape, spoilt.dtype) == (frame.shape, np.uint8)
        assert not np.array_equal(spoilt, frame)
        assert np.array_equal(spoilt, make(frame, BOX, strength))
    assert RIGHT[kind]


@pytest.mark.data
@pytest.mark.slow
def test_who_is_far_or_in_the_dark_is_told_so_within_half_a_second_and_then_granted(
    engine: Engine, policy: Policy, data_dir: Path, distractors: list[Enrolment]
) -> None:
    told = run(engine, policy, data_dir, distractors, kinds=("dark", "far"), every=40)
    for (kind, name, _), tally in told.items():
        assert tally.shown >= 4, (kind, name)
        assert tally.granted == tally.enrolled, (kind, name)
        assert tally.wrongly_granted == 0, (kind, name)
        if kind == "none":
            assert not tally.said
        else:
            assert tally.right >= tally.asked - 1, (kind, name, tally)  # one may be borderline
