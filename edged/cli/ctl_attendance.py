"""``edged ctl attendance correct``: how a punch was, signed by the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.attendance.punch import ACTIONS, STATES
from edged.cli.ctl_common import add_site, order

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The action and its arguments."""
    command = actions.add_parser("attendance", help="correct punches")
    action = command.add_subparsers(required=True, metavar="ACTION").add_parser(
        "correct", help="say how a punch was; what was recorded stays"
    )
    action.add_argument("action", choices=ACTIONS)
    action.add_argument("person", metavar="PERSON")
    action.add_argument("--punch", metavar="EVENT_ID", help="of the punch")
    action.add_argument("--state", choices=STATES)
    action.add_argument("--time", metavar="TIME", help="RFC 3339, with Z or an offset")
    action.add_argument("--why", required=True, metavar="TEXT")
    action.add_argument("--who", metavar="TEXT", help="who wishes it")
    add_site(action, correct, many=False)


def correct(args: argparse.Namespace, output: Output) -> int:
    """``attendance.correct``."""
    given = {
        name: getattr(args, name)
        for name in ("action", "punch", "state", "time", "why", "who")
        if getattr(args, name) is not None
    }
    return order(args, output, "attendance.correct", {"person_id": args.person, **given})
