"""`edged signals test` walks through the table; `edged door rest` turns the lamps off too."""

from __future__ import annotations

import json
import sys

import pytest

from tests.door.fake_gpiod import Board

SIGNALS = {
    "driver": "simulated",
    "record": "lamps.jsonl",
    "lines": {"red": {"line": 5}, "buzzer": {"line": 6}},
    "states": {
        "denied": {"red": True, "buzzer": {"seconds": [0.1, 0.1], "times": 3}},
        "idle": {"red": False},
        "held": {},
    },
}


def record(site) -> list[dict]:
    lines = (site.folder / "lamps.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_every_state_of_the_table_is_shown_in_its_order_and_all_is_off_afterwards(edged, bare):
    bare.configure(signals=SIGNALS)
    ran = edged("signals", "test", "-c", bare.config, "--seconds", "0.05", "--json")
    assert (ran.code, list(ran.json["shown"])) == (0, ["idle", "denied", "held"])
    assert ran.json["shown"]["denied"] == {"red": "on", "buzzer": "0.1 0.1 s, 3 times"}
    assert {"red": "on", "cause": "denied"}.items() <= record(bare)[2].items()
    assert {tuple(line.values())[1:] for line in record(bare)[-2:]} == {("rest", "close")}
    assert not (bare.folder / "door.jsonl").exists()


def test_people_read_what_each_lamp_does(edged, bare):
    bare.configure(signals=SIGNALS)
    ran = edged("signals", "test", "-c", bare.config, "--seconds", "0.05")
    assert ran.out.splitlines() == [
        "idle: red off",
        "denied: red on, buzzer 0.1 0.1 s, 3 times",
        "held: off",
        "3 states shown; all lamps are off",
    ]


def test_without_lamps_it_says_where_to_read_on(edged, bare):
    ran = edged("signals", "test", "-c", bare.config)
    assert (ran.code, ran.out) == (2, "")
    assert "docs/signals.md" in ran.err


def test_a_lamp_that_does_not_obey_is_told(edged, bare):
    bare.configure(signals={**SIGNALS, "driver": "gpio", "chip": "/dev/gpiochip-none"})
    ran = edged("signals", "test", "-c", bare.config, "--seconds", "0.3")
    assert ran.code == 1
    assert "signals.chip /dev/gpiochip-none" in ran.err


def test_a_lamp_that_is_the_relay_by_another_name_does_not_open_the_door(edged, bare, monkeypatch):
    board = Board()
    monkeypatch.setitem(sys.modules, "gpiod", board.module())
    monkeypatch.setitem(sys.modules, "gpiod.line", board.module().line)
    lines = {"red": {"line": "relay"}, "green": {"line": 3}}
    states = {"idle": {"red": True}, "denied": {"green": True}}
    signals = {"driver": "gpio", "lines": lines, "states": states}
    bare.configure(signals=signals, door={"driver": "gpio", "line": 17})
    ran = edged("signals", "test", "-c", bare.config, "--seconds", "0.3")
    assert ran.code == 1
    assert "signals.lines.red.line relay" in ran.err
    assert "is busy" in ran.err
    assert ("set", True) not in board.log
    assert board.held == set()


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "61", "x"])
def test_an_absurd_time_is_refused(edged, bare, seconds):
    ran = edged("signals", "test", "-c", bare.config, f"--seconds={seconds}")
    assert ran.code == 2
    assert "0.05 to 60" in ran.err


def test_the_lamps_rest_with_the_door(edged, bare):
    bare.configure(signals=SIGNALS)
    assert edged("door", "rest", "-c", bare.config, "--json").json == {
        "relay": "rest",
        "problems": [],
    }
    assert [line.get("red", line.get("buzzer")) for line in record(bare)] == ["rest"] * 4


def test_lamps_that_do_not_obey_do_not_keep_the_relay_on(edged, bare):
    bare.configure(signals={**SIGNALS, "driver": "gpio", "chip": "/dev/gpiochip-none"})
    ran = edged("door", "rest", "-c", bare.config, "--json")
    assert (ran.code, ran.json["relay"]) == (0, "rest")
    assert "gpiochip-none" in ran.json["problems"][0]
    assert set(bare.door_record) == {"rest"}
