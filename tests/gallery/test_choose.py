"""Of many templates the newest stay, and what was adapted never outweighs them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.gallery.choose import ADAPTED, best_templates
from edged.gallery.sealed import Kept
from tests.gallery.faces import embeddings

FACE = embeddings(1)[0]


def templates(*sources: str) -> list[Kept]:
    return [Kept(FACE, 0.9, source, "2027-01-01T00:00:00Z") for source in sources]


def test_few_templates_all_stay() -> None:
    assert best_templates(templates("photo", "terminal", "photo"), 3) == [0, 1, 2]
    assert best_templates([], 3) == []


def test_of_many_the_newest_stay() -> None:
    assert best_templates(templates(*["photo"] * 7), 5) == [2, 3, 4, 5, 6]


def test_what_was_adapted_never_pushes_out_what_was_enrolled() -> None:
    candidates = templates("photo", "photo", ADAPTED, ADAPTED)
    assert best_templates(candidates, 2) == [0, 1]
    assert best_templates(candidates, 3) == [0, 1, 3]  # the newest
    assert best_templates(candidates, 9) == [0, 1, 3]


def test_a_new_enrolment_ends_what_was_adapted_before() -> None:
    assert best_templates(templates("photo", "photo", ADAPTED, "photo"), 4) == [0, 1, 3]


@pytest.mark.parametrize(
    ("enrolled", "limit", "places"), [(1, 5, 1), (4, 5, 1), (5, 5, 0), (6, 5, 0), (0, 5, 1)]
)
def test_one_adapted_template_stays_at_most(enrolled: int, limit: int, places: int) -> None:
    sources = ["photo"] * enrolled + [ADAPTED] * 4
    chosen = best_templates(templates(*sources), limit)
    assert sum(sources[i] == ADAPTED for i in chosen) == places


SOURCES = st.lists(st.sampled_from(["photo", "terminal", ADAPTED]), min_size=1, max_size=12)


@given(SOURCES, st.integers(1, 12))
def test_no_more_stay_than_may_and_choosing_again_changes_nothing(
    sources: list[str], limit: int
) -> None:
    candidates = templates(*sources)
    chosen = best_templates(candidates, limit)
    assert 1 <= len(chosen) <= limit
    assert chosen == sorted(set(chosen))
    enrolled = [i for i, source in enumerate(sources) if source != ADAPTED]
    assert [i for i in chosen if i in enrolled] == enrolled[-limit:]
    stay = [candidates[i] for i in chosen]
    assert best_templates(stay, limit) == list(range(len(stay)))
