"""Surgery on ONNX graphs: fewer outputs, batch 1, and a score turned into a log variance.

The nodes added exist alike in every opset from 8 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.importer.extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edged.types import Floats

LOG_VARIANCE = "log_variance"


@dataclass(frozen=True, slots=True)
class Form:
    """How a network's raw score becomes a log variance, larger for a worse view.

    ``log_variance = sum(weight * f(score)) + offset`` over the score's components, where ``f``
    is ``log(max(x, floor))`` for a `floor` and the identity without one.
    """

    weight: float
    offset: float = 0.0
    floor: float | None = None

    def apply(self, score: Floats) -> Floats:
        """Rows (n, k) of raw scores to log variances (n,); the graph computes the same."""
        values = score if self.floor is None else np.log(np.maximum(score, self.floor))
        turned: Floats = (values.sum(1) * self.weight + self.offset).astype(np.float32)
        return turned


def fresh(model: Any, name: str) -> str:
    """`name`, with a number behind it where the graph has one already."""
    graph = model.graph
    taken = {item.name for item in (*graph.input, *graph.output, *graph.initializer)}
    taken |= {tensor for node in graph.node for tensor in (*node.input, *node.output)}
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def append_form(model: Any, score: str, values: int, form: Form) -> str:
    """Compute a log variance from the output `score` of `values` components; returns its name."""
    draw = _Pen(model)
    row = draw.node("Reshape", score, draw.whole([1, values]))
    if form.floor is not None:
        row = draw.node("Log", draw.node("Max", row, draw.floats(form.floor)))
    weights = draw.floats(np.full((values, 1), form.weight))
    total = draw.node("Add", draw.node("MatMul", row, weights), draw.floats(form.offset))
    return draw.output(total, score)


def append_norm(model: Any, embedding: str, size: int, floor: float = 1e-12) -> str:
    """Compute ``-2 log |embedding|``, the stand-in where a network has no score of its own."""
    draw = _Pen(model)
    row = draw.node("Reshape", embedding, draw.whole([1, size]))
    square = draw.node("MatMul", draw.node("Mul", row, row), draw.floats(np.ones((size, 1))))
    return draw.output(
        draw.node("Neg", draw.node("Log", draw.node("Max", square, draw.floats(floor))))
    )


class _Pen:
    """Adds nodes and constants to a graph under names that are free."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._onnx = extra("onnx")

    def node(self, kind: str, *inputs: str, to: str | None = None) -> str:
        name = to or fresh(self._model, f"edged_{kind.lower()}")
        made = self._onnx.helper.make_node(kind, list(inputs), [name], name=name)
        self._model.graph.node.append(made)
        return name

    def floats(self, value: Any) -> str:
        return self._constant(np.asarray(value, np.float32))

    def whole(self, value: Sequence[int]) -> str:
        return self._constant(np.asarray(value, np.int64))

    def _constant(self, value: Any) -> str:
        name = fresh(self._model, "edged_constant")
        self._model.graph.initializer.append(self._onnx.numpy_helper.from_array(value, name))
        return name

    def output(self, tensor: str, instead_of: str | None = None) -> str:
        """Make `tensor` the output of one number, (1,)."""
        outputs = self._model.graph.output
        for place, item in enumerate(outputs):
            if item.name == instead_of:
                del outputs[place]
                break
        name = self.node("Reshape", tensor, self.whole([1]), to=fresh(self._model, LOG_VARIANCE))
        outputs.append(
            self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, [1])
        )
        return name


def only_towards(model: Any, output: str, others: Iterable[str]) -> list[str]:
    """Names of the nodes that `output` needs and no other output does.

    Nodes without a name are given one.
    """
    makers = {tensor: node for node in model.graph.node for tensor in node.output}
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"edged_node_{number}"
    shared = set().union(*(_behind(makers, other) for other in others))
    return sorted(_behind(makers, output) - shared)


def _behind(makers: dict[str, Any], output: str) -> set[str]:
    """Names of all nodes on the way to `output`."""
    found: set[str] = set()
    waiting = [output]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return found


def keep_outputs(model: Any, names: Sequence[str]) -> Any:
    """The network with these outputs only, in this order, and nothing that they do not need."""
    onnx = extra("onnx")
    makers = {tensor: node for node in model.graph.node for tensor in node.output}
    needed: list[Any] = []
    seen: set[int] = set()
    waiting = list(names)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            needed.append(node)
            waiting.extend(_inputs(node))
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    by_name = {item.name: item for item in model.graph.output}
    del kept.graph.node[:], kept.graph.output[:], kept.graph.initializer[:]
    kept.graph.node.extend(node for node in model.graph.node if id(node) in seen)
    kept.graph.output.extend(by_name[name] for name in names)
    read = {tensor for node in needed for tensor in _inputs(node)} | set(names)
    kept.graph.initializer.extend(i for i in model.graph.initializer if i.name in read)
    return kept


def _inputs(node: Any) -> list[str]:
    """What a node reads, within its branches too."""
    names = list(node.input)
    for attribute in node.attribute:
        for branch in (attribute.g, *attribute.graphs):
            for inner in branch.node:
                names += _inputs(inner)
    return names
