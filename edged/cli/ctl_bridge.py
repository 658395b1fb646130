"""``edged ctl bridge``: Home Assistant's lock button becomes a signed command."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import OK, add_site, desk_of

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The action and its arguments."""
    action = actions.add_parser(
        "bridge", help="sign what the lock buttons of Home Assistant ask for, until stopped"
    )
    add_site(action, run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Until SIGTERM or SIGINT."""
    from edged.site.bridge import Bridge

    stop = threading.Event()
    with desk_of(args) as desk:
        terminals = desk.terminals(args)
        bridge = Bridge(desk.client, desk.settings, desk.orders, terminals, output.say)
        before = {
            number: signal.signal(number, lambda *_: stop.set())
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            bridge.run(stop)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    output.result({"terminals": terminals}, ["stopped"])
    return OK
