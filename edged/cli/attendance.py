"""``edged attendance report | correct``: working days out of the terminal's log."""

from __future__ import annotations

import argparse
import re
import time
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edged.attendance.punch import STATES
from edged.cli.output import BadUsage, add_config, add_json, person_id
from edged.config.load import load
from edged.errors import AttendanceError, EdgedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from datetime import tzinfo

    from edged.attendance.report import Heading, Renderer
    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.events.outbox import Outbox

_FORMATS = ("text", "csv", "json", "html")
_MOST_DAYS = 3700
_LONGEST = 100
_CONTENTS = 1 << 15


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("report", help="who worked when, day by day")
    action.add_argument("--from", dest="first", type=_date, required=True, metavar="DATE")
    action.add_argument("--to", dest="last", type=_date, required=True, metavar="DATE")
    action.add_argument("--person", type=person_id, metavar="ID", help="of one person only")
    action.add_argument("--format", choices=_FORMATS, help="text if nothing is said")
    action.add_argument("--out", type=Path, metavar="FILE", help="a new file, for its owner only")
    action.add_argument("--zone", type=_zone, metavar="ZONE", help="instead of the terminal's")
    action.add_argument("--day-begins", type=_clock, metavar="HH:MM", help="likewise")
    action.add_argument("--names", action="store_true", help="with the names of those enrolled")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=report)
    action = actions.add_parser("correct", help="say how a punch was; what was recorded stays")
    action.add_argument("action", choices=("replace", "add", "void"))
    action.add_argument("person", type=person_id, metavar="PERSON")
    action.add_argument("--punch", metavar="EVENT_ID", help="of the punch, in full")
    action.add_argument("--state", choices=STATES)
    action.add_argument("--time", metavar="TIME", help="such as 2026-03-01T08:00, or with offset")
    action.add_argument("--why", type=_words, required=True, metavar="TEXT")
    action.add_argument("--who", type=_words, metavar="TEXT", help="who wishes it")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=correct)


def report(args: argparse.Namespace, output: Output) -> int:
    """Write a report; beside a running terminal, whose log is only read."""
    if args.last < args.first:
        raise BadUsage("--to is before --from")
    if (args.last - args.first).days > _MOST_DAYS:
        raise BadUsage("a report is of ten years at most")
    kind = args.format or ("json" if args.json else "text")
    if args.json and kind != "json":
        raise BadUsage("--json and another --format: give one of them")
    config = load(args.config)
    with opened(config) as outbox:
        heading = _heading(args, config)
        renderer = _renderer(kind, heading)
        pieces = _pieces(outbox, heading, renderer, args.person)
        if args.out is None:
            output.stream(pieces)
            return 0
        _write(args.out, pieces)
    output.result({"file": str(args.out), "format": kind}, [f"written: {args.out}"])
    return 0


def _heading(args: argparse.Namespace, config: Config) -> Heading:
    from edged.access.zone import zone_of
    from edged.attendance.report import Heading
    from edged.attendance.workday import WorkDays
    from edged.config.attendance import Attendance

    zone = args.zone or zone_of(config)
    begins = args.day_begins or (config.attendance or Attendance()).day_begins
    return Heading(
        f"{config.site}/{config.terminal}",
        args.first,
        args.last,
        WorkDays(zone, begins),
        getattr(zone, "key", None) or str(zone),
        begins,
        int(time.time() * 1000),
        _names(config) if args.names else None,
    )


def _names(config: Config) -> dict[str, str]:
    from edged.cli.gallery import opened as opened_gallery

    with opened_gallery(config) as gallery:
        return {person.id: person.name for person in gallery.people() if person.name}


def _renderer(kind: str, heading: Heading) -> Renderer:
    from edged.attendance.out_csv import CsvReport
    from edged.attendance.out_html import HtmlReport
    from edged.attendance.out_json import JsonReport
    from edged.attendance.out_text import TextReport

    makers: dict[str, Callable[[Heading], Renderer]] = {
        "csv": CsvReport,
        "html": HtmlReport,
        "json": JsonReport,
        "text": TextReport,
    }
    return makers[kind](heading)


