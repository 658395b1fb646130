"""Fine-tuning under rounding: it rounds as the runtimes do, helps, and goes on where it stood."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.training.networks import chips

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="fine-tuning needs torch: pip install -e '.[train]'")
pytest.importorskip("nncf", reason="fine-tuning needs the train extra")

from training.finetune import (  # noqa: E402
    Recipe,
    RoundedConv,
    Tuner,
    equalised,
    round_activation,
    round_weight,
)
from training.network import Add, Base, PaddedConv, Step  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter's own

RECIPE = Recipe(steps=6, batch=2, calibration_faces=4)
CHANNELS = 4


def base(seed: int = 0) -> Base:
    """A stem, a residual block, and a map that a depthwise convolution sums."""
    rng = np.random.default_rng(seed)

    def conv(out: int, inner: int, side: int, stride: int = 1, groups: int = 1) -> PaddedConv:
        weight = rng.normal(0, 1 / np.sqrt(inner * side**2), (out, inner, side, side))
        weight *= 10 ** rng.uniform(-0.5, 0.5, (out, 1, 1, 1))
        bias = rng.normal(0, 0.1, out)
        padding = [side // 2] * 4 if stride == 1 and side == 3 else [0] * 4
        tensors = [torch.from_numpy(a.astype(np.float32)) for a in (weight, bias)]
        return PaddedConv(*tensors, stride, groups, padding)

    def prelu() -> torch.nn.PReLU:
        layer = torch.nn.PReLU(CHANNELS)
        layer.weight.data = torch.from_numpy(rng.uniform(-0.5, 1, CHANNELS).astype(np.float32))
        return layer

    layers = [
        conv(CHANNELS, 3, 3, stride=9),
        prelu(),
        conv(CHANNELS, CHANNELS, 1),
        conv(CHANNELS, 1, 3, groups=CHANNELS),
        Add(),
        conv(CHANNELS, CHANNELS, 1),
        prelu(),
        conv(CHANNELS, 1, 13, groups=CHANNELS),
        conv(8, CHANNELS, 1),
    ]
    kinds = ["conv", "prelu", "conv", "conv", "add", "conv", "prelu", "conv", "conv"]
    inputs = [(0,), (1,), (2,), (3,), (4, 3), (5,), (6,), (7,), (8,)]
    steps = [Step(k, i, n + 1) for n, (k, i) in enumerate(zip(kinds, inputs, strict=True))]
    return Base(steps, layers, 0, 7, 9).eval().requires_grad_(False)


def dequantised(
    values: NDArray[np.float32], scale: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    """What QuantizeLinear and DequantizeLinear of onnxruntime leave."""
    constants = [
        numpy_helper.from_array(scale, "scale"),
        numpy_helper.from_array(np.zeros(scale.shape, np.int8), "zero"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=axis),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], axis=axis),
    ]
    shapes = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape)] for name in "xy"
    ]
    graph = helper.make_graph(nodes, "rounding", *shapes, constants)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": values})[0])


def test_activations_are_rounded_as_onnxruntime_rounds_them() -> None:
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 5, 5)).astype(np.float32)
    x[0, 0, 0] = [0.5 / 127, 1.5 / 127, -0.5 / 127, 9, -9]
    ours = round_activation(torch.from_numpy(x), torch.tensor(1.0)).numpy()
    exact = dequantised(x, np.array(np.float32(1) / np.float32(127)), 1)
    assert np.abs(ours - exact).max() < 1e-6
    assert ours.min() == pytest.approx(-128 / 127)


def test_weights_are_rounded_as_onnxruntime_rounds_them() -> None:
    weight = np.random.default_rng(1).normal(0, 1, (6, 3, 3, 3)).astype(np.float32)
    weight *= np.array([1e-3, 1, 1e3, 1, 1, 0], np.float32)[:, None, None, None]
    ours = round_weight(torch.from_numpy(weight)).numpy()
    largest = np.abs(weight).reshape(6, -1).max(1)
    scale = np.maximum(largest, np.float32(1e-12)) / np.float32(127)
    assert np.abs(ours - dequantised(weight, scale, 0)).max() <= 1e-6 * largest.max()
    assert np.abs(ours).reshape(6, -1).max(1) == pytest.approx(largest)


def test_gradients_pass_the_rounding_but_not_the_cut() -> None:
    x = torch.tensor([0.3, 2.0], requires_grad=True)
    round_activation(x, torch.tensor(1.0)).sum().backward()
    assert x.grad.tolist() == [1, 0]


def test_wide_convolutions_stay_float() -> None:
    tuner = Tuner(base(), chips(count=8), RECIPE)
    wide = [m for m in tuner.network.layers if isinstance(m, PaddedConv)]
    assert [m.weight.shape[-1] for m in wide] == [13]
    assert sum(isinstance(m, RoundedConv) for m in tuner.network.layers) == 5


def test_the_equalised_copy_and_what_comes_back_of_it_compute_the_same() -> None:
    source, images = base(), chips(count=8)
    equal, factor = equalised(source, images)
    x = torch.rand(2, 3, 112, 112) - 0.5
    embedding, feature_map = source(x)
    same, scaled = equal(x)
    assert (factor - 1).abs().max() > 0.1
    assert torch.allclose(same, embedding, rtol=1e-3, atol=1e-4)
    assert torch.allclose(scaled * factor[:, None, None], feature_map, rtol=1e-3, atol=1e-4)
    back = Tuner(source, images, RECIPE).result()
    for ours, exact in zip(back(x), (embedding, feature_map), strict=True):
        assert torch.allclose(ours, exact, rtol=1e-3, atol=1e-4)


def test_fine_tuning_brings_the_rounded_network_closer(tmp_path: Path) -> None:
    images = chips(count=12)
    recipe = replace(RECIPE, steps=80, batch=6, learning_rate=2e-3)
    tuner = Tuner(base(), images, recipe)
    before = float(tuner.loss(images))
    tuner.run(tmp_path / "checkpoint.pt")
    assert float(tuner.loss(images)) < 0.8 * before


def test_fine_tuning_leaves_its_base_alone(tmp_path: Path) -> None:
    source = base()
    Tuner(source, chips(count=8), RECIPE).run(tmp_path / "checkpoint.pt")
    for ours, exact in zip(source.parameters(), base().parameters(), strict=True):
        assert torch.equal(ours, exact)


def test_an_interrupted_run_ends_where_a_whole_one_does(tmp_path: Path) -> None:
    images = chips(count=8)
    whole = Tuner(base(), images, RECIPE).run(tmp_path / "whole.pt")
    Tuner(base(), images, RECIPE).run(tmp_path / "parts.pt", until=2)
    parts = Tuner(base(), images, RECIPE).run(tmp_path / "parts.pt")
    for ours, exact in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, exact)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    images = chips(count=8)
    Tuner(base(), images, RECIPE).run(tmp_path / "checkpoint.pt", until=1)
    with pytest.raises(RuntimeError, match="another recipe"):
        Tuner(base(), images, replace(RECIPE, seed=1)).run(tmp_path / "checkpoint.pt")
