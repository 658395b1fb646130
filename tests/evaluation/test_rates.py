"""Error rates, curves, discards, reliability and the search, on people whose truth is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.bundle.load import find_bundle, load_bundle
from edged.evaluation.comparisons import genuine_pairs, impostors, unit
from edged.evaluation.document import plain
from edged.evaluation.identify import identify
from edged.evaluation.people import labels
from edged.evaluation.rates import (
    Curve,
    Draws,
    impostors_of,
    independent,
    misses_of_pairs,
    supported,
)
from edged.evaluation.scores import SHARES, Measured, discards, passed_shares, reliability
from tests.evaluation.people import faces


@pytest.fixture(scope="module")
def manifest():
    return load_bundle(find_bundle("mobilefacenet-rts")).recogniser


def measured(people=40, photos=5, noise=0.6, quality=None):
    outputs, names = faces(people, photos, noise=noise)
    owner = np.unique(names, return_inverse=True)[1]
    badness = {"score": outputs.log_variance, "norm": -outputs.norm}
    if quality is None:
        quality = np.full(len(owner), 0.9, np.float32)
    return Measured(outputs.embeddings, badness, quality, owner)


def test_a_rate_without_trials_or_events_says_so():
    assert independent(0, 0).value is None
    assert independent(0, 0).bounds == "none"
    none = independent(0, 300)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(0.0122, abs=1e-4)


def test_bounds_by_people_are_wider_where_a_persons_comparisons_fail_together():
    draws = Draws(50, seed=1)
    owner = np.repeat(np.arange(50), 40)
    together = draws.share(owner < 5, owner)
    apart = independent(200, 2000)
    assert together.bounds == "people"
    assert together.value == apart.value == 0.1
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_bounds_by_people_agree_with_the_binomial_where_comparisons_are_independent():
    draws = Draws(400, seed=1, draws=2000)
    owner = np.repeat(np.arange(400), 5)
    events = np.random.default_rng(0).random(2000) < 0.1
    found, exact = draws.share(events, owner), independent(int(events.sum()), 2000)
    assert found.low == pytest.approx(exact.low, abs=0.004)
    assert found.high == pytest.approx(exact.high, abs=0.004)


def test_false_matches_are_counted_exactly_and_bounded_by_people():
    views = measured(noise=2.0)
    pairs = impostors(views.embeddings, labels(views), -1.0)
    vectors = unit(views.embeddings)
    every = vectors @ vectors.T
    other = np.triu(views.people[:, None] != views.people[None], 1)
    threshold = float(np.quantile(every[other], 0.99))
    rate = Draws(40, seed=1).false_matches(
        pairs, np.bincount(views.people), views.people, threshold
    )
    assert rate.events == int((every[other] >= threshold).sum())
    assert rate.trials == int(other.sum())
    assert rate.low < rate.value < rate.high


def look_alikes(seed=5):
    """Sixty people, every sixth of whom looks like their neighbour: they decide the threshold."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(60, 24))
    centres[1::6] = centres[0::6] + 0.6 * rng.normal(size=centres[0::6].shape)
    people = np.repeat(np.arange(60), 6)
    views = centres[people] + 0.9 * rng.normal(size=(360, 24))
    return views.astype(np.float32), people


def test_a_threshold_of_the_same_people_is_drawn_again_with_them():
    views, people = look_alikes()
    names = np.char.zfill(people.astype(str), 7)
    vectors, pairs = unit(views), genuine_pairs(names, 10)
    genuine, owner = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1), people[pairs[:, 0]]
    strangers = impostors(views, names, 0.2)
    threshold = strangers.similarity_at(1e-3)
    draws = Draws(60, seed=1)
    drawn = draws.thresholds(strangers, people, [1e-3])[:, 0]
    found = draws.misses(genuine, owner, threshold, drawn)
    fixed = draws.share(genuine < threshold, owner)
    assert (found.events, found.trials, found.bounds) == (fixed.events, fixed.trials, "people")
    assert found.low < found.value < found.high
    assert found.high - found.low > 2 * (fixed.high - fixed.low)
    still = draws.misses(genuine, owner, threshold, np.full(draws.weights.shape[0], threshold))
    assert (still.low, still.high) == pytest.approx((fixed.low, fixed.high))


