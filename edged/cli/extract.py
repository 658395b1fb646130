"""``edged extract IMAGE``: what the network makes of a face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.camera.images import read_image
from edged.cli.output import add_config, add_json, model_settings
from edged.errors import NoUsableFace
from edged.service.engine import Engine, Extraction

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.types import Image


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("image", type=Path)
    add_config(command, required=False)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the embedding and how far the view can be trusted."""
    image = read_image(args.image)
    with Engine(*model_settings(args)) as engine:
        described = describe(engine, find(engine, image, args.image))
    output.result(described, lines(described))
    return 0


def find(engine: Engine, image: Image, path: Path) -> Extraction:
    """The face of an image file; raises NoUsableFace, which names the file."""
    try:
        return engine.extract(image)
    except NoUsableFace as fault:
        raise NoUsableFace(f"{path}: {fault}") from fault


def describe(engine: Engine, found: Extraction, *, feature: bool = True) -> dict[str, Any]:
    """An extraction as JSON; ``feature`` is the unit-length embedding."""
    face, embedded = found.face, found.embedded
    told: dict[str, Any] = {
        "ood_score": round(embedded.quality, 4),
        "quality_level": engine.manifest.quality.level(embedded.quality).value,
        "log_variance": round(embedded.log_variance, 4),
        "face": {
            "box": [
                round(v, 1) for v in (face.box.left, face.box.top, face.box.right, face.box.bottom)
            ],
            "landmarks": [[round(x, 1), round(y, 1)] for x, y in face.landmarks],
            "pose": {
                "yaw_deg": round(face.pose.yaw_deg, 1),
                "pitch_deg": round(face.pose.pitch_deg, 1),
                "roll_deg": round(face.pose.roll_deg, 1),
            },
            "score": round(face.score, 4),
        },
        "faces": found.faces,
        "defects": [defect.value for defect in found.defects],
        "model": engine.identity,
    }
    if feature:
        values = [float(f"{value:.7g}") for value in embedded.embedding.tolist()]
        return {"feature": values, **told}
    return told


def lines(told: dict[str, Any]) -> list[str]:
    """The same for a person."""
    box, pose = told["face"]["box"], told["face"]["pose"]
    shown = [
        (
            f"quality    {told['ood_score']:.2f} ({told['quality_level']}), "
            f"log variance {told['log_variance']:.2f}"
        ),
        (
            f"face       {box[2] - box[0]:.0f} x {box[3] - box[1]:.0f} px at "
            f"{box[0]:.0f},{box[1]:.0f}; {told['faces']} in the image"
        ),
        (
            f"pose       yaw {pose['yaw_deg']:.0f}, pitch {pose['pitch_deg']:.0f}, "
            f"roll {pose['roll_deg']:.0f} degrees"
        ),
        f"defects    {', '.join(told['defects']) or 'none'}",
        f"model      {told['model']}",
    ]
    if "feature" in told:
        shown.append(f"embedding  {len(told['feature'])} values; print them with --json")
    return shown
