"""``edged model import``: a network from elsewhere becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage, add_json, positive

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output

HELP = "make a bundle of the published RTS weights or of an ONNX face network"
_EPILOG = """\
The people are yours: one folder a person, ten people or more with two images each. Thresholds and
quality are measured on them, and INT8's ranges are set by them; nothing of them goes into the
bundle. Everything must be measured well enough or nothing is made: the score must tell damaged
faces from clean ones whichever way it points, and the network must recognise the people.
Needs pip install 'edged[import]'.
"""


def add(actions: Any) -> None:
    """Join the actions of ``edged model``."""
    command = actions.add_parser("import", help=HELP, description=HELP, epilog=_EPILOG)
    command.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help=".onnx, or the RTS weights of ModelScope (.pt, .pth, .bin, .safetensors)",
    )
    command.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        required=True,
        help="photos, one folder a person",
    )
    command.add_argument("--aligned", action="store_true", help="they are aligned crops already")
    command.add_argument("--name", required=True, help="of the bundle: a-z, 0-9, dots and dashes")
    command.add_argument("--version", required=True, metavar="X.Y.Z", dest="bundle_version")
    command.add_argument(
        "--licence", required=True, metavar="TEXT", help="under which you may use the network"
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="the bundle's folder (./NAME)")
    command.add_argument("--float", action="store_true", help="leave it in float, not INT8")
    weights = command.add_argument_group("RTS weights")
    weights.add_argument(
        "--head",
        choices=["plain", "plus"],
        help="which uncertainty head, where the file holds two trained ones",
    )
    onnx = command.add_argument_group("ONNX network")
    onnx.add_argument("--embedding", metavar="OUTPUT", help="needed where there are several")
    onnx.add_argument(
        "--uncertainty",
        metavar="OUTPUT",
        help="a variance, its logarithm or a quality; without one the embedding's length stands in",
    )
    onnx.add_argument("--colour", choices=["rgb", "bgr"], help="order of the channels (rgb)")
    onnx.add_argument("--mean", type=float, help="taken from values of 0 to 255 (127.5)")
    onnx.add_argument("--scale", type=float, help="multiplied by after that (1/127.5)")
    onnx.add_argument("--size", type=positive, metavar="PX", help="where the file leaves it open")
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Import, and tell what was measured."""
    from edged.importer.extras import missing, official

    _check(args, official(args.file))
    if lacking := missing(args.file, int8=not args.float):
        raise BadUsage(f"{', '.join(lacking)} not installed; pip install 'edged[import]'")
    from edged.importer.foreign import Preprocessing
    from edged.importer.run import Request
    from edged.importer.run import run as run_import

    given = {
        "colour": args.colour,
        "mean": args.mean,
        "scale": args.scale,
        "size_px": args.size,
    }
    request = Request(
        file=args.file,
        people=args.calibration,
        out=args.out or Path(args.name),
        name=args.name,
        version=args.bundle_version,
        licence=args.licence,
        aligned=args.aligned,
        int8=not args.float,
        head=args.head,
        embedding=args.embedding,
        uncertainty=args.uncertainty,
        preprocessing=Preprocessing(**{k: v for k, v in given.items() if v is not None}),
    )
    done = run_import(request, lambda step: output.say(f"{step} …"))
    output.result(
        {"identity": done.identity, "folder": str(done.folder), **done.measured.as_dict()},
        [
            f"{done.identity} in {done.folder}",
            *(f"  {line}" for line in done.measured.lines()),
            f"  next: edged model sign {done.folder} --key FILE, then edged model install",
        ],
    )
    return 0


def _check(args: argparse.Namespace, official: bool) -> None:
    """Raises BadUsage for an option that belongs to the other kind of file."""
    foreign = ("embedding", "uncertainty", "colour", "mean", "scale", "size")
    wrong = foreign if official else ("head",)
    given = [f"--{name}" for name in wrong if getattr(args, name) is not None]
    if given:
        kind = "the RTS weights, whose network is known" if official else "an ONNX network"
        raise BadUsage(f"{', '.join(given)}: not for {kind}")
