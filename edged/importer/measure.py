"""A network measured on faces: its raw score given a form, its file held against the float one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation.outputs import Outputs
from edged.importer.graph import append_form, append_norm
from edged.importer.score import Separation, check_norm, find_form, separation
from edged.importer.views import KINDS, Views, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from edged.bundle.manifest import Input
    from edged.importer.foreign import Network
    from edged.types import Floats, Image

CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Scored:
    """A network whose graph now gives a log variance.

    Attributes:
        log_variance: the output's name.
        size: of the embedding.
        source: "network" or "embedding_norm".
        what: what the raw score was found to be.
        outputs: on clean faces and every kind of damage, in this order.
    """

    log_variance: str
    size: int
    source: str
    what: str
    outputs: Outputs


def score(network: Network, file: Path, chips: Image) -> Scored:
    """Measure a network's raw outputs and make a log variance of them, within its graph.

    Args:
        file: where `network` is saved now.
        chips: clean faces.

    Raises:
        BundleError: it cannot be run, gives no finite numbers, or has nothing to make it of.
    """
    run = Views(file, network.input, network.outputs)
    seen = {kind: run(views, f"measuring, {kind}") for kind, views in _all(chips)}
    embeddings = np.concatenate([outputs[0] for outputs in seen.values()])
    size = embeddings.shape[1]
    if network.score is None:
        check_norm(embeddings)
        name = append_norm(network.model, network.embedding, size)
        values = (-2 * np.log(np.linalg.norm(embeddings, axis=1))).astype(np.float32)
        return Scored(
            name, size, "embedding_norm", "the embedding's length", Outputs(embeddings, values)
        )
    raw = {kind: outputs[1] for kind, outputs in seen.items()}
    clean = raw.pop(CLEAN)
    form, what = find_form(clean, raw, logarithm=network.logarithm)
    name = append_form(network.model, network.score, clean.shape[1], form)
    values = form.apply(np.concatenate([clean, *raw.values()]))
    return Scored(name, size, "network", what, Outputs(embeddings, values))


def measure(file: Path, form: Input, names: tuple[str, str], chips: Image) -> Outputs:
    """A finished file on clean faces and every kind of damage, in this order."""
    run = Views(file, form, names)
    seen = [run(views, f"measuring the file, {kind}") for kind, views in _all(chips)]
    return outputs_of(seen)


def outputs_of(seen: list[list[Floats]]) -> Outputs:
    """Embeddings and log variances of several runs, one after the other."""
    embeddings, log_variances = (np.concatenate([run[i] for run in seen]) for i in (0, 1))
    return Outputs(embeddings, log_variances[:, 0])


def separate(outputs: Outputs) -> Separation:
    """How well the log variance tells damage; `outputs` as `score` and `measure` give them."""
    parts = np.split(outputs.log_variance, len(KINDS) + 1)
    return separation(parts[0], dict(zip(KINDS, parts[1:], strict=True)))


def _all(chips: Image) -> list[tuple[str, list[Image]]]:
    return [(CLEAN, list(chips)), *((kind, list(damaged(chips, kind))) for kind in KINDS)]
