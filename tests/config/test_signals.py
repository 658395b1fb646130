"""The table of lamps and buzzers: what is wrong in it is told at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edged.config.load import parse
from edged.config.schema import SIGNAL_STATES, Pulses
from edged.errors import ConfigError

GOOD = """\
site: hq
terminal: lobby-1
key: {file: secret.key}
camera: {driver: opencv, source: 0}
door: {driver: gpio, line: 17}
signals:
  driver: gpio
  lines:
    red: {line: 22}
    green: {line: 23, active_low: true}
  states:
    granted: {green: on}
    denied: {red: {seconds: [0.2, 0.2], times: 3}, green: off}
"""


def problems(old: str, new: str) -> list[str]:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(old, new), "t.yaml")
    return caught.value.problems


def test_a_table_says_what_each_lamp_does_in_each_state() -> None:
    signals = parse(GOOD).signals
    assert signals is not None
    assert signals.states["granted"] == {"green": True}
    denied = {"red": Pulses(seconds=(0.2, 0.2), times=3), "green": False}
    assert signals.states["denied"] == denied


@pytest.mark.parametrize("state", SIGNAL_STATES)
def test_every_state_may_be_shown(state: str) -> None:
    assert parse(GOOD.replace("granted:", f"{state}:" if state != "denied" else "idle:"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "granted:",
            "grantd:",
            "t.yaml:12:5: signals.states.grantd: unknown state; did you mean granted?",
        ),
        (
            "granted: {green",
            "granted: {gren",
            "t.yaml:12:15: signals.states.granted.gren: unknown line; did you mean green?",
        ),
        (
            "granted: {green",
            "granted: {horn",
            "t.yaml:12:15: signals.states.granted.horn: unknown line; known here: red, green",
        ),
        (
            "line: 23",
            "line: 22",
            "t.yaml:10:13: signals.lines.green.line: line 22 is red's already",
        ),
        (
            "line: 22",
            "line: 17",
            "t.yaml:9:11: signals.lines.red.line: line 17 is the door's already",
        ),
        (
            "times: 3",
            "tims: 3",
            "t.yaml:13:41: signals.states.denied.red.tims: unknown setting; did you mean times?",
        ),
        (
            "active_low: true",
            "active_lo: true",
            (
                "t.yaml:10:23: signals.lines.green.active_lo: "
                "unknown setting; did you mean active_low?"
            ),
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(old: str, new: str, told: str) -> None:
    assert problems(old, new) == [told]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("{green: on}", "{green: 3 s}", "signals.states.granted.green: expected true, false"),
        ("{green: on}", "{green: 1}", "signals.states.granted.green: expected true, false"),
        ("{green: on}", "yes", "signals.states.granted: expected settings, each with its name"),
        ("[0.2, 0.2]", "[]", "signals.states.denied.red.seconds"),
        ("[0.2, 0.2]", "[0]", "signals.states.denied.red.seconds.0"),
        ("[0.2, 0.2]", "[.nan]", "signals.states.denied.red.seconds.0"),
        ("[0.2, 0.2]", "[61]", "signals.states.denied.red.seconds.0"),
        ("[0.2, 0.2]", str([0.2] * 65), "signals.states.denied.red.seconds"),
        ("times: 3", "times: -1", "signals.states.denied.red.times"),
        ("    red:", "    a red one:", "signals.lines.a red one: expected up to 64 letters"),
    ],
)
def test_what_no_lamp_can_do_is_refused(old: str, new: str, path: str) -> None:
    assert any(path in problem for problem in problems(old, new))


def test_everything_wrong_in_the_table_is_told_at_once() -> None:
    assert len(problems("granted: {green: on}", "grantd: {gren: on}\n    ide: {}")) == 3


def test_the_same_number_on_another_chip_or_in_a_simulation_is_another_line() -> None:
    assert parse(GOOD.replace("line: 22", "line: 17").replace("gpio\n  l", "simulated\n  l"))
    other = "gpio\n  chip: /dev/gpiochip1\n  l"
    assert parse(GOOD.replace("line: 22", "line: 17").replace("gpio\n  l", other))


def test_the_table_in_the_documentation_says_something_for_every_state() -> None:
    page = Path(__file__).parents[2] / "docs" / "signals.md"
    table = re.search(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert table
    signals = parse(GOOD.partition("signals:")[0] + table[1]).signals
    assert signals is not None
    assert tuple(signals.states) == SIGNAL_STATES
