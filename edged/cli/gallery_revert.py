"""``edged gallery revert PERSON_ID | --all``: drop what templates learnt after enrolment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.cli.output import add_config, add_json, person_id
from edged.config.load import load

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(action: argparse.ArgumentParser) -> None:
    """Its arguments."""
    who = action.add_mutually_exclusive_group(required=True)
    who.add_argument("person_id", type=person_id, nargs="?")
    who.add_argument("--all", action="store_true", help="of everybody")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Put people back to what they were enrolled with; a running terminal follows at once."""
    from edged.cli.gallery import opened
    from edged.service.adapt import revert

    with opened(load(args.config)) as gallery:
        people = [one.id for one in gallery.people()] if args.all else [args.person_id]
        dropped = revert(gallery, people)
    lines = [f"{who}: {number} adapted templates dropped" for who, number in dropped.items()]
    output.result({"reverted": dropped}, lines or ["nothing had been adapted"])
    return 0
