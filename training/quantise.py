"""Float ONNX to one INT8 file with QDQ nodes that every runtime reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nncf
import onnx
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    QuantizationParameters,
)

from edged.bundle.inspect import channelwise, not_about_zero
from training.rewrite import equalise, spell_prelu
from training.runner import to_input

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from training.detect import Floats

# The head: a few thousand weights, nothing to gain in int8, and the score would lose its order.
# The sums of the residual blocks: float in OpenVINO's fused kernels at no cost in time, and
# onnxruntime can only take quantisation out again where a tensor has one reader.
FLOAT = [
    *("Gemm", "MatMul", "GlobalAveragePool", "ReduceMean", "ReduceL2", "Log", "Sqrt", "Pow"),
    *("Add", "Sub", "Mul"),
]
# The convolution over the whole last map sums hundreds of errors and costs next to nothing.
LARGEST_INT8_KERNEL = 3


def quantise(source: Path, target: Path, chips: NDArray[np.uint8]) -> None:
    """Symmetric int8 weights, one scale a channel, and activations, one scale a tensor.

    Args:
        source: the float network.
        target: where the quantised file goes.
        chips: faces that set the activation ranges, RGB uint8 (n, 112, 112, 3).
    """

    def feed(chip: NDArray[np.uint8]) -> dict[str, Floats]:
        return {"image": to_input(chip)}

    equal = equalise(onnx.load(str(source)), chips)
    model = nncf.quantize(
        equal,
        nncf.Dataset(list(chips), feed),
        subset_size=len(chips),
        ignored_scope=nncf.IgnoredScope(
            types=FLOAT, names=_wide_convolutions(equal), validate=False
        ),
        advanced_parameters=AdvancedQuantizationParameters(
            # NNCF would give the input of a depthwise convolution one scale a channel, which
            # TensorRT refuses; `equalise` has made that unnecessary.
            activations_quantization_params=QuantizationParameters(per_channel=False),
        ),
    )
    model = spell_prelu(model)
    # Tools leave their build's paths and options behind; the file should hold the network only.
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(target))
    check(model)


def _wide_convolutions(model: onnx.ModelProto) -> list[str]:
    sides = {i.name: i.dims[-1] for i in model.graph.initializer if i.dims}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [c.name for c in convolutions if sides[c.input[1]] > LARGEST_INT8_KERNEL]


def check(model: onnx.ModelProto) -> None:
    """Hold the file against TensorRT's rules: int8, zero point 0, one scale for an activation."""
    problems = not_about_zero(model)
    problems += [f"{name}: an activation with one scale a channel" for name in channelwise(model)]
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        problems.append("nothing was quantised")
    if problems:
        raise RuntimeError("\n".join(problems))
