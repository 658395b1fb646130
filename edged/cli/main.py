"""The `edged` command: one file a subcommand, all with --json.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 no usable face.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from edged import __version__
from edged.cli import (
    bench,
    check,
    compare,
    demo,
    doctor,
    door,
    enrol,
    extract,
    gallery,
    model,
    run,
)
from edged.cli.output import Output
from edged.errors import (
    BrokerError,
    ConfigError,
    EdgedError,
    ImageError,
    KeyUnavailable,
    NoUsableFace,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, BAD_USAGE, NO_FACE = 0, 1, 2, 3
_COMMANDS = (run, check, demo, doctor, extract, compare, enrol, gallery, model, door, bench)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="edged", description="A face-recognition door terminal that knows when it cannot know."
    )
    top.add_argument("--version", action="version", version=f"edged {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = parser().parse_args(argv)
    output = Output(as_json=args.json)
    try:
        return int(args.run(args, output))
    except NoUsableFace as fault:
        output.fault(str(fault), "no_usable_face")
        return NO_FACE
    except (ConfigError, KeyUnavailable, BrokerError, ImageError) as fault:
        output.fault(str(fault), "bad_input")
        return BAD_USAGE
    except EdgedError as fault:
        output.fault(str(fault), "failed")
        return FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED


def entry_point() -> None:
    """What the installed script calls."""
    sys.exit(main())
