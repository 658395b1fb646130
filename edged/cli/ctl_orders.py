"""``edged ctl unlock | mode | diagnostics | replay | snapshot | restart | wipe``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import FAILED, add_site, desk_of, order, tell
from edged.cli.output import BadUsage, positive, seconds
from edged.errors import ConfigError, EdgedError
from edged.vault.files import placed

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    action = actions.add_parser("unlock", help="open a door for a moment")
    action.add_argument("--for", dest="for_s", type=seconds, metavar="SECONDS")
    action.add_argument("--cause", metavar="TEXT", help="goes into the event")
    add_site(action, unlock)
    action = actions.add_parser("mode", help="lock a door down, hold it open, or end that")
    action.add_argument("mode", choices=("normal", "locked_down", "open", "secured"))
    action.add_argument("--for", dest="for_s", type=seconds, metavar="SECONDS")
    action.add_argument("--cause", metavar="TEXT", help="goes into the event")
    add_site(action, mode)
    action = actions.add_parser("diagnostics", help="how a terminal is, in detail")
    add_site(action, diagnostics)
    action = actions.add_parser("replay", help="have events sent again")
    action.add_argument("--from", dest="from_seq", type=positive, required=True, metavar="SEQ")
    action.add_argument("--to", dest="to_seq", type=positive, metavar="SEQ")
    add_site(action, replay)
    action = actions.add_parser("snapshot", help="a picture of the camera, sealed to your key")
    action.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.jpg")
    action.add_argument(
        "--snapshot-key", type=Path, metavar="FILE", help="X25519 private key (snapshot_key_file)"
    )
    add_site(action, snapshot, many=False)
    action = actions.add_parser("restart", help="have the daemon begin anew")
    action.add_argument("--cause", metavar="TEXT", help="goes into the event")
    add_site(action, restart)
    action = actions.add_parser("wipe", help="erase everybody at a terminal, for ever")
    action.add_argument("--confirm", metavar="SITE/TERMINAL", help="instead of being asked for it")
    add_site(action, wipe, many=False)


def unlock(args: argparse.Namespace, output: Output) -> int:
    """``door.unlock``."""
    return order(args, output, "door.unlock", _given(duration_s=args.for_s, cause=args.cause))


def mode(args: argparse.Namespace, output: Output) -> int:
    """``door.mode``."""
    given = _given(mode=args.mode, for_s=args.for_s, cause=args.cause)
    return order(args, output, "door.mode", given)


def diagnostics(args: argparse.Namespace, output: Output) -> int:
    """``diagnostics``."""
    return order(args, output, "diagnostics", {})


def replay(args: argparse.Namespace, output: Output) -> int:
    """``events.replay``: they come on ``backlog/…``."""
    given = _given(from_seq=args.from_seq, to_seq=args.to_seq)
    return order(args, output, "events.replay", given)


def restart(args: argparse.Namespace, output: Output) -> int:
    """``restart``."""
    return order(args, output, "restart", _given(cause=args.cause))


def snapshot(args: argparse.Namespace, output: Output) -> int:
    """``snapshot``: the picture is opened here, and written where nothing is yet."""
    from edged.site.keys import private_pem, read_sealing
    from edged.site.snapshot import open_snapshot

    with desk_of(args) as desk:
        key_file = args.snapshot_key or desk.settings.snapshot_key_file
        if key_file is None:
            raise ConfigError(["say snapshot_key_file in ctl.yaml, or give --snapshot-key"])
        key = private_pem(read_sealing(key_file))
        terminal = only(desk.terminals(args))
        timeout_s = desk.settings.timeout_s
        replies = desk.orders.send_all([terminal], "snapshot", lambda _: {}, timeout_s)
    reply = replies[terminal]
    if reply is None or reply.get("result") != "ok":
        return tell(output, "snapshot", replies)
    picture = open_snapshot(reply.get("data", {}), key)
    try:
        with placed(args.out) as draft:
            draft.write_bytes(picture)
    except FileExistsError as fault:
        raise EdgedError(f"{args.out} exists already; it is left as it is") from fault
    except OSError as fault:
        raise EdgedError(f"{args.out} cannot be written: {fault.strerror}") from fault
    output.result(
        {"command": "snapshot", "terminal": terminal, "file": str(args.out), "bytes": len(picture)},
        [f"{terminal}: {args.out}, {len(picture):,} bytes"],
    )
    return 0


def wipe(args: argparse.Namespace, output: Output) -> int:
    """``gallery.wipe``, after the terminal's name was given once more."""
    with desk_of(args) as desk:
        terminal = only(desk.terminals(args))
        name = f"{desk.settings.site}/{terminal}"
        if confirmed(args.confirm, name, "erases everybody at it, for ever") != name:
            output.fault(f"that is not {name}: nothing is erased", "not_confirmed")
            return FAILED
        replies = desk.orders.send_all(
            [terminal], "gallery.wipe", lambda _: {"confirm": name}, desk.settings.timeout_s
        )
    return tell(output, "gallery.wipe", replies)


def confirmed(given: str | None, name: str, what: str) -> str:
    """What somebody says when they are asked for a name.

    Raises:
        BadUsage: there is nobody to ask.
    """
    if given is not None:
        return given
    if sys.stdin is None or not sys.stdin.isatty():
        raise BadUsage(f"this {what}; say so with --confirm {name}")
    sys.stderr.write(f"This {what}. Its name, to go on ({name}): ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def only(terminals: list[str]) -> str:
    """The one terminal that is meant.

    Raises:
        BadUsage: several are.
    """
    if len(terminals) != 1:
        raise BadUsage("one terminal at a time")
    return terminals[0]


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
