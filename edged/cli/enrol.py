"""``edged enrol PERSON_ID IMAGE…``: people into the gallery from photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edged.camera.images import read_image
from edged.cli.gallery import opened
from edged.cli.output import add_config, add_json, person_id
from edged.config.load import load
from edged.errors import ImageError, NoUsableFace
from edged.gallery.people import Enrolment
from edged.service.engine import Engine
from edged.types import Defect

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.gallery.store import Gallery
    from edged.types import Floats

    View = tuple[Floats, float]  # an embedding and its quality

_SAME_PHOTO = 0.9999


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("person_id", type=person_id)
    command.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    command.add_argument("--name", help="kept encrypted; shown only where the site allows it")
    add_config(command, required=True)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Enrol what can be enrolled; images that cannot are named with the reason."""
    config = load(args.config)
    taken: list[View] = []
    refused: list[dict[str, str]] = []
    with opened(config) as gallery:
        with Engine(config.model, config.vision) as engine:
            floor = engine.manifest.quality.minimum.access
            coherence = engine.manifest.similarity.verification.different
            for path in args.images:
                try:
                    taken.append(_view(engine, path, floor))
                except (ImageError, NoUsableFace) as fault:
                    reason = str(fault).removeprefix(f"{path}: ")
                    refused.append({"image": str(path), "reason": reason})
            model = engine.identity
        if not taken:
            raise NoUsableFace("\n".join(f"{r['image']}: {r['reason']}" for r in refused))
        new = _new(gallery, args.person_id, model, taken)
        gallery.add_many(
            [
                Enrolment(args.person_id, embedding, model, quality, "photo", args.name)
                for embedding, quality in new or (taken[:1] if args.name else [])
            ],
            limit=config.gallery.templates_per_person,
            coherence=coherence,
        )
    known = len(taken) - len(new)
    told = {
        "person_id": args.person_id,
        "enrolled": len(new),
        "known": known,
        "refused": refused,
        "model": model,
    }
    output.result(
        told,
        [
            f"{args.person_id}: {len(new)} of {len(args.images)} images enrolled"
            + (f", {known} known already" if known else ""),
            *(f"refused {r['image']}: {r['reason']}" for r in refused),
        ],
    )
    return 0


def _new(gallery: Gallery, person_id: str, model: str, views: list[View]) -> list[View]:
    """The views that the gallery has not got: photos given again must not oust other ones."""
    stored = gallery.templates(person_id, model)
    new: list[View] = []
    for view in views:
        known = [*stored, *(embedding for embedding, _ in new)]
        if max((float(view[0] @ other) for other in known), default=0.0) < _SAME_PHOTO:
            new.append(view)
    return new


def _view(engine: Engine, path: Path, floor: float) -> View:
    found = engine.extract(read_image(path))
    if Defect.SEVERAL_FACES in found.defects:
        raise NoUsableFace("several faces; crop the photo to the one person")
    if found.embedded.quality < floor:
        why = ", ".join(found.defects) or "unclear view"
        raise NoUsableFace(
            f"quality {found.embedded.quality:.2f} is below {floor:.2f} ({why}); use a sharper, "
            "frontal, well-lit photo"
        )
    return found.embedded.embedding, found.embedded.quality
