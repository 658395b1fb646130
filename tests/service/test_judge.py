"""Evidence, search and decision together, on real templates and a real index."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.decision.presentation import Kind, Phase
from edged.gallery.search import Index
from edged.service.judge import Judge
from edged.testing.builders import observation, policy

if TYPE_CHECKING:
    from edged.decision.presentation import Outcome, Step
    from edged.types import Floats, Match

SIZE = 64
FRAME_S = 1 / 15


def unit(seed: int) -> Floats:
    vector = np.random.default_rng(seed).normal(size=SIZE)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def mixed(a: Floats, b: Floats, share: float) -> Floats:
    """On the way from one to the other."""
    vector = (1 - share) * a + share * b
    return (vector / np.linalg.norm(vector)).astype(np.float32)


ANN, BEN, STRANGER = unit(1), unit(2), unit(3)


class Bench:
    """A judge with a gallery of two, and a camera of its own."""

    def __init__(self, **changes: object) -> None:
        index = Index("model", SIZE)
        index.put("ann", ANN)
        index.put("ben", BEN)
        self.searches = 0

        def search(template: Floats) -> Match:
            self.searches += 1
            return index.search(template, 2)

        self.it = Judge(policy(**changes), search, lambda doubt: 1 / (1 + np.exp(doubt)))
        self.frame = 0

    def see(
        self,
        embedding: Floats | None,
        frames: int = 1,
        *,
        track_id: int = 1,
        quality: float | None = 0.9,
        doubt: float | None = -2.0,
    ) -> list[Step]:
        from dataclasses import replace

        steps = []
        for _ in range(frames):
            self.frame += 1
            view = observation(
                self.frame * FRAME_S, seq=self.frame, track_id=track_id, quality=quality
            )
            steps.append(
                self.it.step(replace(view, embedding=embedding, log_variance=doubt)),
            )
        return steps


def outcomes(steps: list[Step]) -> list[Outcome]:
    return [step.outcome for step in steps if step.outcome]


def test_who_is_enrolled_is_granted_by_their_third_view() -> None:
    bench = Bench()
    steps = bench.see(ANN, 5)
    (outcome,) = outcomes(steps)
    assert steps[2].outcome is outcome
    assert (outcome.kind, outcome.person_id, outcome.people) == (Kind.GRANTED, "ann", 2)
    assert bench.it.phase is Phase.GRANTED


def test_who_is_not_is_denied_and_a_lookalike_is_put_up_for_review() -> None:
    assert outcomes(Bench().see(STRANGER, 20))[0].kind is Kind.DENIED
    (outcome,) = outcomes(Bench(margin=0.03).see(mixed(ANN, BEN, 0.5), 20))
    assert (outcome.kind, outcome.reason) == (Kind.REVIEW, "lookalike")


def test_views_of_one_face_do_not_count_for_another() -> None:
    bench = Bench()
    steps = [*bench.see(ANN, 2), *bench.see(STRANGER, 20, track_id=2)]
    assert [o.kind for o in outcomes(steps)] == [Kind.DENIED]
    back = Bench()
    assert (
        outcomes([*back.see(ANN, 2), *back.see(STRANGER, 1, track_id=2), *back.see(ANN, 2)]) == []
    )


def test_views_before_a_refusal_do_not_count_in_the_next_attempt() -> None:
    bench = Bench(cool_down_s=1.0)
    assert outcomes(bench.see(STRANGER, 12))[0].kind is Kind.DENIED
    (outcome,) = outcomes(bench.see(ANN, 30))
    assert (outcome.kind, outcome.frames) == (Kind.GRANTED, 3)
    assert outcome.similarity == pytest.approx(1.0, abs=1e-3)


def test_nothing_is_searched_for_whoever_is_decided_about() -> None:
    bench = Bench()
    bench.see(ANN, 3)
    searched = bench.searches
    bench.see(ANN, 30)
    assert bench.searches == searched == 3
    assert bench.it.fused is None


@pytest.mark.parametrize("doubt", [None, nan, inf, -inf])
def test_a_view_without_a_doubt_that_is_a_number_is_left_out(doubt: float | None) -> None:
    bench = Bench()
    assert outcomes(bench.see(ANN, 60, doubt=doubt)) == []
    assert bench.searches == 0
    assert [o.kind for o in outcomes(bench.see(ANN, 3))] == [Kind.GRANTED]


@pytest.mark.parametrize(
    "broken",
    [None, np.zeros(SIZE, np.float32), np.full(SIZE, nan, np.float32), ANN * np.float32(inf)],
    ids=["none", "zero", "nan", "inf"],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_view_without_an_embedding_is_left_out(broken: Floats | None) -> None:
    bench = Bench()
    bench.see(ANN, 1)
    assert outcomes(bench.see(broken, 60)) == []
    (outcome,) = outcomes(bench.see(ANN, 2))
    assert (outcome.kind, outcome.person_id) == (Kind.GRANTED, "ann")


def test_views_that_cancel_out_decide_nothing_and_block_nothing() -> None:
    bench = Bench()
    bench.see(ANN, 1)
    bench.see(-ANN, 1)
    steps = bench.see(ANN, 30)
    assert outcomes(steps)[-1].kind is Kind.GRANTED


def test_a_bad_view_that_counts_weighs_little() -> None:
    bench = Bench(view_quality=0.1)
    bench.see(STRANGER, 2, quality=0.15, doubt=2.0)
    (outcome,) = outcomes(bench.see(ANN, 10, doubt=-4.0))
    assert (outcome.kind, outcome.person_id) == (Kind.GRANTED, "ann")


def test_after_forgetting_the_evidence_begins_anew() -> None:
    bench = Bench()
    bench.see(ANN, 2)
    bench.it.forget()
    assert bench.it.phase is Phase.IDLE
    steps = bench.see(ANN, 3)
    assert [n for n, step in enumerate(steps) if step.outcome] == [2]


def test_whoever_is_held_is_not_served() -> None:
    bench = Bench()
    bench.see(ANN, 2)
    bench.it.hold(bench.frame * FRAME_S, "ann")
    assert not bench.it.wants_evidence
    assert {step.phase for step in bench.see(ANN, 30)} == {Phase.HELD}


def test_poor_views_of_half_a_minute_do_not_outweigh_the_good_ones_after_them() -> None:
    bench = Bench(view_quality=0.2, minimum_quality=0.5)
    for seed in range(450):
        bench.see(unit(100 + seed), quality=0.27, doubt=1.0)
    (outcome,) = outcomes(bench.see(ANN, 5, quality=0.62, doubt=-0.5))
    assert (outcome.kind, outcome.person_id, outcome.frames) == (Kind.GRANTED, "ann", 3)


def test_views_that_cannot_be_trusted_are_no_grounds_to_refuse() -> None:
    bench = Bench(view_quality=0.2, minimum_quality=0.5)
    for seed in range(30):
        bench.see(unit(100 + seed), quality=0.27, doubt=1.0)
    steps = bench.see(STRANGER, 30)
    refused = next(n for n, step in enumerate(steps) if step.outcome)
    assert outcomes(steps)[0].kind is Kind.DENIED
    assert refused >= 9
    assert steps[0].progress <= 0.1
