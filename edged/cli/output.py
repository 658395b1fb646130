"""How commands speak: lines for people, or one JSON document for programs."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

from edged.errors import EdgedError, GalleryError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from edged.config.schema import Model, Vision


_MOST_DIGITS = 10
_YEAR_S = 366 * 86_400.0


class BadUsage(EdgedError):
    """The command line asks for what cannot be."""


class Output:
    """Results to stdout, faults to stderr; with JSON either is one document on stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, data: dict[str, Any], lines: Iterable[str]) -> None:
        """The command's result, as JSON or as lines.

        Raises:
            BrokenPipeError: whoever reads them has gone.
            EdgedError: they cannot be written, for instance to a full disk.
        """
        text = _document(data) if self.as_json else "".join(f"{line}\n" for line in lines)
        _tell(sys.stdout, text)

    def say(self, line: str) -> None:
        """What happens on the way to the result; with JSON it goes to stderr. See `result`."""
        _tell(sys.stderr if self.as_json else sys.stdout, line + "\n")

    def stream(self, pieces: Iterable[str]) -> None:
        """A result that is too long to be held at once, as it is made. See `result`."""
        for piece in pieces:
            _tell(sys.stdout, piece)

    def fault(self, text: str, code: str) -> None:
        """Why the command did not do its work."""
        lines = text.splitlines()
        if self.as_json:
            with suppress(OSError):
                _write(sys.stdout, _document({"error": code, "text": text, "problems": lines}))
                return
        with suppress(OSError):
            # A problem with its place stands alone, for editors that jump there.
            said = "" if code == "bad_configuration" else "edged: "
            _write(sys.stderr, "".join(f"{said}{line}\n" for line in lines))


def _document(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=False) + "\n"  # ASCII, so that every locale can carry it


def _tell(stream: TextIO | None, text: str) -> None:
    try:
        _write(stream, text)
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise EdgedError(f"the result cannot be written: {fault.strerror}") from fault


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # None: the process was started with it closed
        stream.write(_harmless(text))
        stream.flush()


def _harmless(text: str) -> str:
    """With what would steer a terminal, or what it cannot show, spelt out: a file may have any
    name."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" or category(one) == "Zs" else ascii(one)[1:-1]
        for one in text
    )


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
    from edged.config.load import load
    from edged.config.schema import Model, Vision

    if args.config is None:
        return Model(), Vision()
    config = load(args.config)
    return config.model, config.vision


def person_id(text: str) -> str:
    """A person's id as an argument; refused before anything is opened."""
    from edged.gallery.people import check_id

    try:
        check_id(text)
    except GalleryError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from fault
    return text


def seconds(text: str) -> float:
    """So many seconds as an argument: a plain number from 0, of at most a year."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _YEAR_S:  # nan is none of these either
        raise argparse.ArgumentTypeError("expected seconds, a number from 0")
    return value


def positive(text: str) -> int:
    """A whole number from 1 as an argument, of at most ten digits."""
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1")
    return int(text)
