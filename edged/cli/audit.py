"""``edged audit verify | export``: whether the log of what happened is whole, and its proof."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edged.cli.output import BadUsage, add_config, add_json, positive
from edged.config.load import load
from edged.errors import KeyUnavailable
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.events.capture import Unreadable
    from edged.events.chain import Chain, Finding, Part, Report
    from edged.events.outbox import Outbox

_WHOLE, _BROKEN, _BAD_INPUT = 0, 1, 2
_MOST_UNREADABLE = 100
_LARGEST_KEY = 10_000


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser(
        "verify", help="whether anything was removed, altered, moved or put in"
    )
    action.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="an export, or what `mosquitto_sub -v` or `edged ctl watch --save` wrote; - for "
        "standard input; without it the log of the terminal itself (-c)",
    )
    add_config(action, required=False)
    action.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="PEM",
        help="the terminal's signing key, which is trusted; may be given more than once",
    )
    action.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="checkpoints that you kept, as they came",
    )
    action.add_argument(
        "--from-seq", type=positive, metavar="N", help="event N must be there, and all after it"
    )
    add_json(action)
    action.set_defaults(run=verify)
    action = actions.add_parser("export", help="print the terminal's log as signed lines of JSON")
    action.add_argument("--from", dest="from_seq", type=positive, default=1, metavar="N")
    action.add_argument("--to", dest="to_seq", type=positive, metavar="N")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=export)


@dataclass
class _Read:
    """What was in the way of reading, and whose keys were used."""

    unreadable: list[Unreadable] = field(default_factory=list)
    more: int = 0
    events: int = 0
    trust: str = ""

    def note(self, problem: Unreadable) -> None:
        if len(self.unreadable) < _MOST_UNREADABLE:
            self.unreadable.append(problem)
        else:
            self.more += 1


def verify(args: argparse.Namespace, output: Output) -> int:
    """Judge a file, or the terminal's own log; 1 where it is broken, 2 where it is no log."""
    from edged.events.chain import Chain

    if args.file is None and args.config is None:
        raise BadUsage("what? Give a file, - for standard input, or the terminal's own with -c")
    config = None if args.config is None else load(args.config)
    keys = [_pem(path) for path in args.key]
    if config is not None:
        from edged.vault.identity import Identity

        keys.append(Identity(load_key(config.key)).signing_public)
    read = _Read()
    if args.file is None:
        assert config is not None  # noqa: S101  # asked above
        chain, checkpoints = Chain((), from_seq=args.from_seq), Chain(keys)
        _own(config, chain, read)
        read.trust = "the terminal's own file needs no signatures; checkpoints were checked"
    else:
        with _opened(args.file) as file:
            keys, read.trust = _trust(file, keys)
            chain = checkpoints = Chain(keys, from_seq=args.from_seq)
            _take(file, chain, read)
    for path in args.checkpoint:
        _kept(path, chain, checkpoints)
    report = chain.report()
    rejected = () if checkpoints is chain else checkpoints.report().findings
    return _say(output, report, tuple(rejected), read, own=args.file is None)


def export(args: argparse.Namespace, _output: Output) -> int:
    """Print events with their signatures, and a checkpoint where the end of the log is in it."""
    from edged.events.types import CHECKPOINT_TYP, EVENT_TYP, utc_now
    from edged.vault.identity import Identity

    config = load(args.config)
    identity = Identity(load_key(config.key))
    with _outbox(config) as outbox:
        head = outbox.head
        until = head.seq if args.to_seq is None else min(args.to_seq, head.seq)
        for event in outbox.events(args.from_seq, until):
            sig = identity.sign_detached(event.canonical(), EVENT_TYP)
            _print({**event.document(), "sig": sig})
    if args.to_seq is None:
        now = utc_now()
        sig = identity.sign_detached(head.canonical(now), CHECKPOINT_TYP)
        said = {"v": 1, "time": now, "log": head.log, "seq": head.seq, "hash": head.hash}
        _print({**said, "sig": sig})
    sys.stdout.flush()
    return _WHOLE


def _print(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, separators=(",", ":"), allow_nan=False) + "\n")


@contextmanager
def _outbox(config: Config) -> Iterator[Outbox]:
    from edged.events.outbox import make_outbox

    if not config.events.path.exists():
        raise BadUsage(f"{config.events.path}: there is no log yet; the terminal makes it")
    outbox = make_outbox(config.events, load_key(config.key))
    try:
        outbox.open()
        yield outbox
    finally:
        outbox.close()


