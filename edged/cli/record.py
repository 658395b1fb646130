"""``edged record FILE -c CONFIG [--for 8h]``: the terminal at work, its decisions recorded."""

from __future__ import annotations

import argparse
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.output import add_config, add_json
from edged.cli.run import log_to_stderr
from edged.config.load import load
from edged.config.schema import Recording
from edged.recording.file import RecordingFile
from edged.service.begin import begin
from edged.service.daemon import Daemon
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from edged.cli.output import Output

_LONGEST_S = 365 * 86_400.0
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("file", type=Path, metavar="FILE", help="is made, or added to")
    add_config(command, required=True)
    command.add_argument(
        "--for",
        dest="for_s",
        type=_duration,
        metavar="TIME",
        help="stop after 90s, 30m, 8h or 2d; otherwise at SIGTERM or Ctrl-C",
    )
    add_json(command)
    command.set_defaults(run=run)


def _duration(text: str) -> float:
    found = re.fullmatch(r"(\d{1,7}(?:\.\d+)?)([smhd])", text)
    seconds = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError("expected a time such as 90s, 30m, 8h or 2d")
    return seconds


def run(args: argparse.Namespace, output: Output) -> int:
    """Run the daemon with a recording; what was written is told at the end."""
    begun = begin(load(args.config), tries=False)
    config = begun.config
    settings = config.recording.model_dump() if config.recording is not None else {}
    path = args.file.absolute()
    config = config.model_copy(update={"recording": Recording(**settings | {"path": path})})
    file = RecordingFile(path, load_key(config.key))
    try:
        file.open(make=True)  # what cannot be written is said before anybody comes
        before = file.last_visit()
        log_to_stderr(config, as_json=output.as_json)
        daemon = Daemon(config, begun)
        timer = threading.Timer(args.for_s or 0.0, daemon.stop)
        timer.daemon = True
        if args.for_s is not None:
            timer.start()
        try:
            code = daemon.run()
        finally:
            timer.cancel()
        new, after = file.contents(before), file.contents()
    finally:
        file.close()
    told = {
        "file": str(path),
        "visits": new.visits,
        "frames": new.frames,
        "people": after.people,
        "bytes": after.bytes,
    }
    size = f"{after.people} people and {after.bytes / 1e6:.1f} MB in all"
    output.result(told, [f"{path}: {new.visits} visits, {new.frames} frames; {size}"])
    return code
