"""Two indexes searched as one gallery, against comparing everybody with the network they are
matched by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.gallery.search import Index
from edged.service.merge import FEW, Roll, Side, look
from edged.service.moving import carried
from edged.testing.builders import policy
from edged.types import RiskPoint
from edged.vision.evidence import Fused

OLD = (RiskPoint(1e-2, 0.3), RiskPoint(1e-4, 0.5), RiskPoint(1e-8, 0.7))
NEW = (RiskPoint(1e-2, 0.2), RiskPoint(1e-4, 0.35), RiskPoint(1e-8, 0.6))
SIZES = {"old": 16, "new": 24}


def rows(people: int, size: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(people, size)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def sides(people: int, moved: int, seed: int = 0) -> tuple[Side, Side, Roll]:
    """The first ones have moved."""
    ids = [f"p{n}" for n in range(people)]
    made = []
    for name, curve, count in (("old", OLD, people), ("new", NEW, moved)):
        index = Index(name, SIZES[name])
        if count:
            index.put_many(ids[:count], rows(count, SIZES[name], seed + SIZES[name]))
        made.append(Side(name, curve, lambda doubt: 1 / (1 + np.exp(doubt)), index))
    return made[0], made[1], Roll(frozenset(ids[:moved]), frozenset(ids[moved:]))


def evidence(side: Side, seed: int, views: int = 3, doubt: float = -2.0) -> Fused:
    return Fused(rows(1, side.index.size, seed)[0], doubt, views)


def by_hand(old: Side, new: Side, roll: Roll, a: Fused, b: Fused) -> list[tuple[float, str]]:
    found = [(float(old.index.row(who)[1] @ a.template), who) for who in roll.waiting]
    for who in roll.moved:
        cosine = float(new.index.row(who)[1] @ b.template)
        found.append((carried(cosine, new.curve, old.curve), who))
    return sorted(found, reverse=True)[:2]


@given(st.integers(1, 400), st.floats(0, 1), st.integers(0, 1000))
def test_everybody_is_compared_once_by_their_own_network(people, share, seed):
    old, new, roll = sides(people, round(share * people), seed)
    a, b = evidence(old, seed + 1), evidence(new, seed + 2)
    match = look(old, new, roll, a, b).match
    expected = by_hand(old, new, roll, a, b)
    assert match.people == people
    assert [one.similarity for one in match.candidates] == pytest.approx(
        [similarity for similarity, _ in expected], abs=1e-5
    )
    assert len({one.person_id for one in match.candidates}) == min(2, people)


@pytest.mark.parametrize("waiting", [1, FEW, FEW + 1, 1000])
def test_a_few_who_wait_among_many_who_moved_are_found(waiting):
    old, new, roll = sides(3000, 3000 - waiting)
    who = "p2999"
    probe = Fused(old.index.row(who)[1], -2.0, 3)
    found = look(old, new, roll, probe, evidence(new, 5))
    assert found.match.candidates[0].person_id == who
    assert found.spoke == "old"


def test_somebody_who_moved_is_not_matched_by_the_old_network_any_more():
    old, new, roll = sides(100, 50)
    same = Fused(old.index.row("p0")[1], -2.0, 3)
    found = look(old, new, roll, same, evidence(new, 7))
    assert all(one.person_id != "p0" or one.similarity < 0.9 for one in found.match.candidates)
    assert found.alone.candidates[0].person_id == "p0"
    theirs = Fused(new.index.row("p0")[1], -2.0, 3)
    again = look(old, new, roll, evidence(old, 8), theirs)
    assert (again.match.candidates[0].person_id, again.spoke) == ("p0", "new")


def test_without_the_next_network_everybody_is_matched_by_the_old_one():
    old, new, roll = sides(100, 50)
    found = look(old, new, roll, Fused(old.index.row("p0")[1], -2.0, 3), None)
    assert found.match.candidates[0].person_id == "p0"
    assert found.match.candidates[0].similarity == pytest.approx(1, abs=1e-5)
    assert (found.match.people, found.spoke) == (100, "old")


def test_the_evidence_has_the_quality_of_the_network_that_matched():
    old, new, roll = sides(100, 50)
    clear, doubtful = -3.0, 1.0
    a = Fused(old.index.row("p99")[1], clear, 3)
    assert look(old, new, roll, a, evidence(new, 1, doubt=doubtful)).quality > 0.9
    b = Fused(new.index.row("p0")[1], doubtful, 3)
    assert look(old, new, roll, evidence(old, 1, doubt=clear), b).quality < 0.5


def test_before_the_roll_is_called_nobody_is_searched_with_a_lax_threshold():
    old, new, _ = sides(100, 50)
    found = look(old, new, Roll(), evidence(old, 1), evidence(new, 1))
    assert found.match == old.index.search(evidence(old, 1).template, 2)
    stale = Roll(frozenset({"p0"}), frozenset({"p1"}))
    assert look(old, new, stale, evidence(old, 1), evidence(new, 1)).match.people == 100


def test_who_was_removed_since_is_nobody():
    old, new, roll = sides(100, 50)
    row = new.index.row("p0")[1]
    new.index.remove(["p0"])
    old.index.remove(["p0"])
    found = look(old, new, roll, evidence(old, 1), Fused(row, -2.0, 3))
    assert "p0" not in {one.person_id for one in found.match.candidates}


def test_an_empty_gallery_has_no_candidates():
    old, new, roll = sides(0, 0)
    assert look(old, new, roll, evidence(old, 1), evidence(new, 1)).match.candidates == ()


@pytest.mark.parametrize("moved", [0, 5, FEW + 5])
@pytest.mark.parametrize("waiting", [5, FEW + 5])
def test_who_is_found_to_resemble_somebody_is_marked_at_once_in_either_part(moved, waiting):
    old, new, roll = sides(moved + waiting, moved)
    for number in {0, moved}:
        who = f"p{number}"
        for side in (old, new):
            side.index.mark([who])  # after the roll was called
        theirs = evidence(new, 1) if number >= moved else Fused(new.index.row(who)[1], -2.0, 3)
        found = look(old, new, roll, Fused(old.index.row(who)[1], -2.0, 3), theirs)
        best = found.match.candidates[0]
        assert (best.person_id, best.lookalike) == (who, True)


def test_what_the_old_network_would_have_done_alone():
    old, new, roll = sides(100, 50)
    rules = policy(curve=OLD, evidence_frames=3, margin=0.03)
    row = old.index.row("p0")[1]
    alone = look(old, new, roll, Fused(row, -3.0, 3), evidence(new, 1))
    assert alone.granted_alone(rules) == "p0"
    for other in (Fused(row, -3.0, 2), Fused(row, 3.0, 3), evidence(old, 1)):
        assert look(old, new, roll, other, evidence(new, 1)).granted_alone(rules) is None
    old.index.mark(["p0"])  # then more is asked than this knows of
    marked = look(old, new, roll, Fused(row, -3.0, 3), evidence(new, 1))
    assert marked.granted_alone(rules) is None