def _pieces(
    outbox: Outbox, heading: Heading, renderer: Renderer, person: str | None
) -> Iterator[str]:
    from edged.attendance.report import Totals, people_of
    from edged.service.punch_log import REPEATS_WITHIN_MS, PunchLog

    punches, totals = PunchLog(outbox, _CONTENTS), Totals()
    corrections = punches.corrections(person)
    yield renderer.begin()
    day = heading.first
    while day <= heading.last:
        begin_ms, end_ms = heading.days.span(day)
        told = punches.told(begin_ms, end_ms + REPEATS_WITHIN_MS, person)
        people = people_of(day, heading.days, told, corrections, heading.made_ms)
        if person is not None:  # others may be named beside
            people = [one for one in people if one.person == person]
        for one in people:
            totals.add(one)
        yield renderer.day(day, people)
        day += timedelta(days=1)
    yield renderer.end(totals.sorted())


def _write(path: Path, pieces: Iterator[str]) -> None:
    from edged.vault.files import placed

    try:
        with placed(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            for piece in pieces:
                file.write(piece)
    except FileExistsError as fault:
        raise EdgedError(f"{path} exists already; it is left as it is") from fault
    except OSError as fault:
        raise EdgedError(f"{path} cannot be written: {fault.strerror}") from fault


def correct(args: argparse.Namespace, output: Output) -> int:
    """Record a correction, by whoever has the terminal's key; it may run meanwhile."""
    from edged.access.zone import zone_of
    from edged.attendance.correct import Request, corrected
    from edged.attendance.punch import CORRECTED
    from edged.events.trusted import TrustedTime
    from edged.service.punch_log import PunchLog

    config = load(args.config)
    with opened(config) as outbox:
        punches, stands = PunchLog(outbox), None
        if args.punch is not None:
            stands = punches.punch(args.punch)
            if stands is None:
                raise AttendanceError(f"no punch {args.punch[:64]} is in the log")
        elif not punches.has(args.person) and not _enrolled(config, args.person):
            raise AttendanceError(f"nobody is enrolled as {args.person}, or ever punched")
        request = Request(
            args.person, args.action, args.punch, args.state, args.time, args.why, args.who
        )
        data = corrected(request, stands, int(time.time() * 1000), zone_of(config))
        data |= {"by": "local", "command": None, "key": None}
        believed = TrustedTime(outbox)
        believed.open()
        outbox.believe = believed.clock
        event = outbox.append(CORRECTED, data)
    told = {
        "event": event.id,
        "id": data["punch"] or event.id,
        **{name: data[name] for name in ("person_id", "action", "state", "time")},
    }
    place = "void" if data["time"] is None else f"{data['state']} at {data['time']}"
    output.result(told, [f"{args.person}: {told['id']} is {place} from now on"])
    return 0


def _enrolled(config: Config, person: str) -> bool:
    from edged.cli.gallery import opened as opened_gallery

    if not config.gallery.path.exists():
        return False
    with opened_gallery(config) as gallery:
        return gallery.profile(person) is not None


@contextmanager
def opened(config: Config) -> Generator[Outbox]:
    """The log for a block; it must be there."""
    from edged.events.outbox import make_outbox
    from edged.vault.keys import load_key

    if not config.events.path.exists():
        raise StorageError(f"{config.events.path} does not exist: this terminal never ran")
    outbox = make_outbox(config.events, load_key(config.key))
    try:
        outbox.open()
        yield outbox
    finally:
        outbox.close()


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError("expected a date such as 2026-03-01") from fault
    if not 1971 <= found.year <= 9990:  # days and zones reach beyond both ends
        raise argparse.ArgumentTypeError("expected a year from 1971 to 9990")
    return found


def _zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
        raise argparse.ArgumentTypeError("no time zone of this name; see Europe/Berlin") from fault


def _clock(text: str) -> str:
    if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise argparse.ArgumentTypeError("expected a time of day such as 04:00")
    return text


def _words(text: str) -> str:
    if not 0 < len(text) <= _LONGEST or not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected 1 to {_LONGEST} plain characters")
    return text
