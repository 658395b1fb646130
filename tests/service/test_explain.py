"""Why something happened, in words: for every rule, for old events and for garbage."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.outcome import Kind, Rule
from edged.door.mode import RULES as MODES
from edged.service.explain import EXPLAINED, RULES, explain
from edged.testing.builders import match
from edged.types import Candidate, Defect, Match
from tests.decision.fed import Fed, outcomes

if TYPE_CHECKING:
    from edged.decision.outcome import Outcome

NEW = ("rule", "policy", "review_threshold", "minimum_quality", "seen", "defects")


def event(outcome: Outcome, **more: Any) -> dict[str, Any]:
    """As the terminal tells an outcome."""
    data = asdict(outcome) | {"profile": "access", "policy": "3fa91c02be77"} | more
    if outcome.person_id is None:
        del data["person_id"]
    del data["kind"]
    return {"type": outcome.kind.value, "data": data}


def alike(first: float, second: float, *, marked: bool = False) -> Match:
    return Match((Candidate("p1", first, marked), Candidate("p2", second)), 100)


def happened(rule: Rule) -> Outcome:
    """A presentation that ends by this rule."""
    door, found, view = Fed(), match(0.9), {}
    if rule is Rule.LOOKALIKE_FACTOR:
        door, found = Fed(lookalikes="second_factor"), alike(0.9, 0.1, marked=True)
    elif rule is Rule.BELOW_THRESHOLD:
        found = match(0.44)
    elif rule is Rule.TOO_CLOSE:
        door, found = Fed(margin=0.1), alike(0.9, 0.88)
    elif rule is Rule.IMPLAUSIBLE:
        found = alike(1.5, 0.1)
    elif rule is Rule.BELOW_REVIEW:
        found = match(0.2)
    elif rule is Rule.GALLERY_EMPTY:
        found = Match((), 0)
    elif rule is Rule.WEAK_EVIDENCE:
        door = Fed(view_quality=0.1)
        view = {"quality": 0.2, "fused_quality": 0.41}
    elif rule is Rule.NO_USABLE_VIEW:
        view = {"quality": 0.1, "defects": (Defect.TOO_FAR,)}
    (outcome,) = outcomes(door.show(60, found, **view))
    assert outcome.rule is rule
    return outcome


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_its_words_and_says_what_would_have_changed_it(rule: Rule) -> None:
    told = explain(event(happened(rule)))
    assert told.rule == rule.value
    assert told.why == RULES[rule].why
    assert told.otherwise
    assert told.facts


@pytest.mark.parametrize("rule", Rule)
def test_what_older_software_told_is_understood_alike(rule: Rule) -> None:
    old = event(happened(rule))
    for name in NEW:
        old["data"].pop(name)
    told = explain(old)
    if rule is not Rule.IMPLAUSIBLE:  # it could not be told from the other
        assert told.rule == rule.value
        assert told.why == RULES[rule].why
    assert told.facts
    assert not any("None" in line for line in (*told.facts, *told.otherwise))


def test_what_would_have_changed_it_is_told_in_numbers() -> None:
    below = happened(Rule.BELOW_THRESHOLD)
    assert below.threshold is not None
    assert explain(event(below)).otherwise[0] == (
        f"{below.threshold - 0.44:.3f} more similarity, to reach the threshold "
        f"{below.threshold:.3f}"
    )
    close = explain(event(happened(Rule.TOO_CLOSE))).otherwise[0]
    assert close == "two people alike: 0.020 ahead, 0.100 needed"
    weak = explain(event(happened(Rule.WEAK_EVIDENCE))).otherwise[0]
    assert weak == "a clearer view: quality 0.41 of 0.50 needed"
    unusable = explain(event(happened(Rule.NO_USABLE_VIEW))).otherwise[0]
    assert unusable == "a clearer view: quality 0.10 of 0.50 needed (it was too far)"


@pytest.mark.parametrize("mode", [name for name, rule in MODES.items() if not rule.recognised])
def test_a_mode_that_keeps_the_door_shut_is_why(mode: str) -> None:
    told = event(happened(Rule.CLEAR_MATCH), reason=mode)
    told["type"] = Kind.DENIED.value
    found = explain(told)
    assert found.what == "access was denied (recognised: p1)"
    assert "door.mode" in found.why
    assert found.otherwise[0] == "the mode normal, by door.mode"


def test_a_name_is_told_only_where_the_event_holds_one() -> None:
    outcome = happened(Rule.CLEAR_MATCH)
    assert explain(event(outcome)).what == "access was granted (p1)"
    named = explain(event(outcome, name="Eileen Collins"))
    assert named.what == "access was granted (Eileen Collins, p1)"


@pytest.mark.parametrize(
    ("kind", "data", "what", "why"),
    [
        (
            "door.unlocked",
            {"command": "j1", "key": "site", "cause": "delivery"},
            "the door was opened",
            "the site ordered it; nobody was recognised for it",
        ),
        (
            "command.refused",
            {
                "command": "door.unlock",
                "id": None,
                "key": None,
                "reason": "expired",
                "text": "late",
            },
            "the command door.unlock was refused",
            "expired: late",
        ),
        (
            "command.refused",
            {"command": None, "reason": "malformed", "unrecorded": 4},
            "the command (unreadable) was refused",
            "malformed",
        ),
        (
            "enrol.failed",
            {"person_id": "E1", "command": "j1", "reason": "duplicate", "text": "t", "other": "E2"},
            "E1 was not enrolled",
            "duplicate: t",
        ),
        ("enrol.failed", {}, "somebody was not enrolled", "not told"),
        ("camera.lost", {"reason": "gone"}, "camera.lost", "not a decision; this is what was told"),
    ],
)
def test_what_is_no_decision_about_a_face_has_its_words_too(
    kind: str, data: dict[str, Any], what: str, why: str
) -> None:
    told = explain({"type": kind, "data": data})
    assert (told.what, told.why, told.rule) == (what, why, None)


def test_an_event_whose_person_was_erased_says_so() -> None:
    told = explain({"type": "access.granted", "data": {}, "redacted": "x" * 43})
    assert (told.rule, told.facts, told.otherwise) == (None, (), ())
    assert "erased" in told.why


def test_a_rule_of_newer_software_is_not_guessed() -> None:
    told = explain({"type": "access.denied", "data": {"rule": "by_gait", "reason": "not_enrolled"}})
    assert told.rule is None
    assert "newer software" in told.why


NAMES = (
    "rule", "reason", "similarity", "runner_up", "threshold", "review_threshold", "implied_fpir",
    "people", "margin", "lookalike", "quality", "fused_quality", "minimum_quality", "frames",
    "seen", "defects", "duration_s", "instructions", "profile", "policy", "model", "person_id",
    "name", "command", "id", "key", "text", "cause", "unrecorded", "other", "by", "factors",
    "reader", "direction", "passback", "opened", "what", "rest_s",
)  # fmt: skip
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
kinds = st.sampled_from(sorted(EXPLAINED)) | st.text(min_size=1, max_size=8)
reasons = (
    st.sampled_from(
        ["matched", "lookalike", "doubtful", "secured", "come_closer", "permitted", "no_rule"]
    )
    | values
)
bodies = st.dictionaries(st.sampled_from(NAMES), values) | values


@given(kinds, bodies, st.sampled_from(sorted(Rule)) | values, reasons)
def test_no_event_is_too_strange(kind: str, body: Any, rule: Any, reason: Any) -> None:
    if isinstance(body, dict):
        body = {**body, "rule": rule, "reason": reason}
    told = explain({"type": kind, "data": body})
    assert told.what
    assert all(isinstance(line, str) for line in (*told.facts, *told.otherwise))


def test_the_page_lists_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
    table = page.partition("## Rules")[2].partition("## Fields")[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE) == ["rule", *Rule]
