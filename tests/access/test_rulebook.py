"""The rules' answer: the first that fits decides, and showing more never loses anything."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.access.request import Ask, Factor, Subject
from edged.access.rulebook import Rulebook
from edged.errors import ConfigError, RulesError
from tests.access.books import ask, at, book_of, configured

MONDAY_NOON = at("2026-06-01T12:00")
SUNDAY_NOON = at("2026-06-07T12:00")
FACE, CARD, PIN, QR = Factor.FACE, Factor.CARD, Factor.PIN, Factor.QR
WEEK = {"office": {"days": {"mon-fri": ["08:00-18:00"]}}}


def rules(*listed: dict[str, Any], **access: Any) -> Rulebook:
    named = [{"name": f"r{number}", **one} for number, one in enumerate(listed)]
    return book_of(schedules=WEEK, access={"rules": named, **access})


def test_without_a_section_everybody_known_passes_by_face_alone() -> None:
    book = book_of()
    ruling = book.rule(ask(when=MONDAY_NOON))
    assert (ruling.allowed, ruling.reason, ruling.rule, ruling.line) == (
        True,
        "permitted",
        None,
        None,
    )
    ruling = book.rule(ask(when=MONDAY_NOON, factors=(CARD,)))
    assert (ruling.allowed, ruling.reason) == (False, "factor_missing")
    assert ruling.missing == (frozenset({FACE}),)
    assert "face" in ruling.why


def test_without_rules_the_section_s_factors_count() -> None:
    book = rules(factors=[["card", "pin"], ["face"]])
    assert book.rule(ask(when=MONDAY_NOON, factors=(CARD, PIN))).allowed
    assert book.rule(ask(when=MONDAY_NOON)).allowed
    assert not book.rule(ask(when=MONDAY_NOON, factors=(CARD,))).allowed


def test_a_rule_fits_groups_people_or_everybody_while_its_schedule_holds() -> None:
    book = rules(
        {"groups": ["staff", "boss"], "when": "office"},
        {"people": ["p-9"], "when": "office"},
        {"groups": ["guard"]},
    )
    assert book.rule(ask("staff", when=MONDAY_NOON)).rule == "r0"
    assert book.rule(ask("x", "boss", when=MONDAY_NOON)).rule == "r0"
    assert book.rule(ask(person="p-9", when=MONDAY_NOON)).rule == "r1"
    assert book.rule(ask("guard", "staff", when=MONDAY_NOON)).rule == "r0"
    assert book.rule(ask("guard", "staff", when=SUNDAY_NOON)).rule == "r2"
    for nobody in (
        ask("staff", when=SUNDAY_NOON),
        ask(when=MONDAY_NOON),
        ask("Staff", when=MONDAY_NOON),
    ):
        ruling = book.rule(nobody)
        assert (ruling.allowed, ruling.reason, ruling.rule) == (False, "no_rule", None)
    assert rules({}).rule(ask(when=SUNDAY_NOON)).rule == "r0"


def test_the_first_rule_that_fits_decides_also_to_keep_out() -> None:
    book = rules({"people": ["p-1"], "deny": True}, {"groups": ["staff"]})
    ruling = book.rule(ask("staff", person="p-1", when=MONDAY_NOON, factors=(FACE, CARD, PIN, QR)))
    assert (ruling.allowed, ruling.reason, ruling.rule) == (False, "denied_by_rule", "r0")
    assert book.rule(ask("staff", person="p-2", when=MONDAY_NOON)).allowed


def test_what_is_missing_is_told_the_shortest_first() -> None:
    book = rules({"factors": [["card", "pin", "face"], ["qr"], ["card", "pin"]]})
    ruling = book.rule(ask(when=MONDAY_NOON))
    assert ruling.reason == "factor_missing"
    assert ruling.missing == (frozenset({QR}), frozenset({CARD, PIN}))
    assert book.rule(ask(when=MONDAY_NOON, factors=(FACE, CARD))).missing == (
        frozenset({PIN}),
        frozenset({QR}),
    )
    assert book.rule(ask(when=MONDAY_NOON, factors=(QR,))).missing == ()
    assert book.rule(ask(when=MONDAY_NOON, factors=())).missing[0] == frozenset({QR})


def test_what_a_rule_asks_for_beside_is_told_along() -> None:
    book = rules({"two_people": True, "escort": ["staff"], "after": ["boss", "staff"]})
    for factors in ((FACE,), ()):
        ruling = book.rule(ask(when=MONDAY_NOON, factors=factors))
        assert ruling.two_people
        assert ruling.escort == ("staff",)
        assert ruling.after == ("boss", "staff")


def test_a_ruling_names_the_line_of_its_rule() -> None:
    text = """
