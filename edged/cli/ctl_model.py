"""``edged ctl model push | install | rollback``: bundles, from afar."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import FAILED, OK, add_site, desk_of, order
from edged.cli.ctl_orders import only
from edged.errors import BrokerError, BundleError

if TYPE_CHECKING:
    import argparse

    from edged.cli.ctl_common import Desk
    from edged.cli.output import Output

_AGAIN = frozenset({"too_often", "busy"})
_TRIES, _MOST_SILENCES = 12, 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    ways = actions.add_parser("model", help="bundles, from afar").add_subparsers(
        required=True, metavar="WHAT"
    )
    action = ways.add_parser("push", help="send a bundle; what arrived already is not sent again")
    action.add_argument("bundle", type=Path, metavar="DIR|TAR", help="a bundle, or a .tar.gz of it")
    action.add_argument(
        "--install", action="store_true", help="and have it installed when it is there"
    )
    add_site(action, push, many=False)
    action = ways.add_parser("install", help="put a bundle in force that was sent")
    action.add_argument("sha256", metavar="SHA256", help="as `push` told it")
    action.add_argument("--older", action="store_true", help="also an older version")
    add_site(action, install)
    action = ways.add_parser("rollback", help="return to the bundle before")
    action.add_argument("name", nargs="?", metavar="NAME")
    add_site(action, rollback)


def push(args: argparse.Namespace, output: Output) -> int:
    """``model.chunk``, as often as it needs."""
    from edged.site.model_push import digest_of, pack

    with tempfile.TemporaryDirectory() as folder, desk_of(args) as desk:
        terminal = only(desk.terminals(args))
        archive = args.bundle
        if archive.is_dir():
            archive = Path(folder) / "bundle.tar.gz"
            digest = pack(args.bundle, archive)
        else:
            digest = digest_of(archive)
        last = _pushed(desk, terminal, archive, digest, output)
        if last.get("result") == "ok" and args.install:
            given = {"sha256": digest}
            last = desk.orders.send(terminal, "model.install", given, desk.settings.timeout_s)
    done = last.get("result") == "ok"
    text = f": {last['text']}" if last.get("text") else ""
    output.result(
        {"terminal": terminal, "sha256": digest, "reply": last},
        [f"{terminal}: {digest}", f"{terminal}: {last.get('result')} {last.get('reason')}{text}"],
    )
    return OK if done else FAILED


def install(args: argparse.Namespace, output: Output) -> int:
    """``model.install``; an event tells how it ended (`edged ctl watch --type model.*`)."""
    given = {"sha256": args.sha256, **({"older": True} if args.older else {})}
    return order(args, output, "model.install", given)


def rollback(args: argparse.Namespace, output: Output) -> int:
    """``model.rollback``."""
    given = {} if args.name is None else {"name": args.name}
    return order(args, output, "model.rollback", given)


def _pushed(
    desk: Desk, terminal: str, archive: Path, digest: str, output: Output
) -> dict[str, Any]:
    """The last reply: the archive is whole there, or something is in the way.

    The first piece tells what is missing; what arrived before stays.
    """
    from edged.site.model_push import chunks

    reply: dict[str, Any] = {}
    spans: list[tuple[int, int]] | None = None
    while True:
        sent = 0
        for piece in chunks(archive, digest, spans):
            reply = _chunk(desk, terminal, piece)
            if reply.get("result") != "ok":
                return reply
            sent += 1
            data = reply.get("data", {})
            if data.get("complete"):
                return reply
            if sent % 100 == 0:
                output.say(f"{terminal}: {data.get('received')} of {data.get('size')} bytes")
            if sent == 1 and spans is None:
                break  # it may have most of it already
        missing = reply.get("data", {}).get("missing")
        if not sent or not missing:
            raise BundleError(f"{terminal} does not say what is missing of the archive")
        spans = [(int(start), int(end)) for start, end in missing]


def _chunk(desk: Desk, terminal: str, piece: dict[str, Any]) -> dict[str, Any]:
    pause_s, silences = _FIRST_PAUSE_S, 0
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
        replies = desk.orders.send_all(
            [terminal], "model.chunk", lambda _: piece, desk.settings.timeout_s
        )
        reply = replies[terminal]
        if reply is not None and reply.get("reason") not in _AGAIN:
            return reply
        silences += reply is None
        if silences == _MOST_SILENCES:
            raise BrokerError(
                f"no reply from {terminal}; is it online? Go on later with the same command"
            )
    raise BrokerError(f"{terminal} does not take the bundle; go on later with the same command")
