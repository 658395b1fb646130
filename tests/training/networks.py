"""Small random networks that look like the recogniser, and random chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = 6


def network(seed: int, *, spread: float = 1.0, dead: bool = False) -> onnx.ModelProto:
    """Pointwise, depthwise, pointwise, with PRelu between and a second reader of the last map.

    `spread`: how many decades the channels' ranges differ by.
    """
    rng = np.random.default_rng(seed)
    constants: dict[str, NDArray[np.float64]] = {}
    nodes = []

    def conv(x: str, y: str, shape: tuple[int, ...], group: int = 1) -> None:
        constants[f"{y}_w"] = rng.normal(0, 1, shape) / np.sqrt(np.prod(shape[1:]))
        constants[f"{y}_b"] = rng.normal(0, 0.1, shape[0])
        pads = [shape[2] // 2] * 4
        inputs = [x, f"{y}_w", f"{y}_b"]
        nodes.append(helper.make_node("Conv", inputs, [y], group=group, pads=pads))

    def prelu(x: str, y: str) -> None:
        constants[f"{y}_s"] = rng.normal(0, 2, (CHANNELS, 1, 1))
        nodes.append(helper.make_node("PRelu", [x, f"{y}_s"], [y]))

    conv("image", "c1", (CHANNELS, 3, 3, 3))
    constants["c1_w"] *= 10 ** rng.uniform(-spread / 2, spread / 2, (CHANNELS, 1, 1, 1))
    if dead:
        constants["c1_w"][0] = 0
        constants["c1_b"][0] = 0
    prelu("c1", "a1")
    conv("a1", "c2", (CHANNELS, 1, 3, 3), group=CHANNELS)
    prelu("c2", "a2")
    conv("a2", "c3", (CHANNELS, CHANNELS, 1, 1))
    prelu("c3", "a3")
    conv("a3", "embedding", (8, CHANNELS, 1, 1))
    nodes.append(helper.make_node("ReduceMean", ["a3"], ["score"], axes=[1, 2, 3], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 112, 112])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 8, 112, 112]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, [1]),
        ],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def chips(seed: int = 0, count: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


def results(model: onnx.ModelProto, seed: int = 1) -> list[NDArray[np.float32]]:
    image = np.random.default_rng(seed).uniform(-1, 1, (1, 3, 112, 112)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(r) for r in session.run(None, {"image": image})]
