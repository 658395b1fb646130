"""``edged run -c FILE``: the daemon."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

from edged.cli.output import add_config, add_json
from edged.config.load import lines_of, load
from edged.errors import EdgedError
from edged.service.begin import begin
from edged.service.daemon import Daemon
from edged.service.desired import TooLax, fallen_back
from edged.service.restart import begin_anew

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.config.schema import Config


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(command, required=True)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Run the daemon; logs go to stderr (one JSON object a line with --json)."""
    begun, lines = begin(load(args.config)), lines_of(args.config)
    while True:
        log_to_stderr(begun.config, as_json=output.as_json)
        daemon = Daemon(begun.config, begun, restarts=True, lines=lines)
        try:
            code = daemon.run()
        except EdgedError as fault:
            if not (begun.on_trial or isinstance(fault, TooLax)):
                raise
            begun = fallen_back(begun, fault)
            continue
        if daemon.begins_anew and not begin_anew(daemon.asked_to_end):
            return code if daemon.asked_to_end() else 1
        return code


def log_to_stderr(config: Config, *, as_json: bool) -> None:
    """Every line that the daemon logs, one JSON object a line if wished."""
    handler = logging.StreamHandler(sys.stderr)
    lines = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_JsonFormatter() if as_json else lines)
    logging.basicConfig(level=config.log_level.upper(), handlers=[handler], force=True)


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)
