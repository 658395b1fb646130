"""What the lamps show, and that they follow the real daemon."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from edged.decision.presentation import Phase
from edged.service.display import Display
from edged.service.lamps import states_of
from edged.types import Instruction
from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.kit import Stage, Views

ASKED = Display(Phase.GATHERING, Instruction.COME_CLOSER)


@pytest.mark.parametrize(
    ("display", "degraded", "states"),
    [
        (Display(Phase.IDLE), [], ("idle",)),
        (Display(Phase.GATHERING), [], ("gathering",)),
        (ASKED, [], ("instruction", "gathering")),
        (Display(Phase.GRANTED), [], ("granted",)),
        (Display(Phase.DENIED), [], ("denied",)),
        (Display(Phase.REVIEW), [], ("review",)),
        (Display(Phase.SECOND_FACTOR), [], ("second_factor",)),
        (Display(Phase.HELD), [], ("held",)),
        (Display(Phase.GATHERING, enrolling=True), [], ("enrolling", "gathering")),
        (Display(Phase.IDLE), ["broker"], ("degraded", "idle")),
        (Display(Phase.GRANTED), ["broker"], ("granted",)),
        (Display(Phase.GRANTED), ["camera"], ("degraded",)),
        (Display(Phase.IDLE), ["pipeline", "storage"], ("degraded",)),
    ],
)
def test_what_is_shown(display: Display, degraded: list[str], states: tuple[str, ...]) -> None:
    assert states_of(display, degraded) == states


def lamps(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def test_the_lamps_follow_the_terminal_and_go_off_when_it_stops(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage, views: Views
) -> None:
    signals = {
        "driver": "simulated",
        "record": "lamps.jsonl",
        "lines": {"white": {"line": 1}, "green": {"line": 2}, "red": {"line": 3}},
        "states": {
            "idle": {"white": True},
            "granted": {"green": True},
            "degraded": {"red": {"seconds": [0.5, 0.5], "times": 0}},
        },
    }
    terminal = make_terminal(tmp_path, signals=signals)
    terminal.enrol(views)
    terminal.start().ready()
    record = tmp_path / "lamps.jsonl"

    def shown(lamp: str, level: str, cause: str) -> bool:
        wanted = {lamp: level, "cause": cause}.items()
        return any(wanted <= line.items() for line in lamps(record))

    wait(lambda: shown("white", "on", "idle"))
    stage.show("near")
    wait(lambda: shown("green", "on", "granted"))
    stage.unplug()
    wait(lambda: shown("red", "on", "degraded"))
    terminal.send(signal.SIGTERM)
    terminal.ended()
    last = {next(k for k in line if k not in ("t", "cause")): line for line in lamps(record)}
    assert [last[name]["cause"] for name in ("white", "green", "red")] == ["close"] * 3


def test_a_lamp_that_fails_is_degraded_and_the_door_opens(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage, views: Views
) -> None:
    signals = {"driver": "gpio", "chip": "/dev/gpiochip-none", "lines": {"red": {"line": 3}}}
    terminal = make_terminal(tmp_path, signals=signals)
    terminal.enrol(views)
    terminal.start().ready()
    stage.show("near")
    wait(lambda: "on" in terminal.relay)
    wait(lambda: terminal.log.count(" lamps: ") == 1)
