"""What is decided about people who move: scales, statistics, who moves when."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.policy import false_match_rate, fmr_at, similarity_at
from edged.service.moving import (
    ALARM,
    ENOUGH,
    STRONGER,
    Tally,
    carried,
    chance,
    has_moved,
    log_evidence,
    merged,
    overlap,
    strong_from,
    tenths,
)
from edged.types import Candidate, RiskPoint


@st.composite
def curves(draw: st.DrawFn) -> tuple[RiskPoint, ...]:
    """Falling FMR, rising similarity, two points at least."""
    exponents = draw(st.lists(st.integers(-100, -10), min_size=2, max_size=9, unique=True))
    similarities = draw(
        st.lists(
            st.integers(-900, 950), min_size=len(exponents), max_size=len(exponents), unique=True
        )
    )
    pairs = zip(sorted(exponents, reverse=True), sorted(similarities), strict=True)
    return tuple(RiskPoint(10 ** (e / 10), s / 1000) for e, s in pairs)


cosines = st.floats(-1, 1)
OLD = (RiskPoint(1e-2, 0.3), RiskPoint(1e-4, 0.5), RiskPoint(1e-8, 0.7))
NEW = (RiskPoint(1e-2, 0.1), RiskPoint(1e-4, 0.2), RiskPoint(1e-8, 0.4))


@given(curves(), curves(), st.lists(cosines, min_size=2, max_size=20))
def test_the_order_of_people_is_kept_on_the_other_scale(curve, onto, similarities):
    found = [carried(one, curve, onto) for one in sorted(similarities)]
    assert all(a <= b + 1e-12 for a, b in pairwise(found))
    assert all(-1 <= one <= 1 for one in found)


@given(curves(), curves(), cosines)
def test_what_is_carried_has_the_same_false_match_rate(curve, onto, similarity):
    lax, strict = min(curve[0].fmr, onto[0].fmr), max(curve[-1].fmr, onto[-1].fmr)
    fmr = fmr_at(similarity, curve)
    if strict * 1.001 < fmr < lax * 0.999:
        found = carried(similarity, curve, onto)
        assert fmr_at(found, onto) == pytest.approx(fmr, rel=1e-6)


@given(curves(), curves(), cosines)
def test_no_similarity_becomes_rarer_than_both_tables_know(curve, onto, similarity):
    strict = max(curve[-1].fmr, onto[-1].fmr)
    if not overlap(curve, onto):
        return
    assert carried(similarity, curve, onto) <= similarity_at(strict, onto) + 1e-12
    assert carried(1.0, curve, onto) == pytest.approx(similarity_at(strict, onto))


@given(curves(), cosines)
def test_within_its_table_a_network_is_carried_onto_itself_unchanged(curve, similarity):
    inside = min(max(similarity, curve[0].similarity), curve[-1].similarity)
    assert carried(inside, curve, curve) == pytest.approx(inside, abs=1e-9)


@given(curves(), curves(), cosines)
def test_what_is_below_every_table_stays_below_where_anybody_is_let_in(curve, onto, similarity):
    if similarity < similarity_at(min(curve[0].fmr, onto[0].fmr), curve):
        assert carried(similarity, curve, onto) <= onto[0].similarity + 1e-12


def test_a_stranger_passes_the_threshold_as_rarely_by_either_network():
    for people in (1, 30, 1000, 20_000):
        fmr = false_match_rate(0.003, people)
        grant = similarity_at(fmr, OLD)
        at = similarity_at(fmr, NEW)
        assert carried(at + 1e-9, NEW, OLD) >= grant - 1e-6
        assert carried(at - 1e-3, NEW, OLD) < grant


def test_a_similarity_that_is_none_does_not_become_one():
    assert math.isnan(carried(math.nan, NEW, OLD))


def test_tables_without_a_rate_in_common_are_seen():
    assert overlap(OLD, NEW)
    assert not overlap(OLD[:2], (RiskPoint(1e-5, 0.5), RiskPoint(1e-6, 0.6)))
    assert not overlap(OLD[:2], (RiskPoint(1e-4, 0.5), RiskPoint(1e-6, 0.6)))


@given(curves(), cosines)
def test_beyond_doubt_is_never_below_the_threshold_and_rarer_by_its_factor(curve, grant):
    found = strong_from(grant, curve)
    assert found >= grant
    if curve[0].similarity < grant < found < 1:
        assert fmr_at(found, curve) == pytest.approx(fmr_at(grant, curve) / STRONGER, rel=1e-6)


def test_beyond_doubt_of_a_table_that_is_all_but_level_is_a_number():
    steep = (RiskPoint(1e-2, 0.3), RiskPoint(1e-9, 0.301))
    assert strong_from(0.9, steep) == 0.9


def test_people_move_with_enough_templates_or_where_the_old_network_knows_nothing_of_them():
    assert not has_moved(3, ENOUGH - 1)
    assert has_moved(3, ENOUGH)
    assert has_moved(0, 1)
    assert not has_moved(0, 0)


def test_the_best_of_both_parts_come_first():
    waiting = [Candidate("a", 0.7), Candidate("b", 0.2)]
    moved = [Candidate("c", 0.5), Candidate("d", 0.4)]
    assert [one.person_id for one in merged(waiting, moved, 2)] == ["a", "c"]
    assert [one.person_id for one in merged([], moved, 2)] == ["c", "d"]
    assert merged([], [], 2) == ()


@given(st.integers(0, 5000), st.integers(1, 5000))
def test_progress_is_told_in_tenths_and_a_hundred_means_everybody(moved, people):
    moved = min(moved, people)
    found = tenths(moved, people)
    assert found % 10 == 0
    assert found * people <= 100 * moved
    assert (found == 100) == (moved == people)


def test_of_nobody_nothing_is_told():
    assert tenths(0, 0) == 0


@given(st.integers(0, 300), st.integers(0, 300))
def test_more_against_is_more_evidence_and_more_for_is_less(against, for_it):
    here = log_evidence(against, for_it)
    assert here >= 0
    assert log_evidence(against, for_it + 1) <= here + 1e-9
    if against > for_it:
        assert log_evidence(against + 1, for_it) >= here
    assert 0 < chance(against, for_it) <= 1


def test_a_network_that_is_no_worse_is_hardly_ever_rolled_back_however_often_one_looks():
    """Ville's inequality, on 20,000 moves of 400 presentations each."""
    random = np.random.default_rng(0)
    against = (random.random((20_000, 400)) < 0.5).cumsum(1)
    number = np.arange(1, 401)
    table = np.array(
        [[chance(a, n - a) < ALARM if a <= n else False for a in range(401)] for n in number]
    )
    alarmed = table[number - 1, against].any(1)
    assert alarmed.mean() <= ALARM


def test_a_network_that_is_worse_three_times_out_of_four_is_found_within_a_hundred():
    random = np.random.default_rng(0)
    found = []
    for _ in range(300):
        tally = Tally()
        for number in range(1, 400):
            worse = random.random() < 0.75
            tally = tally.plus(Tally(worse=int(worse), better=int(not worse)))
            if tally.verdict is not None:
                found.append(number)
                break
    assert len(found) == 300
    assert np.median(found) < 100


@pytest.mark.parametrize(
    ("tally", "verdict"),
    [
        (Tally(), None),
        (Tally(worse=29), None),
        (Tally(worse=30), "similarity"),
        (Tally(worse=15, better=15), None),
        (Tally(better=1000), None),
        (Tally(equal=1000), None),
        (Tally(missed=13), None),
        (Tally(missed=14), "refused"),
        (Tally(missed=14, saved=10), None),
        (Tally(saved=1000), None),
        (Tally(doubted=1000), None),
    ],
)
def test_a_move_is_undone_for_clear_reasons_only(tally, verdict):
    assert tally.verdict == verdict
