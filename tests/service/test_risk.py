"""The risk that is taken is stated."""

from __future__ import annotations

from math import inf, nan

import pytest

from edged.config.schema import Decision
from edged.service.risk import SIZES, UNKNOWN, risk_table, stated_risk
from edged.testing.builders import policy


def test_the_state_tells_what_holds_for_a_gallery_of_this_size() -> None:
    told = stated_risk(Decision(strangers_per_day=100), policy(margin=0.03), 5000, None)
    assert told == {
        "profile": "access",
        "people": 5000,
        "threshold": 0.5668,
        "review": 0.4748,
        "margin": 0.03,
        "doubtful": "review",
        "fpir": 0.003,
        "implied_fpir": 0.003,
        "strangers_per_day": 100,
        "traffic": "configured",
        "false_accepts_per_year": 110,
    }


def test_the_threshold_follows_the_number_of_people() -> None:
    told = [stated_risk(Decision(), policy(), people, 10.0) for people in (0, 1, 100, 10_000)]
    thresholds = [one["threshold"] for one in told]
    assert thresholds == sorted(thresholds)
    assert thresholds[-1] > thresholds[0]
    assert told[0]["false_accepts_per_year"] == 0  # nobody to be taken for
    assert {one["traffic"] for one in told} == {"measured"}


def test_what_the_installer_says_of_the_traffic_goes_before_what_was_measured() -> None:
    told = stated_risk(Decision(strangers_per_day=0), policy(), 100, 55.0)
    assert (told["strangers_per_day"], told["false_accepts_per_year"]) == (0, 0)
    assert told["traffic"] == "configured"


@pytest.mark.parametrize("measured", [None, nan, inf, -inf])
def test_nobody_guesses_while_the_traffic_is_not_known(measured: float | None) -> None:
    told = stated_risk(Decision(), policy(), 100, measured)
    assert told["strangers_per_day"] is None
    assert told["false_accepts_per_year"] is None
    assert told["traffic"] == UNKNOWN


def test_a_negative_traffic_is_none_at_all() -> None:
    assert stated_risk(Decision(), policy(), 100, -3.0)["false_accepts_per_year"] == 0


def test_the_table_keeps_the_target_at_every_size() -> None:
    rows = risk_table(policy())
    assert [row["people"] for row in rows] == list(SIZES)
    assert not any(row["above_target"] for row in rows)
    assert all(row["implied_fpir"] <= 0.003 for row in rows)
    assert all(row["review"] <= row["threshold"] for row in rows)


def test_the_table_says_where_a_fixed_similarity_takes_more_risk_than_asked() -> None:
    rows = risk_table(policy(similarity=0.5))
    above = [row["people"] for row in rows if row["above_target"]]
    assert above == [1_000, 10_000, 50_000]
    assert rows[-1]["implied_fpir"] > 0.2
