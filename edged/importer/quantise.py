"""Float ONNX to one INT8 file with QDQ nodes that every runtime reads."""

from __future__ import annotations

import io
import logging
import os
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import BundleError
from edged.importer.extras import extra
from edged.importer.graph import only_towards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edged.types import Floats, Image


def quantise(
    source: Path,
    target: Path,
    chips: Sequence[Image],
    feed: Callable[[Image], Floats],
    outputs: tuple[str, str],
) -> None:
    """NNCF's default preset: symmetric int8 activations and weights.

    What only the score needs stays in float: it is small, and in int8 it would lose its order.

    Args:
        source: the float network, one input.
        target: where the quantised file goes.
        chips: faces that set the activation ranges.
        feed: a chip as the network's input.
        outputs: names of the embedding and of the log variance.

    Raises:
        BundleError: NNCF cannot quantise this network; the text says how to go on.
        EdgedError: onnx or nncf is not installed.
    """
    onnx, nncf = extra("onnx"), _nncf()
    network = onnx.load(str(source))
    embedding, log_variance = outputs
    entry = network.graph.input[0].name
    ignored = only_towards(network, log_variance, [embedding])
    try:
        with redirect_stdout(io.StringIO()):
            model = nncf.quantize(
                network,
                nncf.Dataset(list(chips), lambda chip: {entry: feed(chip)}),
                subset_size=len(chips),
                ignored_scope=nncf.IgnoredScope(names=ignored),
            )
    except (nncf.InternalError, nncf.ValidationError, RuntimeError, ValueError) as fault:
        raise BundleError(
            f"NNCF cannot make this network INT8 ({type(fault).__name__}: {fault}); --float "
            "keeps it as it is"
        ) from fault
    _sign(model)
    # Tools leave their build's paths and options behind; the file should hold the network only.
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise BundleError(
            "NNCF found nothing to quantise in this network; --float keeps it as it is"
        )
    onnx.save(model, str(target))


def _sign(model: Any) -> None:
    """Make int8 of the uint8 that NNCF takes for activations that are never negative.

    TensorRT takes int8 only. The largest value stays the largest; the step doubles.
    """
    helper = extra("onnx").numpy_helper
    tensors = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        zero = helper.to_array(tensors[node.input[2]])
        if zero.dtype != np.uint8 or zero.any():
            continue
        scale = helper.to_array(tensors[node.input[1]]) * np.float32(255 / 127)
        for place, values in ((1, scale), (2, zero.astype(np.int8))):
            name = f"{node.input[place]}_signed"
            if name not in tensors:
                tensors[name] = helper.from_array(values, name)
                model.graph.initializer.append(tensors[name])
            node.input[place] = name
    read = {name for node in model.graph.node for name in node.input}
    kept = [item for item in model.graph.initializer if item.name in read]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(kept)


def _nncf() -> Any:
    os.environ.setdefault("NNCF_CI", "1")  # it would report its use to its makers otherwise
    nncf = extra("nncf")
    nncf.set_log_level(logging.ERROR)
    return nncf
