"""``edged hints``: which instructions help at this door, and which do not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edged.cli.output import add_config, add_json, positive
from edged.config.load import load
from edged.history.report import Followed, Report, report
from edged.history.store import DAY_S, History, history_path
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.history.store import Kept


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(command, required=True)
    command.add_argument(
        "--days", type=positive, default=28, metavar="N", help="how far to look back (28)"
    )
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Count what followed each hint; beside the running terminal, whose file is only read."""
    config = load(args.config)
    found = report(_kept(config, args.days))
    output.result({"days": args.days, **_document(found)}, _lines(found, args.days))
    return 0


def _kept(config: Config, days: int) -> list[Kept]:
    path = history_path(config)
    key = load_key(config.key)
    if not path.exists():  # a terminal that has not run yet; nothing is made
        return []
    history = History(path, key, config.history.keep_days)
    try:
        history.open()
        now = time.time()
        return history.presentations(now - days * DAY_S, now)
    finally:
        history.close()


def _document(found: Report) -> dict[str, Any]:
    return {
        "presentations": found.presentations,
        "granted_without_hint": found.without.document(),
        "hints": [
            {
                "code": hint.code,
                "shown": hint.shown,
                "quality_rose": hint.rose.document(),
                "median_gain": None if hint.gain is None else round(hint.gain, 4),
                "granted": hint.granted.document(),
                "helps": hint.helps,
            }
            for hint in found.hints
        ],
        "advice": found.sentences,
    }


def _lines(found: Report, days: int) -> list[str]:
    if not found.presentations:
        return [f"nobody was at the door in the last {days} days"]
    rows = [("hint", "shown", "quality rose", "median gain", "ended well")]
    rows += [_row(hint) for hint in found.hints]
    rows.append(("(none)", str(found.without.of), "", "", str(found.without)))
    return [
        f"{found.presentations} presentations in the last {days} days; 95 % bounds in brackets",
        *(f"{a:<17} {b:>7}  {c:<18} {d:>11}  {e}".rstrip() for a, b, c, d, e in rows),
        *found.sentences,
    ]


def _row(hint: Followed) -> tuple[str, str, str, str, str]:
    gain = "-" if hint.gain is None else f"{hint.gain:+.2f}"
    return hint.code, str(hint.shown), str(hint.rose), gain, str(hint.granted)
