"""``edged door rest``: put the relay to rest, for systemd after a crash and for installers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.cli.output import add_config, add_json
from edged.config.load import load
from edged.door.table import rest_door

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("rest", help="put the relay to rest")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=rest)


def rest(args: argparse.Namespace, output: Output) -> int:
    """Take the line, drive it to rest, let it go."""
    settings = load(args.config).door
    rest_door(settings)
    output.result({"relay": "rest"}, ["the relay is at rest"])
    return 0
