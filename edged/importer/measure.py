"""A network measured on faces: its raw score given a form, its file held against the float one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation.outputs import Outputs
from edged.importer.graph import append_form, append_norm
from edged.importer.score import Separation, check_norm, find_form, separation
from edged.importer.views import KINDS, Views, damage

if TYPE_CHECKING:
    from pathlib import Path

    from edged.bundle.manifest import Input
    from edged.importer.foreign import Network
    from edged.types import Floats, Image


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
    embeddings, *raw = run(_views(chips), "measuring the score")
    size = embeddings.shape[1]
    if network.score is None:
        check_norm(embeddings)
        name = append_norm(network.model, network.embedding, size)
        values = (-2 * np.log(np.linalg.norm(embeddings, axis=1))).astype(np.float32)
        return Scored(
            name, size, "embedding_norm", "the embedding's length", Outputs(embeddings, values)
        )
    clean, *damaged = np.split(raw[0], len(KINDS) + 1)
    form, what = find_form(
        clean, dict(zip(KINDS, damaged, strict=True)), logarithm=network.logarithm
    )
    name = append_form(network.model, network.score, clean.shape[1], form)
    return Scored(name, size, "network", what, Outputs(embeddings, form.apply(raw[0])))


def measure(file: Path, form: Input, names: tuple[str, str], chips: Image) -> Outputs:
    """A finished file on clean faces and every kind of damage, in this order."""
    return outputs_of(Views(file, form, names)(_views(chips), "measuring the file"))


def outputs_of(seen: list[Floats]) -> Outputs:
    """Embedding and log variance of many views, as `Views` gives them."""
    return Outputs(seen[0], seen[1][:, 0])


def separate(outputs: Outputs) -> Separation:
    """How well the log variance tells damage; `outputs` as `score` and `measure` give them."""
    parts = np.split(outputs.log_variance, len(KINDS) + 1)
    return separation(parts[0], dict(zip(KINDS, parts[1:], strict=True)))


def _views(chips: Image) -> list[Image]:
    return [*chips, *(view for kind in KINDS for view in damage(chips, kind))]
