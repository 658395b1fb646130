"""Tiny networks, written for the test that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx writes the networks of these tests")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


class Networks:
    """Writes ONNX files into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _save(self, name, nodes, inputs, outputs, constants=()):
        graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(constants))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        path = self.folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    @staticmethod
    def _tensor(name, shape, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, shape)

    def convolution(self, batch: int | str = 1, size: int | str = 8) -> Path:
        """image (batch, 3, size, size) → first: 3×3 convolution and Relu; second: its mean."""
        weights = np.random.default_rng(7).normal(size=(4, 3, 3, 3)).astype(np.float32)
        fixed = isinstance(size, int)
        return self._save(
            "convolution" if fixed else "convolution_any",
            [
                helper.make_node("Conv", ["image", "w"], ["c"]),
                helper.make_node("Relu", ["c"], ["first"]),
                helper.make_node("ReduceMean", ["first"], ["second"], axes=[1, 2, 3], keepdims=0),
            ],
            [self._tensor("image", [batch, 3, size, size])],
            [
                self._tensor(
                    "first", [batch, 4, size - 2, size - 2] if fixed else [batch, 4, "a", "b"]
                ),
                self._tensor("second", [batch]),
            ],
            [numpy_helper.from_array(weights, "w")],
        )

    def quantised(self, largest: float) -> Path:
        """image (1, 1, 4, 4) → a 1×1 convolution by one; activations int8 up to `largest`."""
        scale = numpy_helper.from_array(np.float32(largest / 127), "scale")
        one = numpy_helper.from_array(np.float32(1 / 127), "one")
        zero = numpy_helper.from_array(np.int8(0), "zero")
        weight = numpy_helper.from_array(np.full((1, 1, 1, 1), 127, np.int8), "weight")
        return self._save(
            "quantised",
            [
                helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"]),
                helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
                helper.make_node("DequantizeLinear", ["weight", "one", "zero"], ["w"]),
                helper.make_node("Conv", ["x", "w"], ["out"]),
            ],
            [self._tensor("image", [1, 1, 4, 4])],
            [self._tensor("out", [1, 1, 4, 4])],
            [scale, one, zero, weight],
        )

    def two_inputs(self) -> Path:
        return self._save(
            "two_inputs",
            [helper.make_node("Add", ["a", "b"], ["sum"])],
            [self._tensor("a", [1, 2]), self._tensor("b", [1, 2])],
            [self._tensor("sum", [1, 2])],
        )

    def whole_numbers(self) -> Path:
        return self._save(
            "whole_numbers",
            [helper.make_node("Cast", ["image"], ["out"], to=TensorProto.FLOAT)],
            [self._tensor("image", [1, 2], TensorProto.INT64)],
            [self._tensor("out", [1, 2])],
        )

    def unknown_operation(self) -> Path:
        node = helper.make_node("Frobnicate", ["image"], ["out"], domain="nowhere")
        graph = helper.make_graph(
            [node], "odd", [self._tensor("image", [1, 2])], [self._tensor("out", [1, 2])]
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)]
        path = self.folder / "odd.onnx"
        path.write_bytes(
            helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
        )
        return path

    def recogniser(
        self, size: int = 8, side: int = 16, embedding: str = "embedding", doubts: int = 1
    ) -> Path:
        """image (1, 3, side, side) → embedding (1, size), log_variance (doubts,)."""
        draw = np.random.default_rng(11)
        weights = draw.normal(size=(3 * side * side, size)).astype(np.float32)
        doubt = draw.normal(size=(3 * side * side, doubts)).astype(np.float32)
        return self._save(
            "model",
            [
                helper.make_node("Flatten", ["image"], ["flat"]),
                helper.make_node("MatMul", ["flat", "w"], [embedding]),
                helper.make_node("MatMul", ["flat", "d"], ["row"]),
                helper.make_node("Reshape", ["row", "shape"], ["log_variance"]),
            ],
            [self._tensor("image", [1, 3, side, side])],
            [
                self._tensor(embedding, [1, size]),
                self._tensor("log_variance", [doubts]),
            ],
            [
                numpy_helper.from_array(weights, "w"),
                numpy_helper.from_array(doubt, "d"),
                numpy_helper.from_array(np.array([doubts], np.int64), "shape"),
            ],
        )
