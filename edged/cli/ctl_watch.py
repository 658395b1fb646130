"""``edged ctl watch``: events as they happen, and as they were."""

from __future__ import annotations

import fnmatch
import json
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import FAILED, OK, add_site, settings_of, signing_key
from edged.cli.output import BadUsage, Output, positive, seconds
from edged.errors import ProvisionError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edged.site.settings import SiteSettings
    from edged.site.watch import News


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Its arguments."""
    action = actions.add_parser("watch", help="print events as they happen")
    action.add_argument("--backlog", action="store_true", help="and what comes late")
    action.add_argument(
        "--type", action="append", metavar="TYPE", help="only these, such as 'access.*'"
    )
    action.add_argument("--count", type=positive, metavar="N", help="end after so many")
    action.add_argument("--for", dest="for_s", type=seconds, metavar="SECONDS", help="end then")
    action.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="keep everything, for `edged audit verify`; goes on where it ended",
    )
    action.add_argument(
        "--heal", action="store_true", help="have what is missing sent again (role auditor)"
    )
    action.add_argument(
        "--from",
        dest="from_seq",
        type=positive,
        metavar="SEQ",
        help="with --heal: also what happened before, from this event on (1: all there is)",
    )
    action.add_argument(
        "--heal-after", type=seconds, default=10.0, metavar="SECONDS", help="default 10"
    )
    action.add_argument(
        "--verify-key",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a terminal's public key (PEM); provisioned terminals are verified anyway",
    )
    add_site(action, run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print until it ends; 1 where anything was wrong with what came."""
    from edged.site.watch import Watch

    settings = settings_of(args)
    if args.from_seq is not None and not args.heal:
        raise BadUsage("--from asks for what happened before: it needs --heal")
    if args.all and args.terminal:
        raise BadUsage("give either --terminal or --all")
    if not (args.all or args.terminal):
        raise BadUsage("which terminal? Give --terminal NAME, or --all")
    terminals: list[str] = [] if args.all else list(dict.fromkeys(args.terminal))
    beside = Output(as_json=True)  # whatever is no event goes to stderr
    problems = shown = 0
    until_s = None if args.for_s is None else time.monotonic() + args.for_s
    with (
        _ended_by_sigterm(),
        Watch(
            settings,
            terminals,
            keys=_keys(settings, terminals, args.verify_key),
            save=args.save,
            backlog=args.backlog,
            signer=signing_key(settings) if args.heal else None,
            heal_after_s=args.heal_after,
            from_seq=args.from_seq,
        ) as watch,
    ):
        for news in watch.news(until_s):
            if news is None:
                if args.count is not None and shown >= args.count:
                    break
                continue
            problems += news.problem
            if news.event is None:
                beside.say(f"edged: {news.terminal}: {news.text}")
            elif _wanted(news.event, args) and (args.count is None or shown < args.count):
                shown += 1
                output.result(
                    {
                        "terminal": f"{settings.site}/{news.terminal}",
                        "verified": news.verified,
                        **news.event,
                    },
                    [_line(news)],
                )
        missing = watch.holes
    for hole in missing:
        beside.say(f"edged: {hole.terminal}: events {hole.first} to {hole.last} are missing")
    return FAILED if problems else OK


def _wanted(event: dict[str, Any], args: argparse.Namespace) -> bool:
    if event.get("historical") and not args.backlog:
        return False
    kind = str(event.get("type"))
    return not args.type or any(fnmatch.fnmatchcase(kind, pattern) for pattern in args.type)


def _line(news: News) -> str:
    event = news.event or {}
    data = event.get("data")
    facts = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in (data.items() if isinstance(data, dict) else ())
        if value not in (None, [], "")
    ]
    late = " (late)" if event.get("historical") else ""
    signed = "" if news.verified is None else " signed"
    head = f"{event.get('time')} {news.terminal} {event.get('seq')} {event.get('type')}"
    return f"{head}{late}{signed} {' '.join(facts)}".rstrip()


def _keys(
    settings: SiteSettings, terminals: list[str], files: list[Path]
) -> dict[str, tuple[str, ...]]:
    """By terminal the keys that may sign: those that are known, and those that were given."""
    from edged.site.known import Known

    known = Known(settings.terminals, settings.site).all()
    keys: dict[str, tuple[str, ...]] = {name: (one.signing,) for name, one in known.items()}
    given = tuple(_pem(path) for path in files)
    if given and not terminals:
        raise BadUsage("--verify-key is of one terminal: name it with --terminal")
    for name in terminals if given else ():
        keys[name] = given
    return keys


def _pem(path: Path) -> str:
    from edged.vault.identity import signing_id

    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as fault:
        raise ProvisionError(f"{path}: cannot be read: {fault}") from fault
    signing_id(text)
    return text


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """As by Ctrl-C: what was heard is on the disk, and the note beside it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
