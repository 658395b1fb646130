"""``edged clock show | reset``: what this terminal believes of the time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edged.cli.output import add_config, add_json
from edged.config.load import load
from edged.errors import StorageError
from edged.events.outbox import make_outbox
from edged.events.trusted import MARK, TrustedTime, rfc3339
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator

    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.events.outbox import Outbox

_MEANS = {
    "ntp": "a time service keeps it right",
    "holdover": "a time service kept it right, not long ago",
    "rtc": "it comes from the machine's own clock; nobody confirmed it",
    "unknown": "nothing speaks for it",
}


def add(command: argparse.ArgumentParser) -> None:
    """Its actions."""
    actions = command.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser("show", help="say what is believed of the clock")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=show)
    action = actions.add_parser(
        "reset", help="forget how late it was, when the clock is right and that is wrong"
    )
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=reset)


def show(args: argparse.Namespace, output: Output) -> int:
    """Look at the clocks as the terminal does; nothing is changed."""
    with opened(load(args.config)) as outbox:
        time = TrustedTime(outbox)
        time.open()
        told = _told(time)
    output.result(told, _lines(told))
    return 0


def reset(args: argparse.Namespace, output: Output) -> int:
    """Forget the high-water mark; a running terminal follows within some seconds."""
    with opened(load(args.config)) as outbox:
        time = TrustedTime(outbox)
        time.open()
        before = _told(time)
        outbox.believe = time.clock
        outbox.append(
            "clock.reset",
            {"from": before["high_water"], "to": before["now"], "source": before["source"]},
        )
        outbox.keep_note(MARK, None)
    forgot = before["high_water"] or "nothing"
    output.result(
        {"forgot": before["high_water"]},
        [f"forgotten: {forgot}; from now on the clock itself counts, {before['now']}"],
    )
    return 0


def _told(time: TrustedTime) -> dict[str, Any]:
    mark = time.earliest()
    told = time.document() | {"high_water": rfc3339(mark) if mark else None}
    del told["since"]  # of this process
    return {"now": rfc3339(time.wall()), **told, "problem": time.problem}


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [
        f"the clock says {told['now']}",
        f"believed: {told['source']} - {_MEANS[told['source']]}"
        + (f", within {told['error_s']:g} s" if told["error_s"] is not None else ""),
        f"it is {told['high_water']} at least" if told["high_water"] else "nothing is remembered",
        "commands' age can be judged" if told["synced"] else "commands' age cannot be judged",
    ]
    return [*lines, told["problem"]] if told["problem"] else lines


@contextmanager
def opened(config: Config) -> Generator[Outbox]:
    """The outbox for a block; it must be there."""
    path = config.events.path
    if not path.exists():
        raise StorageError(f"{path} does not exist yet; it is made when the terminal first starts")
    outbox = make_outbox(config.events, load_key(config.key))
    try:
        outbox.open()
        yield outbox
    finally:
        outbox.close()