def test_drawn_thresholds_are_those_of_comparing_the_drawn_people():
    views, people = look_alikes()
    strangers = impostors(views, np.char.zfill(people.astype(str), 7), 0.2)
    draws = Draws(60, seed=1, draws=3)
    vectors = unit(views)
    every, apart = vectors @ vectors.T, people[:, None] < people[None]
    for weight, drawn in zip(
        draws.weights.astype(int), draws.thresholds(strangers, people, [1e-2])[:, 0], strict=True
    ):
        times = (weight[people][:, None] * weight[people][None])[apart]
        share = (times * (every[apart] >= drawn)).sum() / times.sum()
        below = (times * (every[apart] >= drawn - 2e-4)).sum() / times.sum()
        assert share <= 1e-2 < below + 1e-9


def test_a_draw_of_one_person_alone_has_no_threshold():
    views = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    people = np.repeat([0, 1], 3)
    pairs = impostors(views, people.astype(str), -1.0)
    draws = Draws(2, seed=1)
    alone = (draws.weights == 2).any(1)
    assert alone.any()
    assert (np.isnan(draws.thresholds(pairs, people, [0.3])[:, 0]) == alone).all()


def test_bounds_of_a_similarity_cover_the_truth_and_follow_the_seed():
    truth_of = []
    for seed in range(8):
        outputs, names = faces(60, 4, seed, size=32)
        found = impostors(outputs.embeddings, names)
        owner = np.unique(names, return_inverse=True)[1]
        ends = [
            np.quantile(Draws(60, drawn).thresholds(found, owner, [1e-2]), [0.025, 0.975])
            for drawn in (1, 2)
        ]
        assert tuple(ends[0]) != tuple(ends[1])
        truth_of.append((found.similarity_at(1e-2), ends[0]))
    middle = float(np.mean([similarity for similarity, _ in truth_of]))
    assert sum(low <= middle <= high for _, (low, high) in truth_of) >= 6
    for similarity, (low, high) in truth_of:
        assert low <= similarity <= high
        independent = 2 * 1.96 * 0.1 / np.sqrt(1e-2 * 28_320) * 0.05
        assert high - low > independent


