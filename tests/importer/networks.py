"""Networks to import: the shipped one in float, with whatever a test wants changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx writes the networks of these tests")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edged.resources import shared  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = shared("models") / "mobilefacenet-rts" / "model.onnx"


def in_float():
    """The shipped INT8 network with its quantisation taken out: faces are really recognised."""
    model = onnx.load(str(SHIPPED))
    graph = model.graph
    tensors = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            tensors[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    same: dict[str, str] = {}
    kept = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            same[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear":
            source, scale = node.input[0], tensors[node.input[1]]
            if source in tensors:
                values = tensors[source].astype(np.float32)
                axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
                if scale.size > 1:
                    shape = [1] * values.ndim
                    shape[axis] = scale.size
                    scale = scale.reshape(shape)
                weights = (values * scale).astype(np.float32)
                graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
            else:
                same[node.output[0]] = same.get(source, source)
        else:
            kept.append(node)
    for node in kept:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(kept)
    read = {name for node in kept for name in node.input}
    initial = [i for i in graph.initializer if i.name in read]
    del graph.initializer[:]
    graph.initializer.extend(initial)
    onnx.checker.check_model(model)
    return model


def constant(model, name, values):
    array = np.asarray(values)
    array = array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def node(model, kind, inputs, output, **attributes):
    model.graph.node.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
    return output


def outputs(model, **shapes):
    """Replace the outputs; name=shape."""
    del model.graph.output[:]
    for name, shape in shapes.items():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return model


def save(model, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path
