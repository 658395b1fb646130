"""What ``edged check`` says of rules that cannot be meant."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

from edged.access.findings import findings
from edged.access.grid import Grid
from edged.access.request import Ask, Subject
from edged.access.rulebook import Rulebook
from edged.access.weekly import compiled
from edged.config.access import Schedule
from edged.config.load import Lines, parse
from tests.access.books import at, written

NOW = at("2026-06-01T12:00")  # a Monday
OFFICE = {"days": {"mon-fri": ["08:00-18:00"]}}
NIGHT = {"days": {"daily": ["22:00-06:00"]}}
WEEKEND = {"days": {"sat-sun": ["00:00-24:00"]}}
EVENING = {"days": {"mon-fri": ["17:00-22:00"]}}
SHUT_ON_HOLIDAYS = {"days": {"daily": ["00:00-24:00"], "holidays": []}}
HOLIDAYS = {"days": {"daily": [], "holidays": ["00:00-24:00"]}}
READER = {"wall": {"driver": "simulated", "pipe": "/run/wall"}}


@dataclass
class Enrolled:
    people: set[str] = field(default_factory=lambda: {"p-1"})
    groups: set[str] = field(default_factory=lambda: {"staff", "guard"})


def told(known: Enrolled | None = None, now: float = NOW, **sections: Any) -> list[str]:
    """What is found, each as ``path: text``; their lines are those of the paths."""
    text = written(**sections)
    config, lines = parse(text), Lines("edged.yaml", text)
    found = findings(config, Rulebook.of(config, lines), now, lines, known)
    for one in found:
        line = lines.line(one.place)
        assert line is not None
        assert one.told(lines).startswith(f"edged.yaml:{line}:")
        assert "\n" not in one.text
    return [one.told(None) for one in found]


def of_rules(*rules: dict[str, Any], **sections: Any) -> list[str]:
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(rules)]
    schedules = {
        "office": OFFICE,
        "night": NIGHT,
        "weekend": WEEKEND,
        "evening": EVENING,
        **sections.pop("schedules", {}),
    }
    return told(access={"rules": named}, schedules=schedules, readers=READER, **sections)


def test_rules_that_can_be_meant_are_not_complained_of() -> None:
    assert told() == []
    assert told(access={}) == []
    assert (
        of_rules(
            {"groups": ["staff"], "when": "night", "deny": True},  # an exception
            {"groups": ["staff"]},
            {"groups": ["guard"], "when": "night"},
            {"groups": ["guard"], "when": "office", "factors": [["face", "card"], ["card", "pin"]]},
            {"deny": True},
        )
        == []
    )
    assert (
        of_rules({"groups": ["staff"], "when": "office"}, {"groups": ["staff"], "deny": True}) == []
    )


@pytest.mark.parametrize(
    ("rules", "dead", "by"),
    [
        ([{}, {"groups": ["staff"]}], 1, "rule r0 (line "),
        ([{"deny": True}, {"groups": ["staff"]}], 1, "rule r0"),
        ([{"groups": ["staff"]}, {"groups": ["staff"], "when": "office"}], 1, "rule r0"),
        ([{"groups": ["a", "b"]}, {"groups": ["b", "a"], "deny": True}], 1, "rule r0"),
        ([{"groups": ["a"]}, {"groups": ["b"]}, {"groups": ["a", "b"]}], 2, "rule r1"),
        ([{"people": ["p-1"]}, {"people": ["p-1"], "factors": [["card"]]}], 1, "rule r0"),
        (
            [{"when": "office"}, {"when": "weekend"}, {"when": "evening"}, {"when": "office"}],
            3,
            "rule r0",
        ),
        (  # together: 22-24 by the night, 17-22 by the evening
            [{"when": "night"}, {"when": "evening"}, {"when": "late"}],
            2,
            "rule r1",
        ),
    ],
)
def test_a_rule_that_others_leave_nothing_to_is_told(
    rules: list[dict[str, Any]], dead: int, by: str
) -> None:
    late = {"days": {"mon-fri": ["17:30-23:30"]}}
    found = of_rules(*rules, schedules={"late": late})
    assert len(found) == 1
    assert found[0].startswith(f"access.rules.{dead}: rule r{dead} is never reached: ")
    assert by in found[0]
    assert "move it up" in found[0]


@pytest.mark.parametrize(
    "rules",
    [
        [{"groups": ["staff"]}, {}],
        [{"groups": ["staff"]}, {"groups": ["staff", "guard"]}],
        [{"groups": ["staff"], "when": "office"}, {"groups": ["staff"]}],
        [{"groups": ["staff"]}, {"people": ["p-1"]}],
        [{"when": "office"}, {"when": "night"}],
        [{"when": "night"}, {"when": "midnight"}],
    ],
)
def test_a_rule_that_has_something_left_is_not_dead(rules: list[dict[str, Any]]) -> None:
    midnight = {"days": {"daily": ["23:00-06:01"]}}  # one minute more than the night
    assert of_rules(*rules, schedules={"midnight": midnight}) == []


def test_holidays_decide_whether_a_rule_is_dead() -> None:
    rules = [{"when": "but"}, {"groups": ["staff"], "when": "office"}]
    schedules = {"but": SHUT_ON_HOLIDAYS}
    assert "never reached" in of_rules(*rules, schedules=schedules)[0]
    assert of_rules(*rules, schedules=schedules, holidays={"dates": ["2027-01-01"]}) == []
    rules = [{"when": "but"}, {"when": "feast"}, {"groups": ["staff"], "when": "office"}]
    schedules["feast"] = HOLIDAYS
    found = of_rules(*rules, schedules=schedules, holidays={"country": "DE"})
    assert [line.split(":")[0] for line in found] == ["access.rules.2"]


def test_validity_decides_whether_a_rule_is_dead() -> None:
    until = {"until": {**OFFICE, "valid_until": "2026-12-31"}}
    rules = [{"when": "until"}, {"groups": ["staff"], "when": "office"}]
    assert of_rules(*rules, schedules=until) == []  # from 2027 on it is reached
    both = {**until, "then": {**OFFICE, "valid_from": "2027-01-01"}}
    rules = [{"when": "until"}, {"when": "then"}, {"groups": ["staff"], "when": "office"}]
    found = of_rules(*rules, schedules=both)
    assert [line.split(":")[0] for line in found] == ["access.rules.2"]
    both["then"] = {**OFFICE, "valid_from": "2027-01-05"}  # Friday the 1st and Monday are left
    assert of_rules(*rules, schedules=both) == []


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (
            [
                {"groups": ["staff"], "when": "office"},
                {"groups": ["staff"], "when": "evening", "deny": True},
            ],
            "rule r1 keeps group staff out at mon 17:00, where rule r0 (line ",
        ),
        (
            [
                {"groups": ["staff"], "when": "evening", "deny": True},
                {"groups": ["staff"], "when": "office"},
            ],
            "rule r1 lets group staff in at mon 17:00, where rule r0",
        ),
        (
            [{"groups": ["staff"], "deny": True}, {"groups": ["guard", "staff"]}],
            "rule r1 lets group staff in at ",
        ),
        ([{"people": ["p-1"], "deny": True}, {"people": ["p-1", "p-2"]}], "person p-1"),
        ([{"when": "office"}, {"when": "evening", "deny": True}], "keeps everybody out"),
    ],
)
def test_rules_that_contradict_each_other_are_told(rules: list[dict[str, Any]], text: str) -> None:
    found = of_rules(*rules)
    assert len(found) == 1
    assert found[0].startswith("access.rules.1: ")
    assert text in found[0]
    assert "and counts" in found[0]


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ({"days": {"mon-fri": []}}, "it has no spans"),
        ({"days": {"mon": [], "holidays": []}}, "it has no spans"),
        ({**OFFICE, "valid_until": "2026-05-31"}, "it was valid until 2026-05-31"),
        ({"days": {"mon": [], "holidays": ["08:00-09:00"]}}, "holidays only, and there are none"),
        (
            {
                "days": {"mon": ["08:00-09:00"]},
                "valid_from": "2026-06-02",
                "valid_until": "2026-06-07",
            },
            "no day on which it is valid has a span",
        ),
    ],
)
def test_a_schedule_that_never_opens_is_told(schedule: dict[str, Any], text: str) -> None:
    found = told(schedules={"it": schedule})
    assert len(found) == 1
    assert found[0].startswith("schedules.it: never opens: ")
    assert text in found[0]


@pytest.mark.parametrize(
    "schedule",
    [
        {**OFFICE, "valid_until": "2026-06-01"},
        {**OFFICE, "valid_from": "2090-01-01"},
        {"days": {"sun": ["22:00-13:00"]}, "valid_until": "2026-05-31"},  # its night is not over
        {"days": {"holidays": ["08:00-09:00"]}},
    ],
)
def test_a_schedule_that_opens_one_day_is_not_told(schedule: dict[str, Any]) -> None:
    assert told(schedules={"it": schedule}, holidays={"country": "DE"}) == []


def test_a_rule_whose_schedule_never_opens_stands_in_nobody_s_way() -> None:
    found = of_rules(
        {"groups": ["staff"], "when": "never", "deny": True},
        {"groups": ["staff"]},
        schedules={"never": {"days": {"mon": []}}},
    )
    assert [line.split(": ")[0] for line in found] == ["schedules.never"]


def test_groups_and_people_who_are_not_enrolled_are_told() -> None:
    sections: dict[str, Any] = {
        "access": {
            "qr": {"groups": ["visitor"]},
            "rules": [
                {"name": "a", "groups": ["staff", "stuff"], "escort": ["nobody"]},
                {"name": "b", "groups": ["visitor"], "after": ["guard", "boss"]},
                {"name": "c", "people": ["p-1", "p-2"]},
            ],
        },
        "schedules": {"office": OFFICE},
        "door": {
            "driver": "simulated",
            "lockdown_groups": ["fire-brigade"],
            "timetable": [{"mode": "open", "when": "office", "first_in": ["early"]}],
        },
    }
    found = told(Enrolled(), **sections)
    assert [line.split(": ")[0] for line in found] == [
        "access.rules.0.groups.1",
        "access.rules.0.escort.0",
        "access.rules.1.after.1",
        "door.timetable.0.first_in.0",
        "door.lockdown_groups.0",
        "access.rules.2.people.1",
    ]
    assert "did you mean 'staff'?" in found[0]
    assert "see `edged gallery list`" in found[1]
    assert told(None, **sections) == []
    assert told(Enrolled(people=set()), **sections) == []  # the first is not enrolled yet
    assert told(Enrolled(), schedules={"office": OFFICE}) == []


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        (
            {"access": {"rules": [{"name": "a", "factors": [["face"], ["card", "pin"]]}]}},
            [
                (
                    "access.rules.0.factors.1: nothing here reads a card and a PIN; configure "
                    "readers, or leave this set out"
                )
            ],
        ),
        (
            {"access": {"rules": [{"name": "a", "factors": [["qr"]]}]}},
            [
                (
                    "access.rules.0.factors.0: nothing here reads a QR code; so nobody passes by "
                    "rule a; configure access.qr, or leave this set out"
                )
            ],
        ),
        (
            {"access": {"factors": [["face", "card"]]}},
            [
                (
                    "access.factors.0: nothing here reads a card; so nobody passes by "
                    "access.factors; configure readers, or leave this set out"
                )
            ],
        ),
        ({"access": {"factors": [["card"]], "rules": [{"name": "a", "deny": True}]}}, []),
        ({"access": {"factors": [["pin"]]}, "web": {"pin_pad": True}}, []),
        ({"access": {"factors": [["qr", "card"]], "qr": {}}, "readers": READER}, []),
        (
            {
                "access": {"factors": [["card"], ["card", "pin"]]},
                "readers": {"s": {"driver": "serial", "device": "/dev/ttyS0"}},
            },
            [
                (
                    "access.factors.1: nothing here reads a PIN; configure readers, "
                    "or leave this set out"
                )
            ],
        ),
        (
            {"access": {}, "decision": {"doubtful": "second_factor"}},
            [
                (
                    "access.second_factor: a second factor is asked for in doubt, and nothing here "
                    "reads one of these; configure a reader"
                )
            ],
        ),
        (
            {"access": {}, "decision": {"doubtful": "second_factor"}, "readers": READER},
            [],
        ),
    ],
)
def test_factors_that_nothing_can_read_are_told(
    sections: dict[str, Any], expected: list[str]
) -> None:
    assert told(**sections) == expected


def test_spans_of_a_timetable_that_want_different_things_at_once_are_told() -> None:
    sections: dict[str, Any] = {
        "schedules": {"office": OFFICE, "evening": EVENING, "night": NIGHT},
        "door": {
            "driver": "simulated",
            "timetable": [
                {"mode": "open", "when": "office"},
                {"mode": "secured", "when": "night"},
                {"mode": "secured", "when": "evening"},
                {"mode": "open", "when": "office"},
            ],
        },
        "attendance": {
            "timetable": [
                {"state": "in", "when": "office"},
                {"state": "out", "when": "evening"},
                {"state": "in", "when": "night"},
            ]
        },
    }
    found = told(**sections)
    assert [line.split(": ")[0] for line in found] == [
        "door.timetable.2",
        "door.timetable.3",
        "attendance.timetable.1",
    ]
    assert "secured holds together with open (line " in found[0]
    assert "as at mon 17:00" in found[0]
    assert "out holds together with in (line " in found[2]


def test_times_in_texts_say_on_which_day_where_that_matters() -> None:
    found = of_rules(
        {"when": "office"},
        {"when": "soon", "deny": True},
        schedules={"soon": {**EVENING, "valid_from": "2026-07-01"}},
        holidays={"dates": ["2027-01-01"]},
    )
    assert "2026-07-01 wed 17:00" in found[0]
    found = of_rules(
        {"when": "feast"},
        {"when": "office", "deny": True},
        schedules={"feast": HOLIDAYS},
        holidays={"dates": ["2027-01-01"]},
    )
    assert "mon 08:00 of a holiday" in found[0]


def test_very_many_changes_of_validity_are_looked_at_for_a_while_only() -> None:
    days = [date(2027, 1, 1) + timedelta(days=number) for number in range(100)]
    schedules = {
        f"s{number}": {"days": {"daily": ["08:00-09:00"]}, "valid_from": day.isoformat()}
        for number, day in enumerate(days)
    }
    found = of_rules(
        *({"when": name, "groups": ["staff"]} for name in schedules),
        {"when": "s0", "groups": ["staff"]},
        {"when": "office", "groups": ["guard"]},
        {"when": "evening", "groups": ["guard"], "deny": True},
        schedules=schedules,
    )
    assert len(found) == 2
    assert found[0].startswith("schedules: become or cease to be valid on more than 60 days")
    assert f"holds until {days[59]}" in found[0]
    assert "mon 17:00, where rule r101" in found[1]  # what contradicts does so in any case

    names = {name: Schedule.model_validate(one) for name, one in schedules.items()}
    grid = Grid(compiled(names), list(names), holidays=True, today=date(2026, 6, 1).toordinal())
    assert grid.until == days[59]
    assert 0 < grid.of("s0").bit_length() <= 60 * 8 * 4 * 1440
    assert not grid.of("s99")


def test_dead_rules_are_those_that_decide_at_no_minute() -> None:
    """Random rulebooks against asking for everybody at every quarter of an hour of two weeks."""
    chance = random.Random(7)
    for _ in range(25):
        schedules = {f"s{n}": {"days": days(chance)} for n in range(4)}
        rules = [rule(chance, number) for number in range(chance.randint(2, 6))]
        text = written(schedules=schedules, access={"rules": rules})
        config, lines = parse(text), Lines("edged.yaml", text)
        book = Rulebook.of(config, lines)
        subjects = [Subject("x", frozenset(), False)]
        subjects += [Subject("x", frozenset({name})) for name in "abc"]
        decided = {
            book.rule(Ask(one, NOW + quarter * 900, frozenset())).rule
            for one in subjects
            for quarter in range(8 * 96)
        }
        found = [f.text for f in findings(config, book, NOW, lines)]
        for one in book.rules:
            never = any(f"rule {one.name} is never reached" in text for text in found)
            empty = any(one.when == name and not any(spans(s)) for name, s in schedules.items())
            assert (one.name in decided) != (never or empty), (rules, schedules, found)


def days(chance: random.Random) -> dict[str, list[str]]:
    def span() -> str:
        begin, end = chance.sample(range(0, 24, 3), 2)
        return f"{begin:02}:00-{end:02}:00"

    names = ["daily", "mon-fri", "sat-sun", "fri-mon"]
    return {name: [span()] for name in chance.sample(names, chance.randint(1, 2))}


def spans(schedule: dict[str, Any]) -> list[list[str]]:
    return list(schedule["days"].values())


def rule(chance: random.Random, number: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": f"r{number}",
        "groups": sorted(chance.sample("abc", chance.randint(0, 2))),
        "when": chance.choice(["always", "s0", "s1", "s2", "s3"]),
    }
    if chance.random() < 0.3:
        made["deny"] = True
    return made
