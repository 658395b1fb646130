"""The curve is chosen on people it never saw, and every failure counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from edged.bundle.manifest import ReliabilityBand
from edged.errors import EvaluationError
from edged.evaluation.intervals import bucket, clopper_pearson
from edged.evaluation.outcomes import Outcomes, all_outcomes, discard_curve, view_outcomes
from edged.evaluation.outputs import Outputs, agreement
from edged.evaluation.quality import choose, folds, reliability
from tests.evaluation.people import faces


def outcomes(step: bool, people: int = 200, views: int = 20) -> Outcomes:
    """Views whose chance to pass is known: a logistic of the score, or a step."""
    random = np.random.default_rng(0)
    score = random.uniform(-2, 2, people * views).astype(np.float32)
    chance = np.where(score < 0, 0.9, 0.2) if step else special.expit(-2 * score)
    return Outcomes(
        (random.random(len(score)) < chance).astype(float),
        Outputs(np.ones((len(score), 8), np.float32), score),
        np.repeat([f"{n:04d}" for n in range(people)], views),
        np.zeros(len(score), bool),
    )


def test_the_simpler_curve_is_kept_where_it_is_the_truth() -> None:
    chosen = choose(outcomes(step=False))
    assert chosen.method == "logistic"
    assert chosen.error < 0.02
    assert chosen.worst_band < 0.06


def test_the_isotonic_curve_is_taken_where_the_logistic_is_wrong() -> None:
    chosen = choose(outcomes(step=True))
    assert chosen.method == "isotonic"
    assert chosen.error < 0.03 < chosen.errors["logistic"]
    assert chosen.as_manifest()["method"] == "isotonic"


def test_most_bands_of_a_true_curve_hold_what_was_promised() -> None:
    chosen = choose(outcomes(step=False))
    inside = [b.interval[0] <= b.promised <= b.interval[1] for b in chosen.reliability]
    assert sum(inside) >= 8
    for band in chosen.as_manifest()["reliability"]:
        assert ReliabilityBand.model_validate(band).views == 400


def test_bounds_know_that_a_persons_views_hang_together() -> None:
    people = np.repeat([f"{n:03d}" for n in range(50)], 40)
    quality = np.tile(np.linspace(0.4, 0.6, 40), 50).astype(np.float32)
    together = np.repeat(np.arange(50) % 2, 40).astype(float)
    alone = np.tile([0.0, 1.0], 1000)
    wide, narrow = (reliability(quality, passed, people)[0] for passed in (together, alone))
    assert wide.interval[1] - wide.interval[0] > 2 * (narrow.interval[1] - narrow.interval[0])


def test_folds_never_part_a_person_and_are_even() -> None:
    people = np.repeat([f"{n}" for n in range(23)], 4)
    found = folds(people)
    assert all(len(np.unique(found[people == who])) == 1 for who in people)
    assert set(np.bincount(found)) == {16, 20}
    assert (folds(people[::-1])[::-1] == found).all()
    with pytest.raises(EvaluationError, match="3 people"):
        folds(np.array(["a", "b", "c"]))


def test_a_bucket_is_that_of_every_other_build() -> None:
    assert bucket("George_W_Bush") == 1749922060


def test_a_view_that_is_not_finite_fails_and_is_counted() -> None:
    clean, people = faces(40, 4, noise=1.0)
    embeddings, score = clean.embeddings.copy(), clean.log_variance.copy()
    embeddings[0], score[0] = np.nan, np.nan
    broken = Outputs(embeddings, score)
    found = all_outcomes(clean, broken, people, 0.3)
    assert found.passed[~found.degraded][0] > 0
    assert found.passed[found.degraded][0] == 0
    assert np.isfinite(found.passed).all()
    chosen = choose(found)
    assert chosen.broken == 1
    assert chosen.curve.quality(score[:1]).tolist() == [0]


def test_a_view_matches_the_others_of_its_person_but_never_itself() -> None:
    people = np.array(["a", "a", "b", "b", "c"])
    same = np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 3]]
    faces_ = Outputs(same, np.zeros(5, np.float32))
    share, seen = view_outcomes(faces_, faces_, people, 0.5)
    assert share.tolist() == [1, 1, 0, 0, 0]
    assert seen.tolist() == [True, True, True, True, False]


def test_discarding_by_a_good_score_leaves_fewer_misses() -> None:
    outputs, people = faces(100, 4, noise=1.0)
    curve = discard_curve(outputs, people, 0.35, outputs.log_variance)
    shares = [failed / tried for failed, tried in curve.values()]
    assert shares[0] > shares[1] > shares[2]


def test_a_view_that_is_not_finite_is_a_miss_and_the_first_to_be_discarded() -> None:
    outputs, people = faces(20, 5, noise=0.2)
    embeddings, score = outputs.embeddings.copy(), outputs.log_variance.copy()
    embeddings[:10], score[:10] = np.nan, np.nan
    curve = discard_curve(Outputs(embeddings, score), people, 0.2, score)
    assert curve[0.0] == (20, 200)
    assert curve[0.1][0] == 0


def test_nobody_with_two_photos_is_refused() -> None:
    outputs, people = faces(5, 1)
    with pytest.raises(EvaluationError, match="nobody with two"):
        discard_curve(outputs, people, 0.3, outputs.log_variance)
    with pytest.raises(EvaluationError, match="nobody with two"):
        all_outcomes(outputs, outputs, people, 0.3)


def test_a_network_agrees_with_itself() -> None:
    outputs, _ = faces(10, 3)
    found = agreement(outputs, outputs)
    assert (found.images, found.rank_correlation) == (30, pytest.approx(1))
    assert found.worst_cosine == pytest.approx(1)


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [(0, 100, 0, 0.036217), (1, 100, 0.000253, 0.054459), (12, 1000, 0.006216, 0.020868)],
)
def test_exact_intervals_are_those_of_the_tables(
    events: int, trials: int, low: float, high: float
) -> None:
    assert clopper_pearson(events, trials) == pytest.approx((low, high), abs=2e-6)
