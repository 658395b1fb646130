"""The `edged` command: one file a subcommand, all with --json.

Exit codes: 0 done, 1 failed, 2 bad usage, configuration or input, 3 no usable face.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from edged import __version__
from edged.cli.output import BadUsage, Output
from edged.errors import (
    BrokerError,
    BundleError,
    ConfigError,
    EdgedError,
    EvaluationError,
    ImageError,
    InstallerError,
    KeyUnavailable,
    NoUsableFace,
    RulesError,
    SourceError,
    WrongKey,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, BAD_INPUT, NO_FACE, INTERRUPTED = 0, 1, 2, 3, 130
_MENDED_BY_HAND = (
    BadUsage,
    BrokerError,
    BundleError,
    ConfigError,
    EvaluationError,
    ImageError,
    InstallerError,
    KeyUnavailable,
    RulesError,
    SourceError,
    WrongKey,
)
_COMMANDS = {
    "run": "run the terminal until SIGTERM",
    "record": "run the terminal and record what its decisions rest on",
    "replay": "decide a recorded day again, under another policy",
    "check": "check a configuration by opening everything",
    "contract": "print the contract of the MQTT messages (AsyncAPI)",
    "demo": "watch a terminal do its job",
    "provision": "become known to the site: on the terminal",
    "ctl": "control terminals: on the site's side",
    "doctor": "examine this machine and say what to do",
    "extract": "embed the face of an image and score the view",
    "compare": "compare the faces of two images (1:1)",
    "enrol": "enrol a person from photos",
    "gallery": "look after the people who are enrolled",
    "policy": "see whom the rules let in, when, and by which line",
    "explain": "say why something happened at the door",
    "attendance": "working days out of the terminal's log",
    "events": "look into the log of what happened",
    "area": "look at who is inside, and correct it",
    "clock": "look at what is believed of the time",
    "keys": "look at the keys that may command this terminal",
    "audit": "verify or export the log of what happened",
    "hints": "see which hints help at this door",
    "model": "look at a model bundle",
    "installer": "choose the password of the installer's page",
    "door": "look at the inputs of the door, or put its relay to rest",
    "signals": "try the lamps and buzzers while edged is not running",
    "bench": "measure this machine",
    "eval": "measure a model on your own people",
}


class _Parser(argparse.ArgumentParser):
    """Says bad usage as every other error is said."""

    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message}; see `{self.prog} --help`")


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The command line; only the commands that `argv` names are loaded, for a quick answer.

    `edged door rest` after a crash must not wait for what other commands need.
    """
    top = _Parser(
        prog="edged", description="A face-recognition door terminal that knows when it cannot know."
    )
    top.add_argument("--version", action="version", version=f"edged {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name in argv:
            import_module(f"edged.cli.{name}").add(command)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    output = Output(as_json="--json" in argv)
    try:
        args = parser(argv).parse_args(argv)
        output.as_json = args.json is True  # a file's name is no wish for JSON on stdout
        return int(args.run(args, output))
    except NoUsableFace as fault:
        output.fault(str(fault), "no_usable_face")
        return NO_FACE
    except _MENDED_BY_HAND as fault:
        configuration = isinstance(fault, ConfigError | RulesError)
        output.fault(str(fault), "bad_configuration" if configuration else "bad_input")
        return BAD_INPUT
    except EdgedError as fault:
        output.fault(str(fault), "failed")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read what we write has gone, as `head` does
        return FAILED
    except OSError as fault:  # a net: a command that expects one says what to do about it
        where = "" if fault.filename is None else f"{os.fsdecode(fault.filename)}: "
        output.fault(f"{where}{fault.strerror or fault}", "failed")
        return FAILED


def entry_point() -> None:
    """What the installed script calls."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever called; argparse would fail on it
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names need not be text in this locale
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.exit(main())
    finally:
        _flush()


def _flush() -> None:
    """What nobody reads is dropped; the interpreter would complain of it on its way out."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
