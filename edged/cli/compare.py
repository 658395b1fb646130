"""``edged compare A B``: whether two images show the same person (1:1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edged.camera.images import read_image
from edged.cli.extract import describe, find
from edged.cli.output import add_config, add_json, model_settings
from edged.decision.policy import verify
from edged.service.engine import Engine

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output

_WORDS = {
    "same": "the same person",
    "doubtful": "doubtful: look again, or take other photos",
    "different": "different people",
    "retake": "no answer: a view cannot be trusted; take a better photo",
}


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("a", type=Path)
    command.add_argument("b", type=Path)
    command.add_argument(
        "--profile",
        choices=("attendance", "access", "high_security"),
        default="access",
        help="how much quality both views must have (default: access)",
    )
    add_config(command, required=False)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the similarity and the verdict of the 1:1 rule."""
    images = [(read_image(path), path) for path in (args.a, args.b)]
    with Engine(*model_settings(args)) as engine:
        found = [find(engine, image, path) for image, path in images]
        rule = engine.manifest.similarity.verification
        minimum = getattr(engine.manifest.quality.minimum, args.profile)
        similarity = float(found[0].embedded.embedding @ found[1].embedded.embedding)
        verdict = verify(
            similarity,
            (found[0].embedded.quality, found[1].embedded.quality),
            same=rule.same,
            different=rule.different,
            minimum_quality=minimum,
        ).value
        a, b = (describe(engine, one, feature=False) for one in found)
    told = {"similarity": round(similarity, 4), "verdict": verdict, "a": a, "b": b}
    output.result(
        told,
        [
            f"{verdict}: {_WORDS[verdict]}",
            f"similarity {similarity:.3f}: same > {rule.same}, different < {rule.different}",
            f"quality {a['ood_score']:.2f} and {b['ood_score']:.2f}, at least {minimum}",
        ],
    )
    return 0
