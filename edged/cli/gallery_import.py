"""``edged gallery import SOURCE``: everybody of a folder or a table, from their photos."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edged.cli.output import add_config, add_json, positive
from edged.cli.profile import add_profile, given_profile, warning_line
from edged.config.load import load
from edged.errors import SourceError
from edged.gallery.store import make_gallery
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.service.bulk import Told

_DONE, _NO_FACE = 0, 3  # as edged.cli.main says
_REWRITE_S, _LINE_S = 0.2, 10.0
_MOST_WARNINGS = 20


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a folder (a sub-folder a person, or ID.jpg and ID_2.jpg), or a CSV file with the "
        "columns person_id and image",
    )
    command.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="a line for each image, and where to go on after an interruption (default: beside "
        "SOURCE, its name with .import.jsonl)",
    )
    command.add_argument(
        "--workers", type=positive, metavar="N", help="default, and at most: the cores at hand"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="look at every image; write nothing at all"
    )
    add_profile(command)
    add_config(command, required=True)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Enrol everybody; what was done before goes unlooked at."""
    # late: `edged gallery list` need not wait for the networks' libraries
    from edged.service.bulk import Import
    from edged.service.ledger import Ledger
    from edged.service.sources import read_source
    from edged.service.workers import Workers

    config = load(args.config)
    given = given_profile(args)
    people = read_source(args.source)
    images = sum(len(someone.photos) for someone in people)
    if not images:
        raise SourceError(f"{args.source}: holds no photos")
    report = None if args.dry_run else args.report or _beside(args.source)
    gallery = make_gallery(config.gallery, load_key(config.key))
    workers = Workers(config, workers_for(images, args.workers), gallery)
    progress = Progress(sys.stderr)
    try:
        gallery.open()
        workers.open()
        ledger = Ledger(report, workers.engine.identity)
        try:
            ledger.open()
            told = Import(
                config,
                gallery,
                workers,
                ledger,
                given=given,
                write=not args.dry_run,
                progress=progress.show,
            ).run(people)
        finally:
            progress.end()
            ledger.close()
    finally:
        workers.close()
        gallery.close()
    _tell(output, told, report, dry_run=args.dry_run)
    return _DONE if told.held else _NO_FACE


def workers_for(images: int, wanted: int | None) -> int:
    """How many work on so many images: more than the cores would only take memory."""
    cores = len(os.sched_getaffinity(0))
    return min(wanted or cores, cores, images)


class Progress:
    """How far it is: one line that is rewritten on a terminal, else a line now and then."""

    def __init__(self, stream: TextIO | None, now_and_then_s: float | None = None) -> None:
        self._stream = stream
        self._rewrites = stream is not None and stream.isatty()
        default_s = _REWRITE_S if self._rewrites else _LINE_S
        self._pause_s = default_s if now_and_then_s is None else now_and_then_s
        self._began_s = time.monotonic()
        self._shown_s = self._began_s
        self._open = False

    def show(self, told: Told) -> None:
        """Say it, unless that was just said."""
        now_s = time.monotonic()
        if now_s - self._shown_s < self._pause_s:
            return
        self._shown_s = now_s
        rate = told.done / (now_s - self._began_s)
        left_s = (told.images - told.done) / rate if rate > 0 else 0.0
        self._put(
            f"{told.done}/{told.images} images, {_counts(told)}, {rate:.0f}/s, {left_s:.0f} s left"
        )

    def end(self) -> None:
        """Whatever is written next begins on a line of its own."""
        if self._open and self._stream is not None:
            self._write("\n")
            self._open = False

    def _put(self, line: str) -> None:
        self._write(f"\r{line}\x1b[K" if self._rewrites else f"{line}\n")
        self._open = self._rewrites

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # whoever watched has gone; the work goes on
            self._stream = None


def _beside(source: Path) -> Path:
    """What names people lies where their photos lie, and goes when those go."""
    place = source.resolve()
    if not place.name:
        raise SourceError(f"{source}: no place for a report beside it; name one by --report")
    return place.with_name(f"{place.name}.import.jsonl")


def _counts(told: Told) -> str:
    return ", ".join(f"{told.outcomes[name]} {name}" for name in ("enrolled", "known", "refused"))


def _tell(output: Output, told: Told, report: Path | None, *, dry_run: bool) -> None:
    reasons = dict(told.reasons.most_common())
    lines = [
        f"{told.images} images of {told.people} people: {_counts(told)}"
        + (" (a trial: nothing was written)" if dry_run else ""),
        f"{len(told.held)} people are in the gallery by them, {told.people - len(told.held)} not"
        if not dry_run
        else f"{len(told.held)} people would be enrolled, {told.people - len(told.held)} not",
        *(f"refused {count}: {reason}" for reason, count in reasons.items()),
        *map(warning_line, told.warnings[:_MOST_WARNINGS]),
    ]
    if len(told.warnings) > _MOST_WARNINGS:
        lines.append(f"and {len(told.warnings) - _MOST_WARNINGS} more warnings; see --json")
    if report is not None:
        lines.append(f"each image: {report} (it names people; remove it with the photos)")
    output.result(
        {
            "images": told.images,
            "people": told.people,
            **{name: told.outcomes[name] for name in ("enrolled", "known", "refused")},
            "reasons": reasons,
            "people_held": len(told.held),
            "warnings": told.warnings,
            "dry_run": dry_run,
            "report": None if report is None else str(report),
        },
        lines,
    )
