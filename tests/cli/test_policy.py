"""``edged policy``: whom the rules let in, when, and by which line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran, Site

RULES: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "schedules": {
        "office": {"days": {"mon-fri": ["08:00-18:00"], "holidays": []}},
        "night": {"days": {"daily": ["22:00-06:00"]}},
    },
    "holidays": {"country": "DE"},
    "readers": {"wall": {"driver": "simulated", "pipe": "wall"}},
    "access": {
        "rules": [
            {"name": "staff", "groups": ["staff"], "when": "office"},
            {
                "name": "late",
                "groups": ["staff"],
                "when": "night",
                "factors": [["face", "card"], ["card", "pin"]],
                "two_people": True,
                "escort": ["guard"],
                "after": ["guard"],
            },
            {"name": "banned", "people": ["p-9"], "deny": True},
            {"name": "guards", "groups": ["guard"]},
        ],
    },
}


@pytest.fixture
def ruled(bare: Site) -> Site:
    """Configured with rules, without key and gallery."""
    bare.configure(**RULES)
    return bare


@pytest.fixture
def policy(ruled: Site, edged: Callable[..., Ran]) -> Callable[..., Ran]:
    def run(*argv: object) -> Ran:
        return edged("policy", *argv, "-c", ruled.config)

    return run


def line_of(site: Site, text: str) -> int:
    lines = site.config.read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if line.strip() == text)


def test_explain_says_yes_and_by_which_line(policy: Callable[..., Ran], ruled: Site) -> None:
    ran = policy("explain", "p-1", "--groups", "staff", "--at", "2026-06-01T12:00")
    assert ran.code == 0
    line = line_of(ruled, "- name: staff")
    assert ran.out.splitlines() == [
        "yes: p-1, Mon 01 Jun 2026 12:00 CEST, with face",
        f"  {ruled.config}:{line}: - name: staff",
        "  schedule office is in force until Mon 01 Jun 2026 18:00 CEST",
    ]


def test_explain_says_what_is_missing_and_what_is_asked_for_beside(
    policy: Callable[..., Ran],
) -> None:
    ran = policy("explain", "p-1", "--groups", "staff", "--at", "2026-06-01T23:00")
    assert ran.out.splitlines()[0] == "no: p-1, Mon 01 Jun 2026 23:00 CEST, with face"
    for text in (
        "still to be shown: card, or card and pin",
        "two people of this rule",
        "together with somebody of: guard",
        "let in that day of: guard",
        "schedule night is in force until Tue 02 Jun 2026 06:00 CEST",
        "is about them, too: schedule office is not in force until Tue 02 Jun 2026 08:00 CEST",
    ):
        assert text in ran.out
    more = policy(
        "explain", "p-1", "--groups", "staff", "--at", "2026-06-01T23:00", "--factors", "face,card"
    )
    assert more.out.startswith("yes: ")


def test_explain_says_no_by_a_rule_by_none_and_on_a_holiday(policy: Callable[..., Ran]) -> None:
    at = ("--at", "2026-12-25T12:00")
    out = policy("explain", "p-9", "--groups", "", *at).out
    assert out.startswith("no: p-9")
    assert "rule banned keeps them out" in out
    assert "schedule always is in force, and that will not change" in out
    out = policy("explain", "--groups", "staff", *at).out
    assert out.startswith("no: somebody, Fri 25 Dec 2026 12:00 CET")
    assert "no rule is for them at this time" in out
    assert "rule staff (line " in out
    assert "office is not in force until Mon 28 Dec 2026 08:00 CET" in out


def test_explain_as_json_has_all_of_it(policy: Callable[..., Ran], ruled: Site) -> None:
    at = ("--at", "2026-06-01T23:00", "--direction", "out", "--factors", "card")
    told = policy("explain", "p-1", "--groups", "staff,x", *at, "--json").json
    assert told["allowed"] is False
    assert told["reason"] == "factor_missing"
    assert told["missing"] == [["face"], ["pin"]]
    assert told["rule"] == "late"
    assert told["line"] == line_of(ruled, "- name: late")
    assert told["yaml"] == "- name: late"
    assert told["file"] == str(ruled.config)
    assert told["groups"] == ["staff", "x"]
    assert told["direction"] == "out"
    assert told["schedule"] == {
        "name": "night",
        "in_force": True,
        "began": "2026-06-01T22:00:00+02:00",
        "next_change": "2026-06-02T06:00:00+02:00",
    }
    assert told["two_people"] is True
    assert told["with_everything_shown"] is True
    assert [one["rule"] for one in told["not_yet"]] == ["staff"]


def test_explain_counts_in_what_the_timetable_makes_of_the_door(
    bare: Site, edged: Callable[..., Ran]
) -> None:
    spans = [{"mode": "secured", "when": "night"}, {"mode": "open", "when": "office"}]
    door = {"driver": "simulated", "timetable": spans, "lockdown_groups": ["guard"]}
    bare.configure(**RULES, door=door)

    def asked(who: str, clock: str, *more: str) -> Ran:
        at = f"2026-06-01T{clock}"
        return edged("policy", "explain", "--groups", who, "--at", at, "-c", bare.config, *more)

    late = ("--factors", "face,card")
    shut = asked("staff", "23:00", *late)
    assert shut.out.startswith("no: ")
    assert "the timetable has the door secured until Tue 02 Jun 2026 06:00 CEST" in shut.out
    assert f"edged.yaml:{line_of(bare, '- mode: secured')}: - mode: secured" in shut.out
    told = asked("staff", "23:00", *late, "--json").json
    assert (told["allowed"], told["reason"]) == (False, "secured")
    assert told["door"]["lets_in"] is False
    assert asked("guard", "23:00").out.startswith("yes: ")
    assert asked("staff", "09:00").out.startswith("yes: ")
    assert "the timetable has the door open until" in asked("staff", "09:00").out


def test_without_rules_everybody_passes(bare: Site, edged: Callable[..., Ran]) -> None:
    bare.configure(time_zone="Europe/Berlin")
    ran = edged("policy", "explain", "--groups", "x", "-c", bare.config)
    assert ran.out.startswith("yes: somebody")
    assert "there are no rules" in ran.out
    told = edged("policy", "explain", "--groups", "x", "-c", bare.config, "--json").json
    assert (told["rule"], told["line"], told["schedule"]) == (None, None, None)
    assert "everybody" in edged("policy", "week", "-c", bare.config).out


def test_groups_come_from_the_gallery(site: Site, edged: Callable[..., Ran]) -> None:
    site.configure(**RULES)
    assert edged("policy", "explain", "p-1", "-c", site.config).code == 1
    enrol(site, "p-1", groups=("staff",), valid_until=1_800_000_000.0)
    out = edged("policy", "explain", "p-1", "--at", "2026-06-01T12:00", "-c", site.config).out
    assert out.startswith("yes: p-1")
    out = edged("policy", "explain", "p-1", "--at", "2027-06-01T12:00", "-c", site.config).out
    assert out.startswith("no: p-1")
    assert "not recognised then" in out
    told = edged(
        "policy", "explain", "p-1", "--at", "2027-06-01T12:00", "-c", site.config, "--json"
    ).json
    assert (told["allowed"], told["reason"]) == (False, "not_in_force")
    assert "p-1" in edged("policy", "week", "p-1", "-c", site.config).out


def enrol(site: Site, person_id: str, **profile: Any) -> None:
    """Somebody with a template that nobody will look at."""
    import numpy as np

    from edged.cli.gallery import opened
    from edged.config.load import load
    from edged.gallery.profile import Profile

    embedding = np.zeros(8, np.float32)
    embedding[0] = 1
    with opened(load(site.config)) as gallery:
        gallery.add(person_id, embedding, model="m@1#0", quality=0.9, source="test", limit=1)
        gallery.set_profile(person_id, Profile(**profile))


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("explain",), "say who"),
        (("week", "--groups", "x" * 201), "a group has at most"),
        (("explain", "--groups", "x", "--at", "soon"), "--at: expected a time"),
        (("explain", "--groups", "x", "--at", "2026-03-29T02:30"), "the clock skips this time"),
        (("explain", "--groups", "x", "--factors", "face,smile"), "'smile' is no factor"),
        (("explain", "a/b", "--groups", "x"), "cannot hold any of"),
        (("guess",), "invalid choice"),
    ],
)
def test_bad_usage_is_told(policy: Callable[..., Ran], argv: tuple[str, ...], text: str) -> None:
    ran = policy(*argv)
    assert ran.code == 2
    assert text in ran.err


def test_rules_that_cannot_be_used_are_told_with_their_line(
    bare: Site, edged: Callable[..., Ran]
) -> None:
    bare.configure(**RULES, peers=[])
    bare.configure(**{**RULES, "holidays": {"country": "XX"}})
    ran = edged("policy", "week", "-c", bare.config)
    assert ran.code == 2
    assert ran.err.startswith(f"{bare.config}:{line_of(bare, 'country: XX')}:")
    assert "holidays.country: " in ran.err


def test_a_week_is_a_table_of_who_may_when(policy: Callable[..., Ran]) -> None:
    ran = policy("week", "--at", "2026-12-23")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "week of Mon 21 Dec 2026, Europe/Berlin"
    assert [line for line in lines if line and line[0].isalpha()][1:] == [
        "group staff",
        "group guard",
        "p-9",
        "anybody else",
    ]
    assert (
        "  Mon–Thu   ▒▒▒▒▒▒▒▒▒▒▒▒····████████████████████········▒▒▒▒  "
        "00:00–06:00 face and card, or card and pin in twos with guard after guard; "
        "08:00–18:00 face; "
        "22:00–24:00 face and card, or card and pin in twos with guard after guard"
    ) in lines
    assert any("(Christmas Day)" in line and "Fri" in line for line in lines)
    assert "█ by face alone" in lines[-1]


def test_a_week_as_json_has_times_and_lines(policy: Callable[..., Ran], ruled: Site) -> None:
    told = policy("week", "--groups", "staff", "--at", "2026-12-23", "--json").json
    assert told["begins"] == "2026-12-21"
    monday = told["who"][0]["days"][0]
    assert [(one["from"], one["until"], one["rule"]) for one in monday["times"]] == [
        ("00:00", "06:00", "late"),
        ("06:00", "08:00", None),
        ("08:00", "18:00", "staff"),
        ("18:00", "22:00", None),
        ("22:00", "24:00", "late"),
    ]
    assert monday["times"][2]["line"] == line_of(ruled, "- name: staff")
    assert told["who"][0]["days"][4]["holiday"] == "Christmas Day"


DAY = """time,person,groups,factors,direction,entered,mode,fire
2026-06-01T09:00,p-1,staff,face,in,,,
2026-06-01T09:01,p-1,staff,face,in,,,
2026-06-01T09:02,p-2,staff;x,card+pin,in,,,
2026-06-01T09:03,p-2,staff,face,in,no,,
2026-06-01T09:04,p-2,staff,face,in,,,
2026-06-01T09:05,p-3,staff,face,in,,,
2026-06-01T09:06,,,,,,locked_down,
2026-06-01T09:07,p-1,staff,face,out,,,
2026-06-01T09:08,p-7,chief,face,in,,,
2026-06-01T09:09,,,,,,normal,on
2026-06-01T09:10,p-1,staff,face,out,,,

