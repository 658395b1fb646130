"""Whether a network's file keeps to what every runtime can load: TensorRT and NPUs are strictest.

Needs the package onnx, which the daemon does without.
"""

from __future__ import annotations

import importlib
import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edged.bundle.manifest import Recogniser
from edged.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.bundle.load import Bundle

HINT = "pip install 'edged[models]'"
OPSETS = range(9, 21)
"""What onnxruntime, OpenVINO and TensorRT 10 all read."""

_OWN = {"", "ai.onnx"}
_MOST = 10  # of one kind of problem are told


def can_inspect() -> bool:
    """Whether the package onnx is installed."""
    return find_spec("onnx") is not None


def inspect(bundle: Bundle) -> None:
    """Look into every network of a bundle.

    Raises:
        BundleError: one line for each thing that some runtime refuses, naming the file.
    """
    problems: list[str] = []
    for path in bundle.networks.values():
        problems += [f"{path}: {problem}" for problem in _problems(path, bundle)]
    if problems:
        raise BundleError("\n".join(problems))


def _problems(path: Path, bundle: Bundle) -> list[str]:
    try:
        model = _load(path)
    except Exception as fault:  # noqa: BLE001  # protobuf's errors have no common ground
        return [f"is no ONNX network: {fault}"]
    problems = refused(model)
    if not problems:  # constants that lie elsewhere cannot be looked at
        problems += not_about_zero(model)
    if isinstance(bundle.manifest, Recogniser):
        problems += _shape(model.graph)
    return problems


def _load(path: Path) -> Any:
    return importlib.import_module("onnx").load_model(path, load_external_data=False)


def scaled_by_channel(bundle: Bundle) -> int:
    """How many activations of a bundle's networks have a scale for each channel.

    TensorRT takes one scale an activation (for each channel only of a weight); onnxruntime and
    OpenVINO take these too, so such a bundle is fine anywhere else.
    """
    return sum(len(channelwise(_load(path))) for path in bundle.networks.values())


def refused(model: Any) -> list[str]:
    """Why not every runtime reads a network (``onnx.ModelProto``), quantised or not: its opset,
    operators of its own, weights in other files."""
    graphs = list(_graphs(model.graph))
    nodes = [node for graph in graphs for node in graph.node]
    return [*_operators(model, nodes), *_external(graphs, nodes)]


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.ByteSize():
                    yield from _graphs(inner)


def _operators(model: Any, nodes: list[Any]) -> list[str]:
    problems = [
        f"is of opset {entry.version}; export it with one of {OPSETS[0]} to {OPSETS[-1]}"
        for entry in model.opset_import
        if entry.domain in _OWN and entry.version not in OPSETS
    ]
    odd = {f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in _OWN}
    odd |= {f"{function.domain}.{function.name}" for function in model.functions}
    if odd:
        shown = ", ".join(sorted(odd)[:_MOST])
        problems.append(f"has operators of its own ({shown}); export it with ONNX's only")
    return problems


def _external(graphs: list[Any], nodes: list[Any]) -> list[str]:
    attributes = [attribute for node in nodes for attribute in node.attribute]
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    sparse = [tensor for graph in graphs for tensor in graph.sparse_initializer]
    for attribute in attributes:
        tensors += [attribute.t, *attribute.tensors]
        sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    tensors += [part for tensor in sparse for part in (tensor.values, tensor.indices)]
    outside = [t.name for t in tensors if t.data_location == t.EXTERNAL or t.external_data]
    if not outside:
        return []
    way = "onnx.save(onnx.load(FILE), ONE, save_as_external_data=False)"
    return [f"keeps weights in another file ({outside[0]}, …); save it as one file: {way}"]


def channelwise(model: Any) -> list[str]:
    """Activations of a network that are quantised with a scale for each channel."""
    nodes, constants = _constants(model)
    return [
        node.name or node.output[0]
        for node in nodes
        if node.op_type == "QuantizeLinear"
        and node.input[0] not in constants
        and node.input[1] in constants
        and math.prod(constants[node.input[1]].dims) != 1
    ]


def _constants(model: Any) -> tuple[list[Any], dict[str, Any]]:
    """All nodes of a network, and its constants by name."""
    graphs = list(_graphs(model.graph))
    nodes = [node for graph in graphs for node in graph.node]
    constants = {tensor.name: tensor for graph in graphs for tensor in graph.initializer}
    for node in nodes:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    return nodes, constants


def not_about_zero(model: Any) -> list[str]:
    """Where a network is quantised otherwise than TensorRT does it: to int8, about zero."""
    onnx = importlib.import_module("onnx")
    nodes, constants = _constants(model)
    problems = [
        f"{node.op_type} {node.name or node.output[0]}: {problem}; "
        "quantise symmetrically, to signed int8"
        for node in nodes
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}
        and (problem := _zero_point(onnx, node, constants))
    ]
    more = len(problems) - _MOST
    return problems if more <= 0 else [*problems[:_MOST], f"and {more} more of this kind"]


def _zero_point(onnx: Any, node: Any, constants: dict[str, Any]) -> str:
    name = node.input[2] if len(node.input) > 2 else ""
    if not name:
        # without one QuantizeLinear gives uint8; DequantizeLinear takes its input's type
        source = constants.get(node.input[0])
        if node.op_type == "QuantizeLinear":
            return "gives uint8"
        if source is not None and source.data_type != onnx.TensorProto.INT8:
            return "takes something else than int8"
        return ""
    tensor = constants.get(name)
    if tensor is None:
        return "its zero point is computed"
    if tensor.data_type != onnx.TensorProto.INT8:
        return "its zero point is not int8"
    if onnx.numpy_helper.to_array(tensor).any():
        return "its zero point is not 0"
    return ""


def _shape(graph: Any) -> list[str]:
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    problems = []
    for value in inputs:
        sizes = [
            dim.dim_value if dim.HasField("dim_value") else None
            for dim in value.type.tensor_type.shape.dim
        ]
        if not sizes or None in sizes or sizes[0] != 1:
            shown = ", ".join("?" if size is None else str(size) for size in sizes)
            problems.append(
                f"input {value.name} has the shape ({shown}); an NPU wants fixed sizes and a "
                "batch of 1"
            )
    return problems