def test_listed_pairs_draw_their_threshold_again_too():
    rng = np.random.default_rng(2)
    genuine = rng.normal(0.35, 0.1, 1000).astype(np.float32)
    others = rng.normal(0.0, 0.1, 3000).astype(np.float32)
    found = misses_of_pairs(genuine, others, 1e-3, seed=1)
    threshold = impostors_of(others).similarity_at(1e-3)
    fixed = independent(int((genuine < threshold).sum()), 1000)
    assert (found.events, found.bounds) == (fixed.events, "independent")
    brute = []
    for _ in range(400):
        drawn = impostors_of(rng.choice(others, 3000)).similarity_at(1e-3)
        brute.append((rng.choice(genuine, 1000) < drawn).mean())
    low, high = np.quantile(brute, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    assert found.high > fixed.high


@given(st.integers(0, 1000))
def test_along_the_curve_one_error_falls_as_the_other_rises(seed):
    rng = np.random.default_rng(seed)
    genuine = np.clip(rng.normal(0.6, 0.2, 60), -1, 1).astype(np.float32)
    others = np.clip(rng.normal(0.1, 0.2, 200), -1, 1).astype(np.float32)
    pairs = impostors_of(others, np.zeros((200, 2), np.int32))
    curve = Curve(genuine, pairs)
    points = curve.points(200)
    assert all(a.fmr >= b.fmr and a.fnmr <= b.fnmr for a, b in pairwise(points))
    middle = curve.equal_error()
    assert abs(middle.fmr - middle.fnmr) <= 0.05
    at = points[len(points) // 2]
    assert at.fnmr == pytest.approx((genuine < at.similarity).mean(), abs=0.02)


def test_a_false_match_rate_needs_thirty_false_matches():
    pairs = impostors_of(np.zeros(30_000, np.float32), np.zeros((30_000, 2), np.int32))
    assert supported(pairs) == [1e-2, 1e-3]


def test_discarding_by_what_knows_lowers_the_error_and_by_chance_it_does_not():
    views = measured(noise=1.2)
    pairs = genuine_pairs(labels(views), 10)
    vectors = unit(views.embeddings)
    passed = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1) >= 0.4
    chance = np.random.default_rng(0).random(len(views)).astype(np.float32)
    curves = discards(passed, pairs, {"score": views.badness["score"], "chance": chance})
    start, end = curves["score"][0], curves["score"][SHARES.index(0.3)]
    assert start.trials == len(pairs)
    assert end.value < 0.6 * start.value
    assert curves["chance"][SHARES.index(0.3)].value > 0.8 * start.value


def test_equal_scores_are_discarded_in_the_same_number_as_others():
    views = measured()
    pairs = genuine_pairs(labels(views), 10)
    flat = np.zeros(len(views), np.float32)
    curve = discards(np.ones(len(pairs), bool), pairs, {"flat": flat})["flat"]
    assert curve[-1].trials <= 0.5 * curve[0].trials


def test_a_view_is_never_its_own_mate_and_a_lonely_one_has_none():
    views = measured(people=3, photos=2, noise=0.01)
    alone = Measured(
        np.concatenate([views.embeddings, views.embeddings[:1]]),
        views.badness,
        views.quality,
        np.append(views.people, 3),
    )
    shares = passed_shares(alone.embeddings, np.arange(7), alone, 0.9)
    np.testing.assert_array_equal(shares[:6], np.ones(6))
    assert np.isnan(shares[6])


def test_a_promise_that_is_kept_has_little_error_and_a_broken_one_much():
    rng = np.random.default_rng(0)
    quality = rng.random(4000).astype(np.float32)
    people = np.repeat(np.arange(200), 20)
    passed = (rng.random(4000) < quality).astype(float)
    draws = Draws(200, seed=1)
    kept = reliability(quality, passed, people, draws)
    broken = reliability(quality, 1 - passed, people, draws)
    assert kept.expected_error < 0.03 < 0.3 < broken.expected_error
    inside = [b.passed_low - 0.02 <= b.promised <= b.passed_high + 0.02 for b in kept.bands]
    assert sum(inside) >= len(inside) - 1


def test_a_band_in_which_everything_passed_still_has_a_lower_bound():
    draws = Draws(5, seed=1)
    found = reliability(np.full(10, 0.97, np.float32), np.ones(10), np.arange(10) // 2, draws)
    band = found.bands[-1]
    assert (band.passed, band.passed_high) == (1, 1)
    assert band.passed_low < 0.6


def test_the_search_finds_people_and_keeps_strangers_out(manifest):
    views = measured(people=60, photos=4, noise=0.2)
    several = np.zeros(len(views), bool)
    found = identify(views, several, manifest, 20, 1, Draws(60, seed=1), seed=1)
    assert (found.gallery, found.mates, found.strangers) == (20, 60, 160)
    assert found.rank_one.value == 1
    access = next(p for p in found.profiles if p.name == "access")
    assert (access.fpir.events, access.fnir.events, access.mistaken) == (0, 0, 0)
    assert access.threshold == pytest.approx(0.53, abs=0.05)


def test_views_below_the_minimum_are_retaken_and_not_searched(manifest):
    quality = np.tile([0.9, 0.9, 0.1], 30).astype(np.float32)
    views = measured(people=30, photos=3, noise=0.2, quality=quality)
    found = identify(views, np.zeros(90, bool), manifest, 10, 1, Draws(30, seed=1), seed=1)
    for profile in found.profiles:
        assert (profile.retaken_mates.events, profile.retaken_mates.trials) == (10, 20)
        assert profile.fnir.trials == 10


def test_who_has_no_photo_fit_for_enrolment_fails_to_enrol_and_is_counted(manifest):
    quality = np.repeat([0.9, 0.1], [60, 60]).astype(np.float32)
    views = measured(people=40, photos=3, noise=0.2, quality=quality)
    several = np.zeros(120, bool)
    found = identify(views, several, manifest, 18, 1, Draws(40, seed=1), seed=1)
    assert found.not_enrolled > 0
    assert identify(views, several, manifest, 21, 1, Draws(40, seed=1), seed=1) is None
    several[:60] = True
    assert identify(views, several, manifest, 1, 1, Draws(40, seed=1), seed=1) is None


def test_the_document_is_json_whatever_the_figures_are():
    told = plain({1: np.float32("nan"), "a": (np.int64(3), np.inf, independent(1, 3)), "b": 1 / 3})
    assert told["1"] is None
    assert told["a"][:2] == [3, None]
    assert told["b"] == 0.333333
