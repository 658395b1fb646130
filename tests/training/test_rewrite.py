"""The rewrites before and after quantisation: exact, and what the runtimes make of them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from tests.training.networks import CHANNELS, chips, network, results
from training.rewrite import _channel_ranges, equalise, spell_prelu


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


@pytest.mark.slow
def test_the_real_network_stays_itself() -> None:
    """The build leaves it in its cache; `$EDGED_FLOAT` names another place."""
    path = Path(os.environ.get("EDGED_FLOAT", "build/training/float.onnx"))
    if not path.is_file():
        pytest.skip(f"no float network: {path} is missing (build it or set EDGED_FLOAT)")
    model = onnx.load(str(path))
    equal = equalise(model, chips())
    assert_same(model, equal)
    assert_same(model, spell_prelu(equal))


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
