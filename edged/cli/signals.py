"""``edged signals test``: walk through the states, to see and hear what each does."""

from __future__ import annotations

import argparse
import math
import time
from typing import TYPE_CHECKING

from edged.cli.output import BadUsage, add_config, add_json
from edged.config.load import load
from edged.config.schema import SIGNAL_STATES
from edged.door.signals import Signals
from edged.door.table import make_door
from edged.errors import DoorError

if TYPE_CHECKING:
    from edged.cli.output import Output
    from edged.config.schema import Pulses


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("test", help="walk through the states, while edged is stopped")
    add_config(action, required=True)
    action.add_argument(
        "--seconds", type=_seconds, default=3.0, help="how long each state lasts (3)"
    )
    add_json(action)
    action.set_defaults(run=test)


def test(args: argparse.Namespace, output: Output) -> int:
    """Show each state of the table for a while; the door stays at rest."""
    config = load(args.config)
    settings = config.signals
    if settings is None:
        raise BadUsage(f"{args.config} has no signals; docs/signals.md shows how to add them")
    signals = Signals(settings)
    # Held at rest, the door's relay cannot be a lamp, whatever its line is called there.
    door = make_door(config.door) if config.door.driver == "gpio" else None
    shown: dict[str, dict[str, str]] = {}
    try:
        if door is not None:
            door.open()
        signals.open()
        for state in (state for state in SIGNAL_STATES if state in settings.states):
            table = {name: _told(value) for name, value in settings.states[state].items()}
            output.say(f"{state}: {', '.join(f'{n} {what}' for n, what in table.items()) or 'off'}")
            signals.show(state)
            time.sleep(args.seconds)
            shown[state] = table
            if signals.fault is not None:
                raise DoorError(signals.fault)
    finally:
        signals.close()
        if door is not None:
            door.close()
    output.result({"shown": shown}, [f"{len(shown)} states shown; all lamps are off"])
    return 0


def _told(value: bool | Pulses) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    often = f"{value.times} times" if value.times else "for ever"
    return f"{' '.join(f'{s:g}' for s in value.seconds)} s, {often}"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.05 <= seconds <= 60:
        raise argparse.ArgumentTypeError("expected 0.05 to 60 seconds")
    return seconds
