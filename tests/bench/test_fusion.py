"""The bench of fusing weighs, searches and counts as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.bench.bursts import LEVELS, burst, frame
from edged.bench.fusion import (
    FUSED,
    RULES,
    SINGLE,
    Bursts,
    Crowd,
    compare,
    drawn,
    fuse,
    fused_variance,
    looks,
    margins,
    reliability,
    threshold_at,
    unit,
)
from edged.camera.images import read_image
from edged.vision.evidence import CORRELATION, Evidence

if TYPE_CHECKING:
    from pathlib import Path

    from edged.decision.policy import Policy
    from edged.gallery.people import Enrolment
    from edged.service.engine import Engine

SIZE = 64


def bursts_of(vectors: np.ndarray, log_variance: np.ndarray) -> Bursts:
    """Views with a quality that falls from 1 to 0 between log variances -2 and 2."""
    doubt = log_variance.astype(np.float32)
    return Bursts(unit(vectors), doubt, np.clip((2 - doubt) / 4, 0, 1))


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """Sixty people, two photos each, that resemble their person a little."""
    random = np.random.default_rng(1)
    faces = unit(random.standard_normal((60, SIZE)))
    photos = np.repeat(faces, 2, axis=0) + 0.05 * random.standard_normal((120, SIZE))
    return Crowd(np.repeat(np.arange(60), 2), np.tile([0, 1], 60), unit(photos))


@pytest.fixture(scope="module")
def bursts(crowd: Crowd) -> Bursts:
    """Five noisy views of each photo, whose score knows how noisy."""
    random = np.random.default_rng(2)
    doubt = random.uniform(-1.5, 1.5, (len(crowd.clean), 5))
    noise = random.standard_normal((*doubt.shape, SIZE)) / np.sqrt(SIZE)
    return bursts_of(crowd.clean[:, None] + noise * np.exp(doubt / 2)[..., None], doubt)


def test_a_burst_differs_from_frame_to_frame_and_more_with_the_level() -> None:
    chip = np.random.default_rng(0).integers(60, 200, (8, 8, 3)).astype(np.uint8)
    chip = np.kron(chip, np.ones((14, 14, 1), np.uint8))
    apart = []
    for level in LEVELS.values():
        frames = burst(chip, level, 5, np.random.default_rng(3))
        again = burst(chip, level, 5, np.random.default_rng(3))
        assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))
        assert all(f.shape == chip.shape and f.dtype == np.uint8 for f in frames)
        assert not np.array_equal(frames[0], frames[1])
        apart.append(np.mean([np.abs(f.astype(float) - chip).mean() for f in frames]))
    assert apart == sorted(apart)


def test_the_bench_fuses_and_predicts_as_the_door_does(bursts: Bursts) -> None:
    usable = bursts.quality >= 0.4
    probes = fuse(FUSED, bursts, usable)
    doubts = fused_variance(bursts.log_variance, usable, CORRELATION)
    for row in range(20):
        evidence, found = Evidence(), None
        for view in np.flatnonzero(usable[row]):
            doubt = float(bursts.log_variance[row, view])
            found = evidence.add(1, bursts.embeddings[row, view], doubt)
        if found is None:
            assert not probes[row].any()
            continue
        assert probes[row] == pytest.approx(found.template, abs=1e-5)
        assert doubts[row] == pytest.approx(found.log_variance, abs=1e-5)


def test_a_rule_uses_usable_views_only() -> None:
    vectors = np.eye(4, dtype=np.float32)[None]
    bursts = bursts_of(vectors, np.array([[0.0, -1.0, 1.0, -2.0]]))
    usable = np.array([[False, True, True, False]])
    assert fuse("first frame", bursts, usable)[0].tolist() == [0, 1, 0, 0]
    assert fuse(SINGLE, bursts, usable)[0].tolist() == [0, 1, 0, 0]
    for rule in (*RULES, "median"):
        assert not fuse(rule, bursts, usable)[0, [0, 3]].any(), rule
        assert not fuse(rule, bursts, np.zeros_like(usable)).any(), rule


def test_the_median_is_that_of_each_number() -> None:
    vectors = np.array([[[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0]]], np.float32)
    bursts = bursts_of(vectors, np.zeros((1, 3)))
    assert fuse("median", bursts, np.ones((1, 3), bool))[0] == pytest.approx([0.6, 0.8, 0])
    two = np.array([[True, False, True]])
    assert fuse("median", bursts, two)[0] == pytest.approx(unit(np.array([1, 1, 0])))


def test_a_stranger_is_searched_without_their_own_row(crowd: Crowd) -> None:
    own, other = crowd.search(crowd.clean, crowd.gallery(1))
    assert (own > other).all()
    assert other.max() < 0.6


def test_one_person_under_two_names_is_no_stranger(crowd: Crowd) -> None:
    twice = crowd.clean.copy()
    twice[2] = twice[0]
    strangers = Crowd(crowd.whose, crowd.turn, twice).strangers(0.95)
    assert np.flatnonzero((crowd.turn == 0) & ~strangers).tolist() == [0, 2]


def test_independent_noise_is_fused_away(crowd: Crowd, bursts: Bursts) -> None:
    everything = np.ones(bursts.quality.shape, bool)
    told = compare(crowd, crowd.turn == 0, bursts, 1, everything, everything[:, 0], fpir=0.05)
    rules = told["rules"]
    assert told["mates"] == told["strangers"] == 60
    assert told["undecided"] == 0
    assert rules[FUSED]["fnir"] <= rules[SINGLE]["fnir"] <= rules["first frame"]["fnir"]
    low, high = rules["first frame"]["bounds"]
    assert low <= rules["first frame"]["fnir"] <= high


def test_a_burst_without_a_usable_view_is_a_miss(crowd: Crowd, bursts: Bursts) -> None:
    nothing = np.zeros(bursts.quality.shape, bool)
    told = compare(crowd, crowd.turn == 0, bursts, 1, nothing, nothing[:, 0], fpir=0.05)
    assert told["undecided"] == 1
    assert all(row["fnir"] == 1 for row in told["rules"].values())


def test_bounds_are_drawn_by_people() -> None:
    whose = np.repeat(np.arange(20), 10)
    missed = {"one": whose < 4, "other": whose < 8}
    bounds, ratio = drawn(missed, whose, "one", "other")
    assert bounds["one"][0] < 0.1 < 0.3 < bounds["one"][1]
    assert ratio[0] < 0.5 < ratio[1] <= 1


def test_the_threshold_is_where_the_asked_share_of_strangers_passes() -> None:
    similarities = np.linspace(0, 1, 1001)
    assert np.mean(similarities >= threshold_at(similarities, 0.01)) == pytest.approx(
        0.01, abs=2e-3
    )


def test_a_promise_that_is_kept_has_no_error(crowd: Crowd, bursts: Bursts) -> None:
    told = reliability(crowd, bursts, 0.0, -1.0, np.ones_like)
    assert told["expected_error"] == 0
    assert sum(band["n"] for band in told["bands"]) == 120
    broken = reliability(crowd, bursts, 0.0, 2.0, np.ones_like)
    assert broken["expected_error"] == 1


def test_more_looks_are_more_chances_for_strangers_and_for_mates(
    crowd: Crowd, bursts: Bursts
) -> None:
    told = looks(crowd, crowd.turn == 0, bursts, 0.0, [0.3])
    assert [row["evidence_frames"] for row in told] == [1, 2, 3]
    granted = [row["granted_any_look"] for row in told]
    assert granted == sorted(granted, reverse=True)
    for row in told:
        assert row["granted_any_look"] >= row["granted_last_look"]
        assert row["fnir_any_look"] <= row["fnir_last_look"]


def test_a_margin_keeps_a_lookalike_out_and_misses_their_twin_too(crowd: Crowd) -> None:
    clean = crowd.clean.copy()
    clean[3] = unit(clean[0] + 0.02 * clean[5])  # the second photo of one looks like another
    lookalike = Crowd(crowd.whose, crowd.turn, clean)
    burst_of_one = bursts_of(clean[:, None], np.full((len(clean), 1), -1.0))
    told = margins(lookalike, crowd.turn == 0, burst_of_one, 0.0, 0.5, 1)
    assert told[0]["wrong"] == 1
    assert [row["margin"] for row in told] == [0.0, 0.02, 0.03, 0.06, 0.1]
    misses = [row["fnir"] for row in told]
    assert misses == sorted(misses)


@pytest.mark.data
@pytest.mark.slow
def test_on_degraded_frames_of_a_webcam_fusing_misses_half_of_what_the_best_frame_does(
    engine: Engine, policy: Policy, data_dir: Path, distractors: list[Enrolment]
) -> None:
    """Enrolled from one day, shown on another, at the door's own threshold."""
    random, missed = np.random.default_rng(7), {SINGLE: 0, FUSED: 0}
    gallery = np.stack([one.embedding for one in distractors])
    threshold = policy.thresholds(len(gallery) + 1).grant
    live = data_dir / "webcam-dev" / "live"
    shown = 0
    for person in ("person01", "person04", "person05", "person06"):
        days = [_chips(engine, day) for day in sorted((live / person).iterdir())]
        for enrolled in days:
            views = [engine.embedder.embed(chip).embedding for chip in enrolled[:11:5]]
            template = unit(np.sum(views, axis=0))
            for other in days:
                if other is enrolled:
                    continue
                seen = [
                    engine.embedder.embed(frame(chip, LEVELS["mild"], random)) for chip in other
                ]
                whole = len(seen) // 5 * 5
                bursts = Bursts(
                    np.stack([view.embedding for view in seen[:whole]]).reshape(-1, 5, 192),
                    np.array([view.log_variance for view in seen[:whole]]).reshape(-1, 5),
                    np.array([view.quality for view in seen[:whole]]).reshape(-1, 5),
                )
                usable = bursts.quality >= policy.minimum_quality
                decided = usable.any(1)
                shown += int(decided.sum())
                for rule in missed:
                    probes = fuse(rule, bursts, usable)
                    best = np.maximum(threshold, (probes @ gallery.T).max(1))
                    missed[rule] += int((decided & (probes @ template < best)).sum())
    assert shown > 200
    assert missed[SINGLE] >= 10
    assert missed[FUSED] <= missed[SINGLE] / 2


def _chips(engine: Engine, day: Path) -> list[np.ndarray]:
    return [engine.extract(read_image(path)).chip for path in sorted(day.glob("*.jpg"))]
