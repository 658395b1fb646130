"""The bench tells mates, impostors and label errors apart, and how sure a share is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.bench.fpir import Share, by_people, run
from edged.vision.embed import Embedded

if TYPE_CHECKING:
    from edged.decision.policy import Policy


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [(0, 100, 0, 0.036217), (1, 100, 0.000253, 0.054459), (12, 1000, 0.006216, 0.020868)],
)
def test_the_bounds_are_those_of_the_exact_binomial_interval(
    events: int, trials: int, low: float, high: float
) -> None:
    assert Share(events, trials).bounds == pytest.approx((low, high), abs=2e-6)


def test_nothing_seen_says_nothing() -> None:
    assert Share(0, 0).bounds == (0, 1)
    assert Share(5, 5).bounds[1] == 1


def test_mates_impostors_and_people_with_two_names_are_told_apart(
    policy: Policy,
) -> None:
    random = np.random.default_rng(0)
    centres = random.standard_normal((20, 192))
    centres[1] = centres[0]  # one person under two names
    people = {}
    for number, centre in enumerate(centres):
        views = centre + 0.2 * random.standard_normal((8, 192))
        views /= np.linalg.norm(views, axis=1, keepdims=True)
        people[f"{number}"] = [Embedded(view, -1.0, 0.9) for view in views.astype(np.float32)]
    strict, _ = run(people, policy, "model", enrolled=[3])
    assert (strict.people, strict.probe) == (20, 1)
    assert strict.label_errors == 16
    assert (strict.fpir.events, strict.fpir.trials) == (0, 18 * 8)
    assert strict.fnir.trials == 20 * 3
    assert strict.fnir.events <= 6  # of the two with one face


def test_bounds_by_people_are_wider_than_exact_ones_where_one_pair_makes_all_the_events() -> None:
    people = [str(n) for n in range(100)]
    searches: list[tuple[str, str | None]] = [(who, None) for who in people for _ in range(10)]
    searches[:10] = [("0", "1")] * 10
    low, high = by_people(searches, people)
    assert low == 0
    assert high > Share(10, 1000).bounds[1]
    nobody: list[tuple[str, str | None]] = [(who, None) for who in people]
    assert by_people(nobody, people) == Share(0, 100).bounds
