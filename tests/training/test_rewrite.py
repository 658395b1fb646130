"""The rewrites before and after quantisation: exact, and what the runtimes make of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from training.rewrite import _channel_ranges, equalise, spell_prelu

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
    image = np.random.default_rng(seed).normal(0, 0.5, (1, 3, 112, 112)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(r) for r in session.run(None, {"image": image})]


def assert_same(a: onnx.ModelProto, b: onnx.ModelProto) -> None:
    for left, right in zip(results(a), results(b), strict=True):
        assert np.abs(left - right).max() <= 1e-4 * max(1, np.abs(left).max())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 4), st.booleans())
def test_equalised_network_computes_the_same(seed: int, spread: float, dead: bool) -> None:
    model = network(seed, spread=spread, dead=dead)
    assert_same(model, equalise(model, chips()))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_respelt_network_computes_the_same(seed: int) -> None:
    model = network(seed)
    assert_same(model, spell_prelu(model))


def test_rewrites_leave_their_argument_alone() -> None:
    model = network(0)
    before = model.SerializeToString()
    spell_prelu(equalise(model, chips()))
    assert model.SerializeToString() == before


def test_channels_before_a_depthwise_convolution_get_one_range() -> None:
    model = network(3, spread=3)
    assert _spread(model, "a1") > 10
    assert _spread(equalise(model, chips()), "a1") < 1.01


def test_channels_before_a_pointwise_convolution_come_closer() -> None:
    model = network(3)
    weights = {i.name: i for i in model.graph.initializer}
    kernel = numpy_helper.to_array(weights["c2_w"]).copy()
    kernel[0] *= 1000
    weights["c2_w"].CopyFrom(numpy_helper.from_array(kernel, "c2_w"))
    assert _spread(equalise(model, chips()), "a2") < _spread(model, "a2") / 10


def test_no_prelu_and_no_unread_constant_is_left() -> None:
    model = spell_prelu(network(0))
    read = {name for node in model.graph.node for name in node.input}
    assert all(node.op_type != "PRelu" for node in model.graph.node)
    assert {i.name for i in model.graph.initializer} <= read
    onnx.checker.check_model(model, full_check=True)


def test_openvino_fuses_the_spelling_into_the_convolutions() -> None:
    model = spell_prelu(network(0))
    compiled = ov.Core().compile_model(
        ov.Core().read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    layers = Counter(
        op.get_rt_info()["layerType"].astype(str) for op in compiled.get_runtime_model().get_ops()
    )
    assert layers["Convolution"] == 4
    assert not layers["Eltwise"]
    assert not layers["Subgraph"]


def test_a_grouped_convolution_that_is_not_depthwise_is_refused() -> None:
    model = network(0)
    for node in model.graph.node:
        if node.output[0] == "c2":
            node.attribute[0].i = 2
    weights = {i.name: i for i in model.graph.initializer}
    kernel = np.ones((CHANNELS, CHANNELS // 2, 3, 3), np.float32)
    weights["c2_w"].CopyFrom(numpy_helper.from_array(kernel, "c2_w"))
    with pytest.raises(RuntimeError, match="neither pointwise nor depthwise"):
        equalise(model, chips())


def _spread(model: onnx.ModelProto, name: str) -> float:
    ranges = _channel_ranges(model, [name], chips())[name]
    return float(ranges.max() / ranges.min())
