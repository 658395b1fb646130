"""``edged replay FILE -c CONFIG``: a recorded day decided again, under another policy."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from edged.cli.output import BadUsage, add_config, add_json, positive
from edged.config.load import NOT_A_VALUE, load
from edged.config.schema import Decision
from edged.errors import GalleryError
from edged.gallery.store import make_gallery
from edged.recording.file import RecordingFile
from edged.service.replay import changed_policy, replay
from edged.service.whatif import Pseudonyms, document, lines
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.gallery.store import Gallery
    from edged.recording.items import Header
    from edged.service.replay import Search

_PROFILES = ("attendance", "access", "high_security")


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("file", type=Path, metavar="FILE", help="what `edged record` wrote")
    add_config(command, required=True)
    command.add_argument("--profile", choices=_PROFILES, help="decide by another profile")
    command.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="decision.KEY=VALUE",
        help="decide with another setting; may be given several times",
    )
    command.add_argument(
        "--configured", action="store_true", help="decide by the configuration's own settings"
    )
    command.add_argument(
        "--people", type=positive, metavar="N", help="suppose a gallery of so many people"
    )
    command.add_argument(
        "--gallery", action="store_true", help="search the present gallery, not the recorded one"
    )
    for name, text in (("from", "at this time or later"), ("to", "before this time")):
        command.add_argument(
            f"--{name}",
            dest=f"{name}_",
            type=_time,
            metavar="TIME",
            help=f"only visits that began {text} (2026-01-31T08:00, local unless it says)",
        )
    command.add_argument("--ids", action="store_true", help="people by their ids, not as p1, p2 …")
    add_json(command)
    command.set_defaults(run=run)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    part, dot, key = name.strip().partition(".")
    if not (equals and dot and key) or part != "decision":
        raise argparse.ArgumentTypeError("expected decision.KEY=VALUE")
    if key not in Decision.model_fields:
        known = ", ".join(Decision.model_fields)
        raise argparse.ArgumentTypeError(f"no setting decision.{key}; known: {known}")
    try:
        return key, yaml.safe_load(value)
    except (yaml.YAMLError, *NOT_A_VALUE) as fault:
        raise argparse.ArgumentTypeError(f"{value!r} is no value of YAML") from fault


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as fault:
        raise argparse.ArgumentTypeError("expected a time such as 2026-01-31T08:00") from fault


def run(args: argparse.Namespace, output: Output) -> int:
    """Decide again; 1 when the recording's own policy does not give what was recorded."""
    config = load(args.config)
    key = load_key(config.key)
    if args.from_ is not None and args.to_ is not None and args.from_ >= args.to_:
        raise BadUsage("--from must be before --to")
    file = RecordingFile(args.file, key)
    gallery = make_gallery(config.gallery, key) if args.gallery else None
    try:
        file.open(make=False)
        with file.reading() as reader:
            result = replay(
                reader,
                policy=_policy(args, config),
                people=args.people,
                search=None if gallery is None else _search(gallery, config),
                begin=float("-inf") if args.from_ is None else args.from_,
                end=float("inf") if args.to_ is None else args.to_,
            )
    finally:
        file.close()
        if gallery is not None:
            gallery.close()
    told = document(result, Pseudonyms(args.ids))
    output.result(told, lines(told))
    return 1 if told["as_recorded"]["first_difference"] else 0


def _policy(args: argparse.Namespace, config: Config) -> Callable[[Header], Policy] | None:
    changes: dict[str, Any] = {}
    if args.configured:
        changes |= config.decision.model_dump(mode="json")
    if args.profile:
        changes["profile"] = args.profile
    changes |= dict(args.set)
    return (lambda header: changed_policy(header, changes)) if changes else None


def _search(gallery: Gallery, config: Config) -> Callable[[Header], Search]:
    """The present gallery; none is made."""
    if not config.gallery.path.exists():
        raise GalleryError(f"{config.gallery.path}: there is no gallery; see `edged gallery init`")
    gallery.open()

    def of(header: Header) -> Search:
        index = gallery.index(header.model, header.size)
        if not len(index):
            raise GalleryError(
                f"nobody in the gallery has a template of {header.model}, which the recording "
                "was made with; leave --gallery out"
            )
        return lambda probe: index.search(probe, 2)

    return of
