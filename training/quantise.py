"""Float ONNX to one INT8 file with QDQ nodes that every runtime reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nncf
import numpy as np
import onnx
from onnx import numpy_helper

from training.runner import to_input

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.detect import Floats


def quantise(source: Path, target: Path, chips: NDArray[np.uint8]) -> None:
    """NNCF's default preset: symmetric int8 activations and weights.

    Args:
        source: the float network.
        target: where the quantised file goes.
        chips: faces that set the activation ranges, RGB uint8 (n, 112, 112, 3).
    """

    def feed(chip: NDArray[np.uint8]) -> dict[str, Floats]:
        return {"image": to_input(chip)}

    model = nncf.quantize(
        onnx.load(str(source)),
        nncf.Dataset(list(chips), feed),
        subset_size=len(chips),
        # One row of 25,088 weights: nothing to gain in int8, and the score would lose its order.
        ignored_scope=nncf.IgnoredScope(types=["Gemm"]),
    )
    # Tools leave their build's paths and options behind; the file should hold the network only.
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(target))
    check_zero_points(model)


def check_zero_points(model: onnx.ModelProto) -> int:
    """TensorRT takes only int8 with zero point 0; returns the number of QDQ nodes checked."""
    tensors = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            tensors[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    checked = 0
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = tensors[node.input[2]]
            if zero.dtype != np.int8 or np.any(zero):
                raise RuntimeError(f"{node.name}: zero point {zero.dtype} {np.unique(zero)}")
            checked += 1
    if not checked:
        raise RuntimeError("nothing was quantised")
    return checked
