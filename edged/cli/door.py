"""``edged door``: put the relay to rest after a crash, and see what each input reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from edged.cli.door_inputs import add_inputs
from edged.cli.output import add_config, add_json
from edged.config.door import DoorSettings
from edged.config.load import load, parse
from edged.config.schema import GpioDoor, SimulatedDoor
from edged.door.signals import rest_signals
from edged.door.table import rest_door
from edged.errors import ConfigError
from edged.service.door_outputs import rest_outputs

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edged.cli.output import Output
    from edged.config.schema import Door, Signals

# What a configuration needs beside its door; none of it is opened.
_ELSEWHERE = (
    "site: none",
    "terminal: none",
    "camera: {driver: replay, source: none}",
    "key: {env: NONE}",
)
_KEY = re.compile(r"""(["']?)(\w+)\1\s*:""")
_BESIDE = re.compile(rf":\d+:\d+: door\.({'|'.join(DoorSettings.model_fields)})\b")
"""Problems of a door that are none of its relay."""
_INSIDE = {*GpioDoor.model_fields, *SimulatedDoor.model_fields}


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("rest", help="put the relay to rest")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=rest)
    add_inputs(actions.add_parser("inputs", help="show what each input of the door reads"))


def rest(args: argparse.Namespace, output: Output) -> int:
    """Take the line, drive it to rest, let it go; then outputs and lamps, as far as they obey."""
    settings, signals, problems = _door(args.config)
    rest_door(settings)
    lines = [f"{args.config}: only its door was read, edged check tells why"] if problems else []
    faults = rest_outputs(settings)
    if signals is not None:
        faults += rest_signals(signals)
    problems, lines = [*problems, *faults], [*lines, *faults]
    output.result({"relay": "rest", "problems": problems}, ["the relay is at rest", *lines])
    return 0


def _door(path: Path) -> tuple[Door, Signals | None, list[str]]:
    """The door of a configuration, its lamps, and what is wrong with the rest of it.

    A slip of the pen elsewhere in the file must not leave a relay on.

    Raises:
        ConfigError: the file cannot be read, or its door is not one.
    """
    try:
        config = load(path)
        return config.door, config.signals, []
    except ConfigError as fault:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            raise fault from None
        return _alone(_door_alone(text), path), None, fault.problems


def _alone(text: str, path: Path) -> Door:
    """The door of a file that has nothing else; where inputs, outputs or modes of it cannot be
    used, its relay alone."""
    name, folder = str(path), path.resolve().parent
    try:
        return parse(text, name, folder).door
    except ConfigError as fault:
        if not all(_BESIDE.search(problem) for problem in fault.problems):
            raise
        data = yaml.safe_load(text)
        for setting in {*DoorSettings.model_fields} & {*data["door"]}:
            del data["door"][setting]
        return parse(yaml.safe_dump(data), name, folder).door


def _door_alone(text: str) -> str:
    """The file with blank lines (problems keep their places) for all that is not its door.

    A line that may belong to the door, though it is not indented, stays and makes the door
    unusable: by half of its settings another line, or the wrong level, would be driven. How
    long a pulse is does not matter here.
    """
    kept, inside = [], False
    for line in text.split("\n"):
        if found := _KEY.match(line):
            key = found[2]
            inside = key == "door" or (inside and key in _INSIDE)
        kept.append(line if inside and not re.match(r"\s+pulse_s\s*:", line) else "")
    return "\n".join([*kept, *_ELSEWHERE, ""])
