"""What is told of the score, by bands of quality."""

from __future__ import annotations

from edged.evaluation.calibrate import fit_curve
from edged.evaluation.outcomes import all_outcomes
from tests.evaluation.people import faces
from training.quality import bands, kind


def test_false_matches_are_counted_by_band_against_other_people_only() -> None:
    clean, people = faces(30, 4, noise=1.0)
    found = all_outcomes(clean, clean, people, 0.3)
    curve = fit_curve(found.outputs.log_variance, found.passed)
    rows = bands(found, curve, clean, people, 0.3)
    assert sum(band.views for band in rows) == len(found.passed)
    assert all(band.impostors == band.views * 116 for band in rows)


def test_a_kind_of_view_beside_itself_cannot_be_told_apart() -> None:
    clean, people = faces(30, 4, noise=1.0)
    found = all_outcomes(clean, clean, people, 0.3)
    told = kind("clean", clean, clean, fit_curve(found.outputs.log_variance, found.passed))
    assert (told.views, told.auroc, told.auroc_norm) == (120, 0.5, 0.5)
    assert told.below["attendance"] <= told.below["access"] <= told.below["high_security"]
