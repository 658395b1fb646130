"""Of many templates the clear and different ones stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.gallery.choose import ADAPTED, best_templates
from edged.gallery.sealed import Kept
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from edged.types import Floats


def kept(embedding: Floats, quality: float = 0.9, source: str = "photo") -> Kept:
    return Kept(embedding, quality, source, "2027-01-01T00:00:00Z")


def templates(
    qualities: list[float], sources: list[str] | None = None, seed: int = 0
) -> list[Kept]:
    faces = embeddings(len(qualities), seed=seed)
    chosen = sources or ["photo"] * len(qualities)
    return [kept(*one) for one in zip(faces, qualities, chosen, strict=True)]


def test_few_templates_all_stay() -> None:
    assert best_templates(templates([0.9, 0.1, 0.5]), 3) == [0, 1, 2]
    assert best_templates([], 3) == []


def test_the_clearest_stays_and_the_copy_of_another_goes() -> None:
    first, second = embeddings(2)
    candidates = [kept(first, 0.9), kept(first, 0.8), kept(second, 0.7)]
    assert best_templates(candidates, 2) == [0, 2]


def test_among_equally_different_ones_the_clearer_stays() -> None:
    axes = np.eye(3, dtype=np.float32)
    assert best_templates([kept(axes[0], 0.9), kept(axes[1], 0.5), kept(axes[2], 0.6)], 2) == [0, 2]


def test_of_equal_ones_the_newest_stays() -> None:
    same = embeddings(1)[0]
    assert best_templates([kept(same), kept(same), kept(same)], 1) == [2]


def test_what_was_adapted_never_pushes_out_what_was_enrolled() -> None:
    axes = np.eye(4, dtype=np.float32)
    candidates = [
        kept(axes[0], 0.5),
        kept(axes[0], 0.4),
        kept(axes[1], 1.0, ADAPTED),
        kept(axes[2], 0.9, ADAPTED),
    ]
    assert best_templates(candidates, 2) == [0, 1]
    assert best_templates(candidates, 3) == [0, 1, 3]  # the newest


def test_a_new_enrolment_ends_what_was_adapted_before() -> None:
    axes = np.eye(4, dtype=np.float32)
    candidates = [kept(axes[0]), kept(axes[1]), kept(axes[2], 1.0, ADAPTED), kept(axes[3])]
    assert best_templates(candidates, 4) == [0, 1, 3]


@pytest.mark.parametrize(
    ("enrolled", "limit", "places"), [(1, 5, 1), (4, 5, 1), (5, 5, 0), (6, 5, 0), (0, 5, 1)]
)
def test_one_adapted_template_stays_at_most(enrolled: int, limit: int, places: int) -> None:
    sources = ["photo"] * enrolled + [ADAPTED] * 4
    chosen = best_templates(templates([0.5] * len(sources), sources), limit)
    assert sum(sources[i] == ADAPTED for i in chosen) == places


QUALITIES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(QUALITIES, st.integers(1, 12), st.data())
def test_no_more_stay_than_may_and_enrolled_ones_before_adapted_ones(
    qualities: list[float], limit: int, data: st.DataObject
) -> None:
    sources = [data.draw(st.sampled_from(["photo", "terminal", ADAPTED])) for _ in qualities]
    candidates = templates(qualities, sources, seed=len(qualities))
    chosen = best_templates(candidates, limit)
    assert 1 <= len(chosen) <= limit
    assert chosen == sorted(set(chosen))
    enrolled = [i for i, source in enumerate(sources) if source != ADAPTED]
    assert sum(i in chosen for i in enrolled) == min(limit, len(enrolled))
    assert len(chosen) - sum(i in chosen for i in enrolled) <= 1
    if enrolled:
        clearest = max(candidates[i].quality for i in enrolled)
        assert clearest in [candidates[i].quality for i in chosen]


@given(QUALITIES, st.integers(1, 12))
def test_a_turned_gallery_keeps_the_same_templates(qualities: list[float], limit: int) -> None:
    candidates = templates(qualities, seed=3)
    turn, _ = np.linalg.qr(np.random.default_rng(7).standard_normal((16, 16)))
    turned = [kept((turn @ one.embedding).astype(np.float32), one.quality) for one in candidates]
    assert best_templates(turned, limit) == best_templates(candidates, limit)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_choosing_again_changes_nothing(limit: int) -> None:
    candidates = templates([0.3, 0.9, 0.5, 0.8, 0.7, 0.2])
    chosen = [candidates[i] for i in best_templates(candidates, limit)]
    assert best_templates(chosen, limit) == list(range(limit))
