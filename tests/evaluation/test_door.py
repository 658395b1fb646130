"""The door's table is never laxer than anything that can meet there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edged.bundle.manifest import FalseMatch
from edged.errors import EvaluationError
from edged.evaluation import door
from edged.evaluation.fusing import Line, fit_line, templates
from edged.evaluation.outputs import Outputs
from tests.evaluation.people import faces


@pytest.fixture(scope="module")
def found() -> door.Risk:
    outputs, people = faces(150, 3, noise=0.8, size=64, kinds=32)
    return door.measure(outputs, people, seed=1, number=40)


def test_fusing_makes_impostors_more_similar_and_the_table_says_so(found: door.Risk) -> None:
    assert found.line is not None
    assert found.line.once(0.5) > 0.5
    for row, single in zip(found.rows, found.single, strict=False):
        assert row["similarity"] >= single["similarity"]
    assert found.rows[0]["similarity"] > found.single[0]["similarity"] + 0.01


def test_no_set_counts_more_than_a_measured_row_states(found: door.Risk) -> None:
    assert found.fused is not None
    measured = [row for row in found.rows if row["basis"] == "measured"]
    assert measured
    for row, counts in itertools.product(measured, (found.photos, *found.fused)):
        if row["fmr"] * counts.count >= 10:
            assert counts.similarity_at(row["fmr"]) <= row["similarity"] + 1e-4


def test_every_row_fits_the_manifest_and_lies_within_its_bounds(found: door.Risk) -> None:
    rows = [FalseMatch.model_validate(row) for row in found.rows]
    assert all(b.similarity > a.similarity for a, b in itertools.pairwise(rows))
    widths = [row.interval[1] - row.interval[0] for row in rows if row.interval]
    assert len(widths) == len(rows)
    assert widths[-1] > widths[0]


def test_what_a_small_set_extrapolates_holds_its_upper_bound(found: door.Risk) -> None:
    guessed = [row for row in found.rows if row["basis"] == "extrapolated"]
    assert guessed
    assert all(row["similarity"] >= row["interval"][1] - 1e-4 for row in guessed)


def test_thirty_people_with_five_photos_give_a_table_down_to_one_in_a_million() -> None:
    outputs, people = faces(30, 5, noise=0.8)
    found = door.measure(outputs, people, seed=1, number=40)
    bases = {row["fmr"]: row["basis"] for row in found.rows}
    assert bases[1e-2] == "measured"
    assert bases[1e-6] == "extrapolated"


def test_every_draw_has_the_whole_window_of_the_fit(found: door.Risk) -> None:
    """A tail kept from too high on once made bounds of 1, and the table ended early."""
    assert found.rows[-1]["fmr"] == 1e-10
    assert all(row["interval"][1] < 0.99 for row in found.rows)


def test_one_photo_a_person_gives_the_table_between_photos_and_says_so() -> None:
    outputs, people = faces(60, 1)
    found = door.measure(outputs, people, seed=1, number=20)
    assert (found.fused, found.line, found.fused_people) == (None, None, 0)
    assert [row["fmr"] for row in found.rows] == [row["fmr"] for row in found.single]


def test_views_that_are_not_finite_are_left_out_and_counted() -> None:
    outputs, people = faces(30, 5)
    embeddings = outputs.embeddings.copy()
    embeddings[:3] = np.nan
    found = door.measure(Outputs(embeddings, outputs.log_variance), people, seed=1, number=20)
    assert found.unusable == 3
    assert found.photos.count < 150 * 149 / 2


@pytest.mark.parametrize(
    ("people", "photos", "text"),
    [(5, 5, "5 people .* needs 10"), (12, 2, "too few for a false match table")],
)
def test_too_few_people_are_refused_with_their_number(people: int, photos: int, text: str) -> None:
    outputs, names = faces(people, photos)
    with pytest.raises(EvaluationError, match=text):
        door.measure(outputs, names, seed=1)


def test_a_network_that_says_the_same_of_everybody_is_refused() -> None:
    _, people = faces(30, 5)
    same = Outputs(np.ones((150, 64), np.float32), np.zeros(150, np.float32))
    with pytest.raises(EvaluationError, match="does not tell people apart"):
        door.measure(same, people, seed=1)


def test_a_template_is_the_mean_of_the_first_five_usable_views() -> None:
    outputs, people = faces(3, 8, size=16)
    embeddings = outputs.embeddings.copy()
    embeddings[0] = 0
    rows, names = templates(Outputs(embeddings, outputs.log_variance), people)
    mean = np.mean([v / np.linalg.norm(v) for v in embeddings[1:6]], axis=0)
    assert names.tolist() == sorted(set(people.tolist()))
    assert rows[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_a_person_with_one_view_has_no_template() -> None:
    outputs, people = faces(4, 1)
    rows, names = templates(outputs, people)
    assert (len(rows), len(names)) == (0, 0)


def test_a_line_never_makes_the_table_laxer_than_photos() -> None:
    lax = Line(-0.1, 0.9)
    assert lax.strictest(0.5) == 0.5
    strict = Line(0.0, 1.05)
    assert strict.strictest(0.5) == strict.twice(0.5) == pytest.approx(0.55125)


def test_the_line_between_two_equal_sets_moves_nothing(found: door.Risk) -> None:
    line = fit_line(found.photos, found.photos)
    assert line.once(0.4) == pytest.approx(0.4)
