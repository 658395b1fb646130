"""One INT8 file: TensorRT's rules, both runtimes, and what onnxruntime can leave out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from tests.training.networks import chips, network, results
from training.latency import ONNXRUNTIME_OPTIONS
from training.runner import run

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("nncf", reason="quantisation needs the train extra")
pytestmark = pytest.mark.filterwarnings("ignore")  # the tool's own


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The float network and what became of it."""
    from training.quantise import quantise

    folder = tmp_path_factory.mktemp("int8")
    onnx.save(network(0, spread=2), str(folder / "float.onnx"))
    quantise(folder / "float.onnx", folder / "int8.onnx", chips(count=4))
    return folder / "float.onnx", folder / "int8.onnx"


def test_every_convolution_reads_int8_with_zero_point_0(files: tuple[Path, Path]) -> None:
    from training.quantise import check

    model = onnx.load(str(files[1]))
    check(model)
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds["QuantizeLinear"] + kinds["DequantizeLinear"] == 3 * 4
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type == "Conv":
            assert [makers[i] for i in node.input[:2]] == ["DequantizeLinear"] * 2


@pytest.mark.parametrize("harm", ["zero point", "scale a channel", "nothing"])
def test_a_file_against_tensorrts_rules_is_refused(files: tuple[Path, Path], harm: str) -> None:
    from training.quantise import check

    model = onnx.load(str(files[1]))
    quantiser = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    if harm == "zero point":
        quantiser.input[2] = "harm"
        model.graph.initializer.append(numpy_helper.from_array(np.int8([3]), "harm"))
    elif harm == "scale a channel":
        quantiser.input[1] = "harm"
        model.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "harm"))
    else:
        model = network(0)
    with pytest.raises(RuntimeError):
        check(model)


def test_both_runtimes_agree_with_float(files: tuple[Path, Path]) -> None:
    faces = chips(9, count=2)
    exact = run(files[0], faces)
    for ours, reference in zip(run(files[1], faces), exact, strict=True):
        assert np.abs(ours - reference).max() < 0.1 * np.abs(reference).max()
    quantised = results(onnx.load(str(files[1])))
    for ours, reference in zip(quantised, results(onnx.load(str(files[0]))), strict=True):
        assert np.abs(ours - reference).max() < 0.1 * np.abs(reference).max()


def test_onnxruntime_leaves_no_quantisation_in_when_told(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    for name, value in ONNXRUNTIME_OPTIONS.items():
        options.add_session_config_entry(name, value)
    ort.InferenceSession(str(files[1]), options, providers=["CPUExecutionProvider"])
    left = Counter(n.op_type for n in onnx.load(str(tmp_path / "optimised.onnx")).graph.node)
    assert not left["QuantizeLinear"]
    assert not left["DequantizeLinear"]


def test_the_same_faces_give_the_same_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    from training.quantise import quantise

    quantise(files[0], tmp_path / "again.onnx", chips(count=4))
    assert (tmp_path / "again.onnx").read_bytes() == files[1].read_bytes()
