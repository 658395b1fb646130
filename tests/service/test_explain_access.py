"""What rules, factors and readers had to do with an event, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edged.access.reasons import DENIALS
from edged.service.explain import explain

PAGE = Path(__file__).parents[2] / "docs" / "factors.md"
BY = {"rule": "staff", "line": 41}


def told(kind: str, **data: Any) -> Any:
    return explain({"type": kind, "data": data})


def test_card_and_pin_name_the_rule_its_line_and_the_reader() -> None:
    found = told(
        "access.granted", reason="permitted", rule=None, by=BY, factors=["card", "pin"],
        reader="keypad", direction="in", people=None, frames=0, person_id="p1",
    )  # fmt: skip
    assert found.what == "access was granted (p1)"
    assert found.why == "the rules let them in without a look at their face"
    assert found.facts == (
        "the rule of access that decided: staff, line 41 of the configuration",
        "what counted: card and pin, last shown at keypad, on the way in",
    )
    assert found.otherwise == ()


def test_a_face_that_the_rules_keep_out_is_told_with_what_the_face_said() -> None:
    found = told(
        "access.denied", reason="anti_passback", rule="clear_match", by=BY, factors=["face"],
        people=812, similarity=0.9, threshold=0.6, frames=3, person_id="p1",
    )  # fmt: skip
    assert found.rule == "clear_match"
    assert found.why.startswith(DENIALS["anti_passback"] + "; recognition itself: the best person")
    assert found.otherwise[0].startswith("them leaving first")
    assert any(line.startswith("compared with 812 people") for line in found.facts)


def test_somebody_who_is_inside_already_and_let_in() -> None:
    found = told("access.granted", reason="matched", factors=["face"], passback=True)
    assert "what counted: face; inside already, as far as is known" in found.facts


@pytest.mark.parametrize("reason", DENIALS)
def test_every_reason_has_its_words_and_stands_on_the_page(reason: str) -> None:
    found = told("access.denied", reason=reason, rule=None, people=None, reader="keypad")
    assert found.why == DENIALS[reason]
    assert f"| `{reason}` |" in PAGE.read_text(encoding="utf-8")


def test_garbage_about_the_rule_is_passed_over() -> None:
    for by in (None, "staff", {}, {"rule": 7}, {"rule": "staff", "line": "x"}):
        found = told("access.denied", reason="no_rule", by=by)
        assert all("line" not in line for line in found.facts)


@pytest.mark.parametrize(
    ("kind", "data", "what"),
    [
        ("access.duress", {"person_id": "p1", "opened": True}, "p1 was let in under duress"),
        ("access.duress", {}, "somebody was not let in under duress"),
        (
            "access.locked_out",
            {"what": "person", "person_id": "p1", "reader": "keypad", "rest_s": 15.0},
            "nothing is looked at of p1 for 15 s",
        ),
        (
            "access.locked_out",
            {"what": "reader", "reader": "keypad"},
            "nothing is looked at of keypad for a while",
        ),
        ("access.locked_out", {}, "nothing is looked at of a reader for a while"),
    ],
)
def test_alarms_have_their_words(kind: str, data: dict[str, Any], what: str) -> None:
    assert told(kind, **data).what == what
