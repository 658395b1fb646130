"""Exact rewrites of the float graph: what it computes stays, what runtimes make of it improves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

from training.runner import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Values = dict[str, NDArray[np.float64]]

# Between 0, all of a range's spread in the activation, and 1, all of it in the weights behind it.
SPREAD_IN_WEIGHTS = 0.8
DEAD = 1e-6


def equalise(model: onnx.ModelProto, chips: NDArray[np.uint8]) -> onnx.ModelProto:
    """Give the channels of every PRelu's output like ranges, so that one scale serves them all.

    PRelu is positively homogeneous: what the convolution before it divides a channel by, the
    convolutions behind it multiply by. TensorRT wants one scale an activation, and without this
    int8 loses the channels with small ranges.

    Args:
        model: float; each PRelu reads a convolution that nothing else reads.
        chips: faces that show the ranges, RGB uint8 (n, 112, 112, 3).
    """
    out = onnx.ModelProto()
    out.CopyFrom(model)
    weights = {
        i.name: numpy_helper.to_array(i).astype(np.float64)
        for i in model.graph.initializer
        if i.data_type == onnx.TensorProto.FLOAT
    }
    makers = {name: node for node in out.graph.node for name in node.output}
    activations = [node for node in out.graph.node if node.op_type == "PRelu"]
    ranges = _channel_ranges(model, [node.output[0] for node in activations], chips)
    for node in activations:
        name = node.output[0]
        readers = [reader for reader in out.graph.node if name in reader.input]
        scale = _channel_scale(ranges[name], readers, weights)
        before = makers[node.input[0]]
        weights[before.input[1]] /= scale[:, None, None, None]
        weights[before.input[2]] /= scale
        for reader in readers:
            if reader.op_type == "Conv":
                weights[reader.input[1]] *= _on_input(reader, scale)
        others = [reader for reader in readers if reader.op_type != "Conv"]
        if others:
            _restore(out, name, others, scale, weights)
    _replace(out, weights)
    return out


def spell_prelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """PRelu(x) as Relu(x) + (-slope) * Relu(-1 * x), to the last bit the same.

    OpenVINO's PReluFusion reads it back into one PRelu, which it fuses into the convolution.
    onnxruntime's PRelu is slow and leaves the blocked layout; these nodes stay in it, because
    both factors are constants for each channel.
    """
    out = onnx.ModelProto()
    out.CopyFrom(model)
    slopes = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    added: dict[str, NDArray[np.float32]] = {}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        x, y = node.input[0], node.output[0]
        slope = slopes[node.input[1]].reshape(-1, 1, 1)
        minus_one = f"minus_one_{len(slope)}"
        added[minus_one] = np.full_like(slope, -1)
        added[f"{y}/minus_slope"] = -slope
        nodes += [
            helper.make_node("Relu", [x], [f"{y}/above"]),
            helper.make_node("Mul", [x, minus_one], [f"{y}/turned"]),
            helper.make_node("Relu", [f"{y}/turned"], [f"{y}/below"]),
            helper.make_node("Mul", [f"{y}/below", f"{y}/minus_slope"], [f"{y}/scaled"]),
            helper.make_node("Add", [f"{y}/above", f"{y}/scaled"], [y]),
        ]
    del out.graph.node[:]
    out.graph.node.extend(nodes)
    out.graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in added.items())
    _drop_unread(out)
    return out


def _channel_ranges(
    model: onnx.ModelProto, names: list[str], chips: NDArray[np.uint8]
) -> dict[str, NDArray[np.float64]]:
    """Largest magnitude of each channel of each named tensor (n, c, h, w) over all chips."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for name in names:
        probe.graph.node.append(helper.make_node("Abs", [name], [f"{name}/abs"]))
        largest = helper.make_node(
            "ReduceMax", [f"{name}/abs"], [f"{name}/largest"], axes=[2, 3], keepdims=0
        )
        probe.graph.node.append(largest)
        probe.graph.output.append(
            helper.make_tensor_value_info(f"{name}/largest", onnx.TensorProto.FLOAT, None)
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.onnx"
        onnx.save(probe, str(path))
        largest_of_each = run(path, chips)
    return {
        name: values.max(axis=0).astype(np.float64)
        for name, values in zip(names, largest_of_each, strict=True)
    }


def _channel_scale(
    channels: NDArray[np.float64], readers: Iterable[onnx.NodeProto], weights: Values
) -> NDArray[np.float64]:
    """What to divide each channel by.

    A depthwise kernel has a weight scale for each channel of its own, so the whole range goes
    there. A pointwise kernel shares one among its inputs: some of the range stays behind.
    """
    convolutions = [reader for reader in readers if reader.op_type == "Conv"]
    pointwise = [weights[c.input[1]] for c in convolutions if _group(c) == 1]
    alive = channels > DEAD * channels.max()
    scale = np.where(alive, channels, 1.0)
    if len(pointwise) == len(convolutions) and pointwise:
        behind = np.max([np.abs(w).max(axis=(0, 2, 3)) / np.abs(w).max() for w in pointwise], 0)
        alive &= behind > DEAD
        behind = np.where(alive, behind, 1.0)
        scale = scale**SPREAD_IN_WEIGHTS / behind ** (1 - SPREAD_IN_WEIGHTS)
    return np.where(alive, scale / np.median(scale), 1.0)


def _on_input(convolution: onnx.NodeProto, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shaped to multiply a kernel by what its input was divided by."""
    if _group(convolution) == 1:
        return scale[None, :, None, None]
    if _group(convolution) == len(scale):
        return scale[:, None, None, None]
    raise RuntimeError(f"{convolution.name}: neither pointwise nor depthwise, cannot be scaled")


def _group(convolution: onnx.NodeProto) -> int:
    values = [a.i for a in convolution.attribute if a.name == "group"]
    return values[0] if values else 1


def _restore(
    model: onnx.ModelProto,
    name: str,
    readers: list[onnx.NodeProto],
    scale: NDArray[np.float64],
    weights: Values,
) -> None:
    """Hand `readers`, whatever they are, the tensor as it was before."""
    restored, factor = f"{name}/restored", f"{name}/factor"
    for reader in readers:
        reader.input[:] = [restored if i == name else i for i in reader.input]
    weights[factor] = scale.reshape(1, -1, 1, 1)
    node = helper.make_node("Mul", [name, factor], [restored])
    position = next(k for k, n in enumerate(model.graph.node) if name in n.output)
    model.graph.node.insert(position + 1, node)


def _replace(model: onnx.ModelProto, weights: Values) -> None:
    others = [i for i in model.graph.initializer if i.name not in weights]
    del model.graph.initializer[:]
    model.graph.initializer.extend(others)
    model.graph.initializer.extend(
        numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()
    )


def _drop_unread(model: onnx.ModelProto) -> None:
    read = {name for node in model.graph.node for name in node.input}
    kept = [i for i in model.graph.initializer if i.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
