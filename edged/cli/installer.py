"""``edged installer password FILE``: choose the password of the installer's page."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.output import BadUsage, add_json

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser(
        "password",
        help="choose the password of the installer's page",
        description="Asks twice, without showing it; or takes one line of a standard input that "
        "is no terminal. Only its hash is written, to a file that nobody else can read.",
    )
    action.add_argument("file", type=Path, metavar="FILE", help="web.installer.password_file")
    add_json(action)
    action.set_defaults(run=password)


def password(args: argparse.Namespace, output: Output) -> int:
    """Write the hash; a running terminal takes the new password at once."""
    from edged.web.installer.password import make, write

    chosen = _ask() if sys.stdin is not None and sys.stdin.isatty() else _line()
    write(args.file, make(chosen))
    output.result({"written": str(args.file)}, [f"{args.file}: the password is changed"])
    return 0


def _ask() -> str:
    try:
        first = getpass.getpass("New password: ")
        if getpass.getpass("Once more: ") != first:
            raise BadUsage("the two are not the same; nothing was changed")
    except EOFError as fault:
        raise BadUsage("no password was given; nothing was changed") from fault
    return first


def _line() -> str:
    try:
        text = "" if sys.stdin is None else sys.stdin.readline(4096)
    except UnicodeDecodeError as fault:
        raise BadUsage("the password on standard input is not text") from fault
    if not text:
        raise BadUsage("give the password as one line of standard input; nothing was changed")
    return text.removesuffix("\n").removesuffix("\r")