site: hq
terminal: door-1
camera: {driver: opencv}
key: {env: K}
door: {driver: simulated}
time_zone: Europe/Berlin
access:
  rules:
    - name: one
      groups: [a]
    # a remark
    - {name: two, groups: [b]}
    -
      groups: [c]
      name: three
"""
    from edged.config.load import Lines, parse

    lines = Lines("edged.yaml", text)
    book = Rulebook.of(parse(text), lines)
    told = {g: book.rule(ask(g, when=MONDAY_NOON)).line for g in "abc"}
    assert told == {"a": 10, "b": 13, "c": 15}
    assert lines.quote(13) == "- {name: two, groups: [b]}"


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -1e300, 1e15])
def test_at_what_is_no_moment_nobody_passes_by_a_rule(moment: float) -> None:
    book = rules({}, {"deny": True})
    assert book.rule(ask("staff", when=moment)).reason == "no_rule"
    assert book.rule(ask("staff", when=MONDAY_NOON)).allowed


def test_a_person_in_1000_groups_meets_500_rules() -> None:
    schedules = {
        f"s{n}": {"days": {"daily": [f"{n % 20:02}:00-{n % 20 + 1:02}:00"]}} for n in range(500)
    }
    listed = [{"name": f"r{n}", "groups": [f"g{n}"], "when": f"s{n}"} for n in range(500)]
    book = book_of(schedules=schedules, access={"rules": listed})
    many = Subject("p-1", frozenset(f"g{n}" for n in range(1000)))
    for hour in range(24):
        ruling = book.rule(Ask(many, at(f"2026-06-01T{hour:02}:30"), frozenset({FACE})))
        assert ruling.rule == (f"r{hour}" if hour < 20 else None)
    stranger = Subject("p-2", frozenset(f"x{n}" for n in range(100_000)))
    assert book.rule(Ask(stranger, MONDAY_NOON, frozenset({FACE}))).reason == "no_rule"


def test_every_name_that_nobody_defined_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        book_of(
            schedules={**WEEK, "always": {"days": {"daily": ["08:00-09:00"]}}},
            access={"rules": [{"name": "a", "when": "ofice"}, {"name": "b", "when": "never"}]},
            door={"driver": "simulated", "timetable": [{"mode": "open", "when": "nite"}]},
            attendance={"timetable": [{"state": "in", "when": "early"}]},
        )
    lines = caught.value.problems
    assert len(lines) == 5
    assert any(
        line.endswith("access.rules.0.when: unknown schedule; did you mean office?")
        for line in lines
    )
    assert len({line.split(":")[1] for line in lines}) == 5  # each in a line of its own
    for place in (
        "schedules.always:",
        "access.rules.1.when:",
        "door.timetable.0.when:",
        "attendance.timetable.0.when:",
    ):
        assert any(place in line for line in lines), place


def test_holidays_that_cannot_be_told_are_told_with_their_line() -> None:
    with pytest.raises(RulesError) as caught:
        book_of(holidays={"country": "XX", "calendars": ["/nowhere.ics"]})
    told = str(caught.value).splitlines()
    assert len(told) == 2
    assert "holidays.calendars.0: /nowhere.ics: cannot be read" in told[0]
    assert "holidays.country: the library holidays knows no 'XX'" in told[1]
    assert all(line.startswith("edged.yaml:") for line in told)
    with pytest.raises(RulesError, match=r"^holidays\.country: "):
        Rulebook.of(configured(holidays={"country": "XX"}))


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a\nb", "../x", "- x", "&a", "*a", "!!python/object:x", "a: b", "x" * 65, "ä"],
)
def test_a_rule_has_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigError):
        configured(access={"rules": [{"name": name}]})


@pytest.mark.parametrize(
    "tail",
    [
        "    - &r {name: a, groups: [g]}\n    - *r\n",  # the same rule twice
        "    - {name: a, groups: [g], <<: {deny: true}}\n",
        "    - {name: a, groups: [g], groups: [h]}\n",
        "    - {name: yes, groups: [g]}\n",
        "    - {name: 12, groups: [g]}\n",
        "    - {name: a, groups: g}\n",
        "    - {name: a, factors: [face]}\n",
        "    - {name: a, factors: [[]]}\n",
        "    - {name: a, factors: []}\n",
        "    - {name: a, deny: true, two_people: true}\n",
        "    - name: a\n      when: [office]\n",
        "    - " * 40 + "x\n",
    ],
)
def test_tricks_of_yaml_make_no_rules(tail: str) -> None:
    from edged.config.load import parse
    from tests.access.books import written

    with pytest.raises(ConfigError):
        parse(written() + "access:\n  rules:\n" + tail)


groups = st.frozensets(st.sampled_from("abcd"), max_size=3)
factor_sets = st.frozensets(st.sampled_from(list(Factor)), min_size=1, max_size=3)
listed_sets = st.lists(factor_sets, min_size=1, max_size=3)


@st.composite
def books(draw: st.DrawFn) -> Rulebook:
    listed = []
    for number in range(draw(st.integers(0, 6))):
        rule: dict[str, Any] = {
            "name": f"r{number}",
            "groups": sorted(draw(groups)),
            "when": draw(st.sampled_from(["office", "always", "night"])),
        }
        if draw(st.booleans()):
            rule["deny"] = True
        elif draw(st.booleans()):
            rule["factors"] = [[factor.value for factor in one] for one in draw(listed_sets)]
        listed.append(rule)
    night = {"days": {"daily": ["20:00-06:00"]}}
    return book_of(schedules={**WEEK, "night": night}, access={"rules": listed})


@given(books(), groups, st.integers(0, 7 * 24 * 4))
@settings(max_examples=80, deadline=None)
def test_whoever_shows_more_never_loses_access(
    book: Rulebook, theirs: frozenset[str], quarter: int
) -> None:
    moment = MONDAY_NOON + quarter * 900
    subject = Subject("p-1", theirs)
    answers = {
        frozenset(shown): book.rule(Ask(subject, moment, frozenset(shown)))
        for size in range(5)
        for shown in combinations(Factor, size)
    }
    assert not answers[frozenset()].allowed
    for fewer, ruling in answers.items():
        assert book.rule(Ask(subject, moment, fewer)) == ruling  # the same again
        for more, other in answers.items():
            if fewer <= more:
                assert other.allowed >= ruling.allowed
                assert other.rule == ruling.rule
        for missing in ruling.missing:
            assert answers[fewer | missing].allowed
        assert bool(ruling.missing) == (ruling.reason == "factor_missing")
    assert {one.rule for one in answers.values()} == {answers[frozenset()].rule}


@given(books(), groups, st.lists(st.integers(0, 7 * 24 * 4), min_size=2, max_size=20))
@settings(max_examples=40, deadline=None)
def test_answers_do_not_depend_on_what_was_asked_before(
    book: Rulebook, theirs: frozenset[str], quarters: list[int]
) -> None:
    moments = [MONDAY_NOON + quarter * 900 for quarter in quarters]
    asked = [Ask(Subject("p-1", theirs), one, frozenset({FACE})) for one in moments]
    first = [book.rule(one) for one in asked]
    assert [book.rule(one) for one in reversed(asked)] == first[::-1]
    for one, answer in zip(asked, first, strict=True):
        fitting = [
            rule
            for rule in book.rules
            if (not rule.groups or rule.groups & theirs)
            and book.calendar.in_force(rule.when, one.at)
        ]
        assert answer.rule == (fitting[0].name if fitting else None)
