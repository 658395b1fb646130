"""``edged events query``: what is in the terminal's log, by person, type and time."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from edged.cli.attendance import opened
from edged.cli.output import BadUsage, add_config, add_json, person_id, positive
from edged.config.load import load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    from edged.cli.output import Output
    from edged.events.outbox import Outbox
    from edged.events.query import Wanted
    from edged.events.types import Event

_NEWEST = 100
_LOOK_EVERY_S = 0.5
_COLUMNS = ("seq", "id", "type", "time", "clock", "person_id", "data")
_DATE = 10
_DAY = timedelta(days=1)


def add(command: argparse.ArgumentParser) -> None:
    """Its action and its arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("query", help="print events by person, type and time")
    action.add_argument("--person", type=person_id, metavar="ID", help="that name this person")
    action.add_argument(
        "--type", action="append", default=[], metavar="TYPE", help="such as access.*; often"
    )
    action.add_argument(
        "--from", dest="since", metavar="TIME", help="2026-03-01, or 2026-03-01T08:00 with or "
        "without an offset (without: the terminal's zone)",
    )  # fmt: skip
    action.add_argument("--to", dest="until", metavar="TIME", help="likewise; a date: to its end")
    action.add_argument(
        "--last", type=positive, metavar="N", help=f"the newest N; {_NEWEST} if nothing is said"
    )
    action.add_argument("--csv", action="store_true", help="print CSV")
    action.add_argument("--follow", action="store_true", help="go on with those to come")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=query)


def query(args: argparse.Namespace, output: Output) -> int:
    """Look into the log; beside a running terminal, too, since it is only read."""
    if args.csv and args.json:
        raise BadUsage("give either --csv or --json")
    if args.follow and (args.json or args.until):
        raise BadUsage("--follow prints lines for ever: it goes without --json and --to")
    config = load(args.config)
    from edged.access.zone import zone_of

    wanted = _wanted(args, zone_of(config))
    bounded = args.last is None and (args.since or args.until) is not None
    last = None if bounded else args.last or _NEWEST
    with opened(config) as outbox:
        head = outbox.head.seq
        events = outbox.find(wanted, last)
        if args.follow:  # what comes now is told later, once
            events = (event for event in events if event.seq <= head)
        if args.json:
            output.stream(_document(events))
        elif args.csv:
            output.stream(_csv(events))
        else:
            output.stream(map(_line, events))
        if args.follow:
            _follow(outbox, wanted, head, args, output)
    return 0


def _follow(
    outbox: Outbox, wanted: Wanted, seq: int, args: argparse.Namespace, output: Output
) -> None:
    """Until somebody ends it."""
    from edged.events.query import fits

    while True:
        for event in outbox.events(seq + 1):
            seq = event.seq
            if fits(event, wanted):
                output.stream(_rows([event]) if args.csv else [_line(event)])
        time.sleep(_LOOK_EVERY_S)


def _wanted(args: argparse.Namespace, zone: tzinfo) -> Wanted:
    from edged.events.query import LAST_MS, Wanted

    since = -LAST_MS if args.since is None else _moment(args.since, zone, "--from")
    until = LAST_MS if args.until is None else _moment(args.until, zone, "--to", end=True)
    if until <= since:
        raise BadUsage("--to is not after --from")
    return Wanted(args.person, tuple(args.type), since, until)


def _moment(text: str, zone: tzinfo, option: str, *, end: bool = False) -> int:
    """Ms since 1970; of a date its beginning, or its end."""
    from edged.attendance.workday import WorkDays, moment

    try:
        if len(text) > _DATE:
            return moment(text, zone)
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone).date()
        return WorkDays(zone).begin(day + _DAY if end else day)
    except (ValueError, OverflowError) as fault:
        raise BadUsage(
            f"{option}: expected 2026-03-01, or a time such as 2026-03-01T08:00+01:00"
        ) from fault


def _document(events: Iterable[Event]) -> Iterator[str]:
    """One JSON document, as it is found."""
    yield '{"events": ['
    for number, event in enumerate(events):
        yield (", " if number else "") + json.dumps(_told(event))
    yield "]}\n"


def _told(event: Event) -> dict[str, Any]:
    document = event.document()
    return {name: document[name] for name in document if name not in ("v", "prev")}


def _line(event: Event) -> str:
    said = "redacted" if event.redacted else json.dumps(event.data, ensure_ascii=False)
    unsure = "" if event.clock == "synced" else "?"
    return f"{event.time}{unsure}  {event.seq:>8}  {event.type}  {said}\n"


def _csv(events: Iterable[Event]) -> Iterator[str]:
    yield ",".join(_COLUMNS) + "\n"
    yield from _rows(events)


def _rows(events: Iterable[Event]) -> Iterator[str]:
    from edged.attendance.out_csv import harmless

    for event in events:
        text = io.StringIO()
        person = event.data.get("person_id", "")
        data = "" if event.redacted else json.dumps(event.data)
        values = (event.seq, event.id, event.type, event.time, event.clock, person, data)
        csv.writer(text, lineterminator="\n").writerow([harmless(value) for value in values])
        yield text.getvalue()