def _own(config: Config, chain: Chain, read: _Read) -> None:
    with _outbox(config) as outbox:
        head = outbox.head
        for event in outbox.events(1, head.seq):
            chain.add(event)
            read.events += 1
        said = {"v": 1, "log": head.log, "seq": head.seq, "hash": head.hash, "time": head.time}
        chain.add_checkpoint(said)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The file; of standard input a copy on the disk, since it is read twice."""
    with ExitStack() as stack:
        if name == "-":
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            yield copy
            return
        try:
            file = stack.enter_context(Path(name).open("rb"))
        except (OSError, ValueError) as fault:
            raise BadUsage(f"{name}: {getattr(fault, 'strerror', fault)}") from fault
        if not file.seekable():
            raise BadUsage(f"{name}: is no plain file; give - and let it come on standard input")
        yield file


def _trust(file: BinaryIO, keys: list[str]) -> tuple[list[str], str]:
    """The keys to check with, and in words what that is worth."""
    from edged.events.capture import Heard, read_lines
    from edged.vault.identity import signing_id

    if keys:
        names = ", ".join(dict.fromkeys(map(signing_id, keys)))
        return keys, f"signatures were checked with the key that you trust: {names}"
    named: dict[str, str] = {}
    for one in read_lines(file):
        if isinstance(one, Heard) and one.kind == "key":
            try:
                named[signing_id(one.message["public_key"])] = one.message["public_key"]
            except KeyUnavailable:
                continue
    file.seek(0)
    if not named:
        return [], "signatures were NOT checked: no --key was given, and the file names none"
    return list(named.values()), (
        f"signatures were checked with the key that the capture itself names ({', '.join(named)}): "
        "whoever made it up could have put in theirs; give --key to be sure"
    )


def _take(file: BinaryIO, chain: Chain, read: _Read) -> None:
    from edged.events.capture import Unreadable, read_lines

    for one in read_lines(file):
        if isinstance(one, Unreadable):
            read.note(one)
            continue
        try:
            if one.kind == "event":
                chain.add(one.message, one.line, one.source)
                read.events += 1
            elif one.kind == "checkpoint":
                chain.add_checkpoint(one.message, one.line, one.source)
        except ValueError as fault:
            read.note(Unreadable(one.line, str(fault)))


def _kept(path: Path, chain: Chain, judge: Chain) -> None:
    """Checkpoints of a file; what `judge` finds wrong with one keeps it out of the chain."""
    from edged.events.capture import Heard, read_lines

    found = 0
    with _opened(str(path)) as file:
        for one in read_lines(file):
            if not isinstance(one, Heard) or one.kind != "checkpoint":
                continue
            try:
                good = judge.add_checkpoint(one.message)
                if good and judge is not chain:
                    chain.add_checkpoint(one.message)
            except ValueError as fault:
                raise BadUsage(f"{path}:{one.line}: {fault}") from fault
            found += 1
    if not found:
        raise BadUsage(f"{path}: there is no checkpoint in it")


def _say(
    output: Output, report: Report, rejected: tuple[Finding, ...], read: _Read, *, own: bool
) -> int:
    findings = (*report.findings, *rejected)
    bad = bool(read.unreadable) or not (read.events or own)
    code = _BAD_INPUT if bad else _BROKEN if findings else _WHOLE
    lines = [f"line {one.line}: {one.why}" for one in read.unreadable]
    lines += [f"and {read.more} more lines that cannot be read"] if read.more else []
    lines += [_found(one) for one in findings]
    lines += [f"and {report.more} more findings"] if report.more else []
    lines += [_part(one) for one in report.parts]
    lines += [] if read.events or own else ["there is no event in it"]
    lines.append(read.trust)
    verdict = {_WHOLE: "whole", _BROKEN: "broken", _BAD_INPUT: "unreadable"}[code]
    lines.append({_BAD_INPUT: "not all of it can be judged"}.get(code, f"the log is {verdict}"))
    output.result(
        {
            "result": verdict,
            "events": read.events,
            "trust": read.trust,
            "logs": [asdict(one) for one in report.parts],
            "findings": [asdict(one) for one in findings],
            "more_findings": report.more,
            "unreadable": [asdict(one) for one in read.unreadable],
            "more_unreadable": read.more,
        },
        lines,
    )
    return code


def _found(one: Finding) -> str:
    where = f"line {one.line}: " if one.line else ""
    what = one.what.replace("_", " ")
    return f"{where}{what}: log {one.log}, event {one.seq}: {one.text}"


def _part(one: Part) -> str:
    told = [f"log {one.log}: events {one.first} to {one.last}, {one.events} of them here"]
    told += [f"{one.signed} with a good signature"] if one.signed else []
    told += [f"{one.redacted} redacted"] if one.redacted else []
    told += [f"{first} to {last} lost, as the terminal says" for first, last in one.lost]
    told += [] if one.begins else ["what was before is not here"]
    told.append(
        "no checkpoint, so nobody can tell whether its end is missing"
        if one.checkpoint is None
        else f"the newest checkpoint speaks of event {one.checkpoint}"
    )
    return (f"{one.source} " if one.source else "") + "; ".join(told)


def _pem(path: Path) -> str:
    from edged.vault.identity import signing_id

    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_KEY).decode("ascii", "replace")
        signing_id(text)
    except OSError as fault:
        raise BadUsage(f"{path}: {fault.strerror}") from fault
    except KeyUnavailable as fault:
        raise KeyUnavailable(f"{path}: {fault}") from fault
    return text
