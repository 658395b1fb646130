"""TFLite to torch, for the one graph that this recipe starts from.

The source spells PReLU as RELU, ABS, SUB, MUL, ADD around the constant slope / 2, fixes the batch
at two, lays images out NHWC and pads SAME asymmetrically. Other operators are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tflite
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from training.network import Add, Base, PaddedConv, Step

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
CONV_OPTIONS = {"CONV_2D": tflite.Conv2DOptions, "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions}


@dataclass(frozen=True)
class _Op:
    name: str
    inputs: tuple[int, ...]
    output: int
    raw: Any


def read_base(path: Path) -> Base:
    """Read MobileFaceNet.tflite into torch, in evaluation mode."""
    model = tflite.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    ops = [_read_op(model, graph.Operators(i)) for i in range(graph.OperatorsLength())]
    steps: list[Step] = []
    layers: list[nn.Module] = []
    feature_map = -1
    index = 0
    while index < len(ops):
        op = ops[index]
        index += 1
        if op.name in CONV_OPTIONS:
            conv = _convolution(model, graph, op)
            if op.name == "DEPTHWISE_CONV_2D" and conv.weight.shape[-1] == 7:
                feature_map = op.inputs[0]
            steps.append(Step("conv", op.inputs[:1], op.output))
            layers.append(conv)
        elif op.name == "RELU":
            step, prelu = _prelu(model, graph, ops[index - 1 : index + 4])
            index += 4
            steps.append(step)
            layers.append(prelu)
        elif op.name == "ADD":
            steps.append(Step("add", op.inputs, op.output))
            layers.append(Add())
        elif op.name != "RESHAPE":
            raise RuntimeError(f"{path.name}: operator {op.name} is not in this recipe")
    base = Base(steps, layers, int(graph.Inputs(0)), feature_map, steps[-1].output)
    return base.eval().requires_grad_(False)


def _read_op(model: Any, op: Any) -> _Op:
    code = model.OperatorCodes(op.OpcodeIndex())
    name = NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    inputs = tuple(int(i) for i in op.InputsAsNumpy())
    return _Op(name, inputs, int(op.Outputs(0)), op)


def _constant(model: Any, graph: Any, index: int) -> NDArray[np.float32]:
    tensor = graph.Tensors(index)
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    values: NDArray[np.float32] = np.frombuffer(data.tobytes(), np.float32)
    return values.reshape(tensor.ShapeAsNumpy())


def _convolution(model: Any, graph: Any, op: _Op) -> PaddedConv:
    options = CONV_OPTIONS[op.name]()
    table = op.raw.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
        raise RuntimeError("a fused activation is not in this recipe")
    weight = _constant(model, graph, op.inputs[1])
    # Conv is (out, h, w, in); depthwise is (1, h, w, channels).
    depthwise = op.name == "DEPTHWISE_CONV_2D"
    weight = weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
    stride = options.StrideH()
    padding = [0, 0, 0, 0]
    if options.Padding() == tflite.Padding.SAME:
        height = int(graph.Tensors(op.inputs[0]).Shape(1))
        kernel = weight.shape[2]
        total = max((-(-height // stride) - 1) * stride + kernel - height, 0)
        padding = [total // 2, total - total // 2] * 2
    return PaddedConv(
        torch.from_numpy(weight.copy()),
        torch.from_numpy(_constant(model, graph, op.inputs[2]).copy()),
        stride,
        weight.shape[0] if depthwise else 1,
        padding,
    )


def _prelu(model: Any, graph: Any, ops: list[_Op]) -> tuple[Step, nn.Module]:
    """relu(x) + c * (x - |x|) is PReLU with slope 2c, for x - |x| = 2 min(x, 0)."""
    if [op.name for op in ops] != ["RELU", "ABS", "SUB", "MUL", "ADD"]:
        raise RuntimeError(f"not a PReLU: {[op.name for op in ops]}")
    slope = 2 * _constant(model, graph, ops[3].inputs[0])
    prelu = nn.PReLU(len(slope))
    prelu.weight = nn.Parameter(torch.from_numpy(slope.copy()))
    return Step("prelu", ops[0].inputs, ops[-1].output), prelu


def worst_difference(base: Base, path: Path, images: NDArray[np.float32]) -> float:
    """Largest difference of any embedding component from the TFLite interpreter.

    Args:
        base: the converted network.
        path: the TFLite file.
        images: normalised faces, (n, 3, 112, 112), n even.
    """
    interpreter = Interpreter(str(path), num_threads=2)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]
    worst = 0.0
    for pair in images.reshape(-1, 2, *images.shape[1:]):
        interpreter.set_tensor(source, np.ascontiguousarray(pair.transpose(0, 2, 3, 1)))
        interpreter.invoke()
        with torch.no_grad():
            embedding, _ = base(torch.from_numpy(pair))
        difference = np.abs(interpreter.get_tensor(target) - embedding.numpy())
        worst = max(worst, float(difference.max()))
    return worst
