"""A foreign network in, a bundle out: every step of an import in its order."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from edged.bundle.inspect import inspect
from edged.bundle.load import load_bundle
from edged.bundle.manifest import BundleName, Input, Text, Version
from edged.errors import BundleError
from edged.evaluation.outputs import agreement
from edged.importer import measure
from edged.importer.bundle import new_folder, refuse_existing, sha256, write_manifest
from edged.importer.calibration import calibrate
from edged.importer.card import Measured, write_card
from edged.importer.extras import extra, official
from edged.importer.faces import read_faces, template
from edged.importer.foreign import Network, Preprocessing, read_foreign
from edged.importer.quantise import quantise
from edged.importer.runtimes import check_runtimes, write_selftest
from edged.importer.views import Views, damage_randomly
from edged.vision.embed import network_input

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.importer.faces import Faces
    from edged.importer.irse import Head
    from edged.importer.measure import Scored
    from edged.types import Image

    Say = Callable[[str], None]

PUBLISHED_RULE = (0.45, 0.35)  # similarities for same and different that users of RTS know
_SCORED, _RANGED = 100, 300  # faces that the score is measured on, and that set INT8's ranges
_NETWORK, _SELFTEST, _CARD = "model.onnx", "selftest.npz", "MODEL_CARD.md"


@dataclass(frozen=True, slots=True)
class Request:
    """What is imported, from what, into what.

    Attributes:
        file: ``.onnx``, or the published RTS weights in torch's or the safetensors format.
        people: folder with one folder a person.
        out: the bundle's folder; must not exist.
        aligned: the people's images are aligned crops, not photos.
        int8: make it INT8.
        head: of the RTS weights; None to find out.
        embedding, uncertainty: outputs of an ONNX file; see `read_foreign`.
    """

    file: Path
    people: Path
    out: Path
    name: str
    version: str
    licence: str
    aligned: bool = False
    int8: bool = True
    head: Head | None = None
    embedding: str | None = None
    uncertainty: str | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    @property
    def official(self) -> bool:
        """Whether the file holds the published RTS weights."""
        return official(self.file)


@dataclass(frozen=True, slots=True)
class Imported:
    """A finished bundle."""

    folder: Path
    identity: str
    measured: Measured


def run(request: Request, say: Say) -> Imported:
    """Import a network. Nothing is left behind unless all of it went well.

    Raises:
        BundleError: the file, the people or the network are not usable; see the modules of this
            package for what each refuses.
        EvaluationError: no folder of people.
        DiskFull, StorageError: the bundle cannot be written.
        EdgedError: a package of the extra ``import`` is missing.
    """
    _check_words(request)
    refuse_existing(request.out)
    with (
        new_folder(request.out) as folder,
        tempfile.TemporaryDirectory(prefix=".edged-", dir=folder.parent) as scratch,
    ):
        measured = _build(request, folder, Path(scratch) / "float.onnx", say)
        bundle = load_bundle(folder)
        inspect(bundle)
    return Imported(request.out, bundle.identity, measured)


def _check_words(request: Request) -> None:
    """Raises BundleError for a name, version or licence that no manifest takes."""
    for option, kind in (("name", BundleName), ("version", Version), ("licence", Text)):
        given = getattr(request, option)
        try:
            TypeAdapter(kind).validate_python(given)
        except ValidationError as fault:
            raise BundleError(f"--{option}: {fault.errors()[0]['msg']} (got {given!r})") from fault


def _build(request: Request, folder: Path, float_file: Path, say: Say) -> Measured:
    """Make the whole bundle in `folder`, and measure it."""
    if request.int8:
        extra("nncf")
    onnx = extra("onnx")
    say("reading the network")
    network = read_network(request, float_file)
    onnx.save(network.model, str(float_file))
    say("reading the faces")
    faces = read_faces(request.people, network.input.width_px, aligned=request.aligned)
    sample = faces.chips[faces.sample(_SCORED)]
    say("measuring its score on clean and damaged faces")
    scored = measure.score(network, float_file, sample)
    separation_float = measure.separate(scored.outputs)
    separation_float.require("the network's score")
    onnx.save(network.model, str(float_file))

    names = (network.embedding, scored.log_variance)
    file = folder / _NETWORK
    if request.int8:
        say("making it INT8")
        chips = _ranging(faces)
        quantise(float_file, file, chips, lambda chip: network_input(chip, network.input), names)
        outputs = measure.measure(file, network.input, names, sample)
    else:
        onnx.save(_plain(network.model), str(file))
        outputs = scored.outputs
    separation = measure.separate(outputs)
    separation.require("the score of the INT8 network (--float keeps it as it is)")
    say("calibrating")
    views = Views(file, network.input, names)
    calibrated = calibrate(
        measure.outputs_of(views(faces.chips, "calibrating")),
        measure.outputs_of(views(list(damage_randomly(faces.chips)), "calibrating, damaged")),
        faces.people,
        scored.source,
        PUBLISHED_RULE if request.official else None,
    )
    manifest = _manifest(request, network, scored) | {
        "quality": calibrated.quality,
        "similarity": calibrated.similarity,
        "calibration": calibrated.calibration,
    }
    write_manifest(folder, manifest)
    write_selftest(load_bundle(folder), folder / _SELFTEST)
    manifest |= {"selftest": _SELFTEST}
    write_manifest(folder, manifest)
    say("running it on every runtime")
    measured = Measured(
        score=scored.what,
        separation=separation,
        separation_float=separation_float,
        agreement=agreement(outputs, scored.outputs) if request.int8 else None,
        calibrated=calibrated,
        runtimes=check_runtimes(load_bundle(folder), float_file if request.int8 else None),
        left_out=faces.left_out,
        size_bytes=file.stat().st_size,
    )
    (folder / _CARD).write_text(write_card(manifest, measured, _origin(request)), encoding="utf-8")
    write_manifest(folder, manifest)
    return measured


def read_network(request: Request, scratch: Path) -> Network:
    """The float network of either kind of file; `scratch` is overwritten with it.

    Raises:
        BundleError: see `read_foreign` and `edged.importer.weights`.
    """
    if not request.official:
        return read_foreign(
            request.file, request.embedding, request.uncertainty, request.preprocessing
        )
    from edged.importer.weights import find_head, load, read_weights

    tensors = read_weights(request.file)
    network = load(request.file, tensors, find_head(request.file, tensors, request.head))
    del tensors
    from edged.importer.export import INPUT, export

    export(network.folded(), scratch, ["embedding", "score"])
    model = extra("onnx").load(str(scratch))
    form = Input(name=INPUT, width_px=112, height_px=112, colour="rgb", mean=127.5, scale=1 / 127.5)
    return Network(model, form, "embedding", "score", logarithm=True)


def _ranging(faces: Faces) -> list[Image]:
    """What sets INT8's ranges: clean faces, one in six of them damaged."""
    rows = faces.sample(_RANGED)
    worse = damage_randomly(faces.chips[rows[::6]])
    return [next(worse) if i % 6 == 0 else faces.chips[row] for i, row in enumerate(rows)]


def _plain(model: Any) -> Any:
    """Without what tools leave behind: their build's paths and options."""
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    return model


def _origin(request: Request) -> str:
    kind = "the published RTS weights" if request.official else "an ONNX network"
    return f"{request.file.name} ({kind})"


def _manifest(request: Request, network: Network, scored: Scored) -> dict[str, Any]:
    """The manifest, less what is calibrated."""
    return {
        "schema": 1,
        "kind": "recogniser",
        "name": request.name,
        "version": request.version,
        "input": network.input.model_dump(),
        "alignment": {
            "landmarks": np.round(template(network.input.width_px), 4).tolist(),
        },
        "outputs": {
            "embedding": {"name": network.embedding, "size": scored.size},
            "log_variance": {"name": scored.log_variance},
        },
        "network": _NETWORK,
        "licences": [
            {
                "part": "network",
                "licence": request.licence,
                "source": f"{request.file.name}, as its importer states",
            },
            {
                "part": "self-test crops",
                "licence": "public domain",
                "source": "NASA, portrait of Eileen Collins",
            },
        ],
        "provenance": [
            {
                "part": "network",
                "source": _origin(request),
                "sha256": sha256(request.file),
            }
        ],
    }
