"""Tiny networks, written for the test that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx writes the networks of these tests")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edged.errors import RuntimeFault  # noqa: E402
from edged.runtime.table import RUNTIMES  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def installed() -> list[str]:
    names = []
    for name, runtime in RUNTIMES.items():
        try:
            runtime.version()
        except RuntimeFault:
            continue
        names.append(name)
    return names


@pytest.fixture(params=list(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    """Each runtime that edged knows; skipped where it is not installed."""
    if request.param not in installed():
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


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


@pytest.fixture
def networks(tmp_path: Path) -> Networks:
    return Networks(tmp_path)
