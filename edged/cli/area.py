"""``edged area list | set | forget``: who is where, as this terminal knows it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edged.access.zone import source_of
from edged.cli.output import BadUsage, add_config, add_json, person_id
from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.events.types import utc_text
from edged.service.areas_log import look
from edged.service.areas_passing import here_of
from edged.service.areas_store import AreasStore, areas_path
from edged.service.areas_words import CHANGED, Reader, changed
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edged.access.presence import Presence
    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.events.outbox import Outbox


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(name, help=text)
        add_config(made, required=True)
        add_json(made)
        made.set_defaults(run=run)
        return made

    action("list", show, "who is inside, as far as is known")
    made = action("set", place, "say where somebody is; without an area, that nobody knows")
    made.add_argument("person_id", type=person_id)
    made.add_argument("area", nargs="?")
    made = action("forget", forget, "forget where everybody is, at all terminals of the area")
    made.add_argument("--everybody", action="store_true")


def show(args: argparse.Namespace, output: Output) -> int:
    """Everybody of whom the area is known, by area."""
    with _opened(load(args.config)) as (_, presence):
        people = [
            {"person_id": name, "area": at.area, "since": utc_text(at.order), "door": at.terminal}
            for name, at in sorted(presence.people(), key=lambda one: (one[1].area, one[0]))
            if at.area
        ]
        counts = {str(one["area"]): presence.inside(str(one["area"])) for one in people}
    output.result(
        {"areas": counts, "people": people},
        [
            *(
                f"{one['area']:<16} {one['person_id']:<24} {one['since']}  {one['door']}"
                for one in people
            ),
            ", ".join(f"{area}: {number}" for area, number in counts.items()) or "nobody is known",
        ],
    )
    return 0


def place(args: argparse.Namespace, output: Output) -> int:
    """A running terminal follows within a second, and the others hear of it."""
    config = load(args.config)
    area = config.access.area if config.access is not None else None
    if area is None:
        raise BadUsage("this terminal has no access.area")
    if args.area not in (None, area.name, area.outside):
        raise BadUsage(f"this terminal knows {area.name} and {area.outside} only")
    with _opened(config) as (outbox, presence):
        before = presence.area(args.person_id)
        _record(outbox, presence, args.person_id, args.area)
    told = {"person_id": args.person_id, "area": args.area, "before": before}
    output.result(told, [f"{args.person_id}: {args.area or 'nobody knows'}, was {before or '?'}"])
    return 0


def forget(args: argparse.Namespace, output: Output) -> int:
    """Everybody may enter, and leave."""
    if not args.everybody:
        raise BadUsage("this forgets where everybody is; say so with --everybody")
    with _opened(load(args.config)) as (outbox, presence):
        people = sum(bool(at.area) for _, at in presence.people())
        _record(outbox, presence, None, None)
    output.result({"forgotten": people}, [f"it is forgotten where {people} people are"])
    return 0


@contextmanager
def _opened(config: Config) -> Iterator[tuple[Outbox, Presence]]:
    """The log of events, and who is where by it; a running terminal is not disturbed."""
    key = load_key(config.key)
    outbox, store = make_outbox(config.events, key), AreasStore(areas_path(config), key)
    reader = Reader(config.terminal, here_of(config).area, source_of(config))
    try:
        outbox.open()
        store.open()
        yield outbox, look(store, outbox, reader)
    finally:
        store.close()
        outbox.close()


def _record(outbox: Outbox, presence: Presence, who: str | None, area: str | None) -> None:
    order = max(presence.newest, int(time.time() * 1000)) + 1
    outbox.append(CHANGED, changed(who, area, order, "terminal"))
