"""``edged explain EVENT_ID``: why something happened at the door, in words."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage, add_config, add_json, positive
from edged.config.load import load
from edged.errors import SourceError, StorageError
from edged.events.canon import loads
from edged.service.explain import DECISIONS, explain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import BinaryIO

    from edged.cli.output import Output
    from edged.events.outbox import Outbox

_FEWEST_DIGITS = 4
_LONGEST_LINE = 1 << 20
_LOOK_BACK = 500
Message = dict[str, Any]


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("event_id", nargs="?", help="the event's id, or its beginning")
    which.add_argument("--seq", type=positive, metavar="N", help="the event with this number")
    which.add_argument("--last", action="store_true", help="the last decision about a face")
    command.add_argument(
        "--file",
        metavar="FILE",
        help="look among captured events, one a line, - for stdin, instead of on the terminal",
    )
    add_config(command, required=False)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Find the event and explain it; beside a running terminal, whose log is only read."""
    if (args.file is None) == (args.config is None):
        raise BadUsage("give the terminal's configuration (-c) or captured events (--file)")
    if args.event_id is not None and not _is_id(args.event_id):
        raise BadUsage(
            f"an event's id has 32 hex digits; give {_FEWEST_DIGITS} of its first at least"
        )
    message = _captured(args) if args.file is not None else _recorded(args)
    told = explain(message)
    output.result(
        {
            "event": {name: message.get(name) for name in ("id", "seq", "type", "time", "clock")},
            "rule": told.rule,
            "what": told.what,
            "why": told.why,
            "facts": list(told.facts),
            "otherwise": list(told.otherwise),
            "data": message.get("data"),
        },
        (
            line.replace("\n", "\\n")  # an event writes no lines of its own
            for line in _lines(message, told.what, told.why, told.rule, told.facts, told.otherwise)
        ),
    )
    return 0


def _lines(
    message: Message,
    what: str,
    why: str,
    rule: str | None,
    facts: Iterable[str],
    otherwise: Iterable[str],
) -> Iterator[str]:
    yield "{type}  {time}  {id} ({seq})".format_map(
        {name: message.get(name) for name in ("type", "time", "id", "seq")}
    )
    if message.get("clock") != "synced":
        yield "  (the terminal's clock was not known to be right)"
    yield f"what: {what}"
    yield f"why:  {why}" + (f" [{rule}]" if rule else "")
    yield from (f"  - {line}" for line in facts)
    lines = list(otherwise)
    if lines:
        yield "what would have changed it:"
        yield from (f"  - {line}" for line in lines)


def _is_id(text: str) -> bool:
    digits = text.lower()
    return _FEWEST_DIGITS <= len(digits) <= 32 and set(digits) <= set("0123456789abcdef")


def _recorded(args: argparse.Namespace) -> Message:
    with _opened(args.config) as outbox:
        if args.last:
            return _one(_backwards(outbox), "no decision about a face is in the log")
        if args.seq is not None:
            found = (e.to_message(False) for e in outbox.events(args.seq, args.seq))
            return _one(found, f"event number {args.seq} is not in the log (any more)")
        events = outbox.beginning(args.event_id.lower())
        return _only([event.to_message(False) for event in events], args.event_id)


def _backwards(outbox: Outbox) -> Iterator[Message]:
    last = outbox.head.seq
    while last > 0:
        first = max(1, last - _LOOK_BACK + 1)
        for event in reversed(list(outbox.events(first, last))):
            if event.type in DECISIONS:
                yield event.to_message(False)
        last = first - 1


@contextmanager
def _opened(path: Path) -> Generator[Outbox]:
    from edged.events.outbox import make_outbox
    from edged.vault.keys import load_key

    config = load(path)
    if not config.events.path.exists():
        raise StorageError(f"{config.events.path} does not exist: this terminal never ran")
    outbox = make_outbox(config.events, load_key(config.key))
    try:
        outbox.open()
        yield outbox
    finally:
        outbox.close()


def _captured(args: argparse.Namespace) -> Message:
    if args.last:
        found = _newest(_read(args.file, lambda event: event["type"] in DECISIONS))
        return _one(found, "no decision about a face is in the file")
    if args.seq is not None:
        same = _read(args.file, lambda event: event.get("seq") == args.seq)
        return _only(list(_distinct(same)), f"number {args.seq}")
    start = args.event_id.lower()
    return _only(list(_distinct(_read(args.file, lambda e: e["id"].startswith(start)))), start)


def _read(name: str, wanted: Callable[[Message], bool]) -> Iterator[Message]:
    """Events among the lines of a file: JSON, or a topic and JSON as ``mosquitto_sub -v`` prints
    it. What is no event is passed over."""
    try:
        with _source(name) as file:
            while line := file.readline(_LONGEST_LINE):
                event = _event(line)
                if event is not None and wanted(event):
                    yield event
    except OSError as fault:
        raise SourceError(f"{name}: cannot be read: {fault.strerror}") from fault


@contextmanager
def _source(name: str) -> Generator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def _event(line: bytes) -> Message | None:
    try:
        found = loads(line[max(0, line.find(b"{")) :])
    except ValueError:
        return None
    whole = isinstance(found, dict) and all(isinstance(found.get(n), str) for n in ("id", "type"))
    return found if whole else None


def _distinct(events: Iterable[Message]) -> Iterator[Message]:
    """An event may come twice; two events are enough to see that there is more than one."""
    seen: set[str] = set()
    for event in events:
        if event["id"] not in seen:
            seen.add(event["id"])
            yield event
        if len(seen) > 1:
            return


def _newest(events: Iterable[Message]) -> Iterator[Message]:
    """Live and late events are mixed in a capture; the number says which came last."""
    best: Message | None = None
    for event in events:
        if best is None or _seq(event) >= _seq(best):
            best = event
    if best is not None:
        yield best


def _seq(event: Message) -> int:
    seq = event.get("seq")
    return seq if isinstance(seq, int) else 0


def _one(found: Iterable[Message], missing: str) -> Message:
    for message in found:
        return message
    raise SourceError(missing)


def _only(found: list[Message], asked: str) -> Message:
    if len(found) > 1:
        raise SourceError(f"more than one event begins with {asked}; give more of its id")
    return _one(found, f"no event {asked} is there (any more)")
