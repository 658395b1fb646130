"""``edged enrol PERSON_ID IMAGE…``: people into the gallery from photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.camera.images import read_image
from edged.cli.gallery import opened
from edged.cli.output import add_config, add_json, person_id
from edged.cli.profile import add_profile, given_profile, warning_line
from edged.config.load import load
from edged.errors import GalleryError, ImageError, NoUsableFace
from edged.gallery.people import Enrolment
from edged.service.beside import Beside
from edged.service.engine import Engine
from edged.service.enrolling import enrol
from edged.service.photos import (
    NOBODY_KNOWS,
    NOT_THEM,
    SOURCE,
    Refused,
    View,
    levels,
    look,
    merged_profile,
    sort_out,
)
from edged.service.policy import make_policy

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("person_id", type=person_id)
    command.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    command.add_argument("--name", help="kept encrypted; shown only where the site allows it")
    add_profile(command)
    add_config(command, required=True)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Enrol what can be enrolled; images that cannot are named with the reason."""
    config = load(args.config)
    given = given_profile(args)
    with opened(config) as gallery:
        with (
            Engine(config.model, config.vision) as engine,
            Beside(config, engine, gallery) as beside,
        ):
            policy = make_policy(config.decision, engine.manifest, config.gallery)
            asked = levels(engine.manifest, policy)
            looked = [
                (str(path), _look(engine, path, asked.quality, beside)) for path in args.images
            ]
            model, size = engine.identity, engine.manifest.outputs.embedding.size
        refused = [_told(image, found) for image, found in looked if isinstance(found, Refused)]
        taken = [(image, found) for image, found in looked if isinstance(found, View)]
        if not taken:
            raise NoUsableFace("\n".join(f"{r['image']}: {r['reason']}" for r in refused))
        person = gallery.person(args.person_id)
        profile = merged_profile(person, given)
        views = [view for _, view in taken]
        stored = gallery.templates(args.person_id, model) if person else []
        new, odd = sort_out(views, stored, asked)
        if odd and not new:
            raise GalleryError(
                f"{args.person_id}: {NOT_THEM if stored else NOBODY_KNOWS}; enrol again with "
                "photos of one person, or remove the person first if the older ones are not theirs"
            )
        refused += [_told(taken[place][0], Refused("incoherent", NOT_THEM)) for place in odd]
        warnings: tuple[dict[str, Any], ...] = ()
        if new:
            warnings = enrol(
                gallery,
                gallery.index(model, size),
                [
                    template
                    for view in (views[place] for place in new)
                    for template in beside.twin(
                        Enrolment(args.person_id, view.embedding, model, view.quality, SOURCE),
                        view.second,
                    )
                ],
                limit=config.gallery.templates_per_person,
                coherence=asked.different,
                profiles={args.person_id: profile} if profile is not None else {},
                settings=config.gallery,
                nearness=policy.nearness,
            ).warnings
        elif person is not None and profile is not None and profile != person.profile:
            gallery.set_profile(args.person_id, profile)
    known = len(taken) - len(new) - len(odd)
    told = {
        "person_id": args.person_id,
        "enrolled": len(new),
        "known": known,
        "refused": refused,
        "warnings": list(warnings),
        "model": model,
    }
    output.result(
        told,
        [
            f"{args.person_id}: {len(new)} of {len(args.images)} images enrolled"
            + (f", {known} known already" if known else ""),
            *(f"refused {r['image']}: {r['reason']}" for r in refused),
            *map(warning_line, warnings),
        ],
    )
    return 0


def _told(image: str, why: Refused) -> dict[str, str]:
    return {"image": image, "code": why.reason, "reason": why.text}


def _look(engine: Engine, path: Path, floor: float, beside: Beside) -> View | Refused:
    try:
        return look(engine, read_image(path), floor, beside.again)
    except ImageError as fault:
        return Refused("unreadable", str(fault).removeprefix(f"{path}: "))