2026-06-01T09:11,,,,,,,off
2026-06-01T19:30,p-1,staff,face,in,,,
2026-06-01T23:00,p-2,staff,face+card,out,,,
2026-06-02T09:00,p-2,staff,face,in,,,
"""
EXPECTED = [
    (2, "opens", "permitted"),
    (3, "stays shut", "anti_passback"),
    (4, "stays shut", "factor_missing"),
    (5, "opens", "permitted"),  # yet nobody went in
    (6, "opens", "permitted"),
    (7, "stays shut", "area_full"),
    (8, "noted", "locked_down"),
    (9, "stays shut", "locked_down"),
    (10, "stays shut", "area_full"),  # of door.lockdown_groups, yet there is no room
    (11, "noted", "fire"),
    (12, "opens", "fire"),
    (14, "noted", "normal"),
    (15, "stays shut", "secured"),  # by the timetable
    (16, "opens", "permitted"),
    (17, "opens", "permitted"),  # forgiven at four
]
SIMULATED = {
    **RULES,
    "schedules": {**RULES["schedules"], "shut": {"days": {"daily": ["19:00-20:00"]}}},
    "door": {
        "driver": "simulated",
        "lockdown_groups": ["chief"],
        "timetable": [{"mode": "secured", "when": "shut"}],
    },
    "access": {
        "area": {"name": "lab", "most": 2, "passback": {"mode": "hard", "forgive_at": "04:00"}},
        "rules": [
            {"name": "staff", "groups": ["staff"], "when": "office"},
            {"name": "late", "groups": ["staff"], "factors": [["face"]]},
            {"name": "chiefs", "groups": ["chief"]},
            {"name": "idle", "groups": ["nobody"]},
        ],
    },
}


@pytest.fixture
def simulated(bare: Site, edged: Callable[..., Ran]) -> Callable[..., Ran]:
    """Simulates what is written into a file of this name."""
    bare.configure(**SIMULATED)

    def run(name: str, text: str | bytes, *more: str) -> Ran:
        path = bare.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return edged("policy", "simulate", path, "-c", bare.config, *more)

    return run


def test_a_day_comes_out_as_a_table_says(simulated: Callable[..., Ran]) -> None:
    ran = simulated("day.csv", DAY, "--json")
    found = [(one["line"], one["verdict"], one["reason"]) for one in ran.json["events"]]
    assert found == EXPECTED
    summary = ran.json["summary"]
    assert summary["rules_that_decided_nothing"] == ["idle"]
    assert summary["inside"] == 1
    assert summary["verdicts"]["noted"] == 3

    text = simulated("day.csv", DAY).out
    assert "p-1              stays shut  anti_passback: " in text
    assert "rule idle decided nothing" in text
    assert "inside at the end: 1" in text


def test_the_same_day_as_json_lines(simulated: Callable[..., Ran]) -> None:
    header, *rows = DAY.splitlines()
    names = header.split(",")
    lines = []
    for row in filter(None, rows):
        event = {n: v for n, v in zip(names, row.split(","), strict=True) if v}
        if "groups" in event:
            event["groups"] = event["groups"].split(";")
        if "fire" in event:
            event["fire"] = event["fire"] == "on"
        if "entered" in event:
            event["entered"] = False
        lines.append(json.dumps(event))
    told = simulated("day.jsonl", "\n".join(lines) + "\n", "--json").json
    csv = simulated("day.csv", DAY, "--json").json
    assert told["summary"] == csv["summary"]
    for one, other in zip(told["events"], csv["events"], strict=True):
        assert {**one, "line": 0} == {**other, "line": 0}


def test_two_people_and_the_first_of_the_day_are_simulated(
    bare: Site, edged: Callable[..., Ran]
) -> None:
    bare.configure(
        time_zone="Europe/Berlin",
        schedules={"day": {"days": {"daily": ["08:00-18:00"]}}},
        door={
            "driver": "simulated",
            "timetable": [{"mode": "open", "when": "day", "first_in": ["guard"]}],
        },
        access={
            "rules": [
                {"name": "guards", "groups": ["guard"]},
                {"name": "pairs", "groups": ["vault"], "two_people": True, "after": ["guard"]},
            ]
        },
    )
    path = bare.folder / "day.csv"
    path.write_text(
        "time,person,groups\n"
        "2026-06-01T09:00,p-1,vault\n"
        "2026-06-01T09:01,p-2,guard\n"
        "2026-06-01T09:02,p-1,vault\n"
        "2026-06-01T09:02:10,p-1,vault\n"
        "2026-06-01T09:02:20,p-3,vault\n"
    )
    told = edged("policy", "simulate", path, "-c", bare.config, "--json").json
    assert [(one["verdict"], one["reason"]) for one in told["events"]] == [
        ("stays shut", "nobody_in_yet"),
        ("opens", "permitted"),
        ("waits", "second_person"),
        ("waits", "second_person"),
        ("opens", "permitted"),
    ]
    assert "together with p-1" in told["events"][-1]["why"]
    assert told["summary"]["inside"] is None


def test_people_of_the_gallery_need_no_groups(site: Site, edged: Callable[..., Ran]) -> None:
    site.configure(**RULES)
    enrol(site, "p-1", groups=("staff",), valid_until=1_800_000_000.0)
    path = site.folder / "day.csv"
    path.write_text(
        "time,person\n2026-06-01T09:00,p-1\n2026-06-01T09:00,p-2\n2027-06-01T09:00,p-1\n"
    )
    told = edged("policy", "simulate", path, "-c", site.config, "--json").json
    assert [(one["verdict"], one["reason"]) for one in told["events"]] == [
        ("opens", "permitted"),
        ("stays shut", "not_recognised"),
        ("stays shut", "not_recognised"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "time,person,groups\nsoon,p-1,staff\n", "a.csv:2: expected a time"),
        ("a.csv", "time,who\n2026-06-01,p-1\n", "a.csv:2: unknown 'who'; known: time, person"),
        ("a.csv", "time\n2026-06-01\n", "a.csv:2: says neither who, nor mode, nor fire"),
        ("a.csv", "time,mode\n2026-06-01,ajar\n", "a.csv:2: mode: 'ajar'; expected one of"),
        ("a.csv", "time,fire\n2026-06-01,maybe\n", "a.csv:2: fire: expected true or false"),
        ("a.csv", "time,groups,factors\n2026-06-01,a,x\n", "a.csv:2: 'x' is no factor"),
        ("a.csv", "time,groups,direction\n2026-06-01,a,up\n", "direction: expected in or out"),
        ("a.csv", "time,groups\n2026-06-01,a,b,c\n", "a.csv:2: has more values"),
        ("a.csv", 'time,groups\n2026-06-01,"a\n', "a.csv:2: unexpected end of data"),
        ("a.jsonl", "\n{\n", "a.jsonl:2: no JSON"),
        ("a.jsonl", "[]\n", "a.jsonl:1: no JSON object"),
        ("a.jsonl", "[" * 100_000, "a.jsonl:1: no JSON"),
        ("a.jsonl", '{"time": 5}', "a.jsonl:1: time: expected text"),
        ("a.jsonl", '{"time": "2026-06-01", "groups": [1]}', "groups: expected texts"),
        ("a.csv", b"time\n\xff\n", "a.csv: not UTF-8 text"),
        ("a.csv", b"x" * 20_000_001, "a.csv: larger than 20 MB"),
        ("a.csv", "time,mode\n" + "2026-06-01,open\n" * 100_001, "more than 100001 lines"),
    ],
)
def test_events_that_are_none_are_told_by_their_line(
    simulated: Callable[..., Ran], name: str, text: str | bytes, told: str
) -> None:
    ran = simulated(name, text)
    assert ran.code == 2
    assert told in ran.err


def test_events_that_are_not_there_are_told(policy: Callable[..., Ran], tmp_path: Path) -> None:
    assert "no such file" in policy("simulate", tmp_path / "none.csv").err
    assert "no such file" in policy("simulate", tmp_path).err
    (tmp_path / "empty.csv").write_text("")
    assert "0 events: nothing happens" in policy("simulate", tmp_path / "empty.csv").out


def test_check_tells_of_doubtful_rules_with_their_lines(
    site: Site, edged: Callable[..., Ran]
) -> None:
    site.configure(**RULES)
    ran = edged("check", "-c", site.config)
    assert ran.code == 0
    assert "WARNING" not in "".join(line for line in ran.out.splitlines() if "access" in line)
    rules = [*RULES["access"]["rules"], {"name": "dead", "groups": ["guard"], "when": "night"}]
    site.configure(**{**RULES, "access": {"rules": rules}})
    ran = edged("check", "-c", site.config)
    assert ran.code == 0
    place = f"{site.config}:{line_of(site, '- name: dead')}:"
    assert any(
        line.startswith(f"WARNING: {place}") and "rule dead is never reached" in line
        for line in ran.out.splitlines()
    )
    assert any(
        "never reached" in line
        for line in edged("check", "-c", site.config, "--json").json["rules"]
    )
    enrol(site, "p-9", groups=("staff",))
    out = edged("check", "-c", site.config).out
    assert "nobody enrolled is in group 'guard'" in out


def test_check_refuses_rules_that_cannot_be_used(site: Site, edged: Callable[..., Ran]) -> None:
    site.configure(**{**RULES, "holidays": {"country": "XX"}})
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    assert ran.err.startswith(f"{site.config}:{line_of(site, 'country: XX')}:")


def test_check_tells_of_a_machine_without_a_time_zone(
    site: Site, edged: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Nowhere/Atall")
    assert "TZ names no time zone; give time_zone" in edged("check", "-c", site.config).out
