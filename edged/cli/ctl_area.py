"""``edged ctl area``: say where somebody is, or forget where everybody is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import add_site, order
from edged.cli.output import BadUsage, person_id

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The action and its arguments."""
    action = actions.add_parser("area", help="say where somebody is, or forget where everybody is")
    action.add_argument("person_id", nargs="?", type=person_id)
    action.add_argument("area", nargs="?", help="left out: nobody knows where")
    action.add_argument("--everybody", action="store_true", help="forget where everybody is")
    add_site(action, place)


def place(args: argparse.Namespace, output: Output) -> int:
    """``area.set``."""
    if (args.person_id is None) != args.everybody:
        raise BadUsage("say who, with or without an area, or --everybody")
    if args.everybody:
        return order(args, output, "area.set", {"everybody": True})
    given = {"person_id": args.person_id, "area": args.area}
    return order(args, output, "area.set", {n: v for n, v in given.items() if v is not None})
