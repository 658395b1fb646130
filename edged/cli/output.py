"""How commands speak: lines for people, or one JSON document for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.config.load import load
from edged.config.schema import Model, Vision

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


class Output:
    """Writes results to stdout and faults to stderr; with JSON both are one document a line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, data: dict[str, Any], lines: Iterable[str]) -> None:
        """The command's result, as JSON or as lines."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")
        else:
            for line in lines:
                sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def fault(self, text: str, code: str) -> None:
        """Why the command did not do its work."""
        if self.as_json:
            document = {"error": code, "text": text, "problems": text.splitlines()}
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        else:
            sys.stderr.write("".join(f"edged: {line}\n" for line in text.splitlines()))


def add_json(command: argparse.ArgumentParser) -> None:
    """Every command has it."""
    command.add_argument("--json", action="store_true", help="print one JSON document")


def add_config(command: argparse.ArgumentParser, *, required: bool) -> None:
    """The configuration file; commands on still images do without."""
    command.add_argument(
        "-c", "--config", type=Path, metavar="FILE", required=required, help="configuration file"
    )


def model_settings(args: argparse.Namespace) -> tuple[Model, Vision]:
    """The settings of the networks: the configuration's, or the defaults."""
    if args.config is None:
        return Model(), Vision()
    config = load(args.config)
    return config.model, config.vision
