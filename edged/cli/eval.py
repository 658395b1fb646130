"""``edged eval people DIR`` and ``edged eval pairs LIST``: a model, measured on your own people."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage, add_config, model_settings, positive

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from edged.cli.output import Output
    from edged.evaluation.instrument import Face, Instrument
    from edged.evaluation.people import Found

_STDOUT = Path("-")
_ABOUT = (
    "Nothing leaves this machine. The report holds figures only; names of files are in the JSON, "
    "faces in the report with --thumbnails."
)


def add(command: argparse.ArgumentParser) -> None:
    """Its two forms and their arguments."""
    forms = command.add_subparsers(required=True, metavar="WHAT")
    people = forms.add_parser(
        "people", help="a folder with one folder of images a person", description=_ABOUT
    )
    people.add_argument("folder", type=Path, metavar="DIR")
    people.add_argument(
        "--gallery",
        type=positive,
        action="append",
        metavar="N",
        help="search a gallery of N people (again for more sizes; default: what the data allow)",
    )
    people.add_argument(
        "--enrol-photos",
        type=positive,
        default=1,
        metavar="N",
        help="photos enrolled of each person of a gallery (default: 1)",
    )
    extent = people.add_mutually_exclusive_group()
    extent.add_argument(
        "--quick", action="store_true", help="damage fewer views, at the middle level only"
    )
    extent.add_argument("--no-degradations", action="store_true", help="do not damage views at all")
    _common(people, "people")
    pairs = forms.add_parser(
        "pairs",
        help="a list of pairs: LFW's pairs.txt, or CSV path,path,same",
        description=_ABOUT,
    )
    pairs.add_argument("list", type=Path, metavar="LIST")
    pairs.add_argument(
        "--root", type=Path, metavar="DIR", help="what the list's paths start from (its folder)"
    )
    _common(pairs, "pairs")


def _common(form: argparse.ArgumentParser, what: str) -> None:
    form.add_argument("--bundle", metavar="NAME|DIR", help="the model bundle to measure")
    form.add_argument(
        "--reference",
        type=Path,
        metavar="FILE.onnx",
        help="a second network with the same input and outputs, such as the float one",
    )
    face = form.add_mutually_exclusive_group()
    face.add_argument(
        "--aligned", action="store_true", help="the images are aligned crops: detect nothing"
    )
    face.add_argument(
        "--central", action="store_true", help="take the face in the middle, not the largest"
    )
    form.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=_STDOUT,
        metavar="FILE",
        help="write the facts to a file; without FILE print them",
    )
    form.add_argument("--report", type=Path, metavar="FILE.html", help="write a report to read")
    form.add_argument(
        "--thumbnails", action="store_true", help="show the worst cases' faces in the report"
    )
    form.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep embeddings there, to go on after an interruption and to measure again "
        "quickly; they are biometric templates, and the folder must be yours alone (0700)",
    )
    form.add_argument("--seed", type=positive, default=1, help="of everything drawn (default: 1)")
    add_config(form, required=False)
    form.set_defaults(run=run, what=what)


def run(args: argparse.Namespace, output: Output) -> int:
    """Check everything that can be checked, measure, write and tell."""
    output.as_json = args.json == _STDOUT
    _needs(args)
    from edged.evaluation.output import writable, write

    files = [path for path in (args.json, args.report) if path not in (None, _STDOUT)]
    if len(files) == 2 and len({os.path.realpath(f) for f in files}) == 1:
        raise BadUsage("--json and --report name the same file")
    for path in files:
        writable(path)
    measure = _people(args) if args.what == "people" else _pairs(args)
    with ExitStack() as stack:
        instrument = _open(args, stack)
        try:
            found = measure(instrument)
        except KeyboardInterrupt:
            _interrupted(args, instrument)
            raise
        document = found.document
        pictures = _pictures(instrument, found) if args.thumbnails else None
    document["worst"] = _worst(found)
    if args.report is not None:
        from edged.evaluation.report import report

        write(args.report, report(document, pictures))
    if args.json not in (None, _STDOUT):
        write(args.json, json.dumps(document, allow_nan=False, indent=1) + "\n")
    from edged.evaluation.summary import summary

    output.result(document, [*summary(document), *(f"written: {path}" for path in files)])
    return 0


def _needs(args: argparse.Namespace) -> None:
    missing = [name for name in ("scipy", "matplotlib") if find_spec(name) is None]
    if "scipy" in missing or (missing and args.report is not None):
        raise BadUsage(f"{' and '.join(missing)} not installed; pip install 'edged[eval]'")
    if args.thumbnails and args.report is None:
        raise BadUsage("--thumbnails belongs to --report")


def _people(args: argparse.Namespace) -> Callable[[Instrument], Found]:
    from edged.evaluation.files import find_people
    from edged.evaluation.people import Options, check, measure

    extent = "none" if args.no_degradations else "quick" if args.quick else "all"
    options = Options(tuple(args.gallery or ()), args.enrol_photos, extent, args.seed)
    people = find_people(args.folder)
    check(people, options)
    return lambda instrument: measure(instrument, people, options)


def _pairs(args: argparse.Namespace) -> Callable[[Instrument], Found]:
    from edged.evaluation.files import read_pairs
    from edged.evaluation.pairs import measure

    pairs = read_pairs(args.list, args.root)
    return lambda instrument: measure(instrument, pairs, args.seed)


def _open(args: argparse.Namespace, stack: ExitStack) -> Instrument:
    from edged.evaluation.cache import Cache
    from edged.evaluation.instrument import Instrument
    from edged.service.engine import Engine

    model, vision = model_settings(args)
    if args.bundle is not None:
        model = model.model_copy(update={"bundle": args.bundle})
    engine = stack.enter_context(Engine(model, vision))
    cache = None if args.cache is None else stack.enter_context(Cache(args.cache))
    face: Face = "aligned" if args.aligned else "central" if args.central else "largest"
    return stack.enter_context(Instrument(engine, face, cache, args.reference, model))


def _interrupted(args: argparse.Namespace, instrument: Instrument) -> None:
    kept = (
        f"what was measured is kept in {args.cache}; the same command goes on from there"
        if args.cache is not None
        else "nothing is kept; with --cache DIR it could go on"
    )
    sys.stderr.write(f"\nedged: interrupted after {instrument.asked} views; {kept}\n")


def _worst(found: Found) -> list[dict[str, Any]]:
    from edged.evaluation.files import shown

    return [
        {"what": case.what, "value": round(case.value, 4), "files": [shown(f) for f in case.files]}
        for case in found.cases
    ]


def _pictures(instrument: Instrument, found: Found) -> list[list[bytes]]:
    """The chips of the worst cases as JPEG, case by case."""
    from edged.evaluation.thumbnails import thumbnail

    return [[thumbnail(instrument, path) for path in case.files] for case in found.cases]
