"""What some runtime refuses is found in the file, before a terminal finds it."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx looks into networks")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edged.bundle.inspect import inspect, scaled_by_channel  # noqa: E402
from edged.bundle.load import find_bundle, load_bundle  # noqa: E402
from edged.errors import BundleError  # noqa: E402


@pytest.mark.parametrize("name", ["mobilefacenet-rts", "mtcnn"])
def test_what_ships_suits_every_runtime(name):
    inspect(load_bundle(find_bundle(name)))


def test_a_float_network_is_fine(written):
    inspect(load_bundle(written.folder))


def network(written, nodes, constants=(), sizes=(1, 3, 16, 16), opset=17, domains=()):
    """Put this network into the bundle; it need not run."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, sizes)
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [image], [out], initializer=list(constants))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (written.folder / "model.onnx").write_bytes(model.SerializeToString())
    written.digest_files()


def found(written):
    with pytest.raises(BundleError) as fault:
        inspect(load_bundle(written.folder))
    lines = str(fault.value).splitlines()
    assert all("model.onnx: " in line for line in lines)
    return lines


def quantised(zero, kind=np.int8, give=True):
    """A Quantize and a Dequantize with this zero point."""
    names = ["s", "z"] if give else ["s"]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", *names], ["q"], name="quant"),
        helper.make_node("DequantizeLinear", ["q", *names], ["embedding"], name="dequant"),
    ]
    scale = numpy_helper.from_array(np.float32(0.1), "s")
    point = numpy_helper.from_array(np.array(zero, kind), "z")
    return nodes, [scale, point]


def test_a_scale_for_each_channel_of_an_activation_is_told_and_of_a_weight_is_not(written):
    nodes, (_, point) = quantised(np.zeros(3))
    each = numpy_helper.from_array(np.full(3, 0.1, np.float32), "s")
    network(written, nodes, [each, point])
    assert scaled_by_channel(load_bundle(written.folder)) == 1
    weight = numpy_helper.from_array(np.ones((3, 3), np.float32), "image")
    network(written, nodes, [each, point, weight])
    assert scaled_by_channel(load_bundle(written.folder)) == 0


@pytest.mark.parametrize("name", ["mobilefacenet-rts", "mtcnn"])
def test_what_ships_has_one_scale_an_activation(name):
    assert scaled_by_channel(load_bundle(find_bundle(name))) == 0


def test_a_zero_point_of_0_in_int8_is_fine(written):
    network(written, *quantised(0))
    inspect(load_bundle(written.folder))


@pytest.mark.parametrize(
    ("zero", "kind", "text"),
    [(3, np.int8, "zero point is not 0"), (0, np.uint8, "is not int8"), (128, np.uint8, "int8")],
)
def test_another_zero_point_is_found_at_both_ends(written, zero, kind, text):
    network(written, *quantised(zero, kind))
    lines = found(written)
    assert len(lines) == 2
    assert all(text in line for line in lines)
    assert "quant" in lines[0]


def test_one_channel_of_many_is_enough(written):
    nodes, (_, _) = quantised(0)
    scale = numpy_helper.from_array(np.full(3, 0.1, np.float32), "s")
    point = numpy_helper.from_array(np.array([0, 0, 1], np.int8), "z")
    network(written, nodes, [scale, point])
    assert "zero point is not 0" in found(written)[0]


def test_without_a_zero_point_quantisation_is_unsigned(written):
    network(written, *quantised(0, give=False))
    assert "gives uint8" in found(written)[0]


def test_a_dequantised_weight_in_int32_is_found(written):
    nodes = [helper.make_node("DequantizeLinear", ["w", "s"], ["embedding"])]
    weight = numpy_helper.from_array(np.ones(3, np.int32), "w")
    network(written, nodes, [weight, numpy_helper.from_array(np.float32(0.1), "s")])
    assert "something else than int8" in found(written)[0]


def test_a_zero_point_from_a_constant_node_is_seen_and_a_computed_one_refused(written):
    nodes, (scale, point) = quantised(0)
    network(written, [helper.make_node("Constant", [], ["z"], value=point), *nodes], [scale])
    inspect(load_bundle(written.folder))
    network(written, [helper.make_node("Identity", ["y"], ["z"]), *nodes], [scale])
    assert "zero point is computed" in found(written)[0]


def test_zero_points_in_a_branch_are_seen_too(written):
    nodes, constants = quantised(3)
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, None)
    branch = helper.make_graph(nodes, "branch", [], [out])
    node = helper.make_node("If", ["c"], ["embedding"], then_branch=branch, else_branch=branch)
    network(written, [node], constants)
    assert "zero point is not 0" in found(written)[0]


def test_many_of_a_kind_are_counted(written):
    nodes, constants = quantised(3)
    network(written, nodes * 20, constants)
    lines = found(written)
    assert len(lines) == 11
    assert "and 30 more" in lines[-1]


@pytest.mark.parametrize("sizes", [("n", 3, 16, 16), (2, 3, 16, 16), (1, 3, "h", "w"), ()])
def test_sizes_that_are_not_fixed_or_a_batch_are_found(written, sizes):
    network(written, [helper.make_node("Identity", ["image"], ["embedding"])], sizes=sizes)
    assert "an NPU wants fixed sizes and a batch of 1" in found(written)[0]


def test_weights_in_another_file_are_found(written):
    weight = numpy_helper.from_array(np.ones(3, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")
    network(written, [helper.make_node("Add", ["image", "w"], ["embedding"])], [weight])
    assert "keeps weights in another file" in found(written)[0]


@pytest.mark.parametrize("opset", [8, 99])
def test_an_opset_that_not_all_read_is_found(written, opset):
    nodes = [helper.make_node("Identity", ["image"], ["embedding"])]
    network(written, nodes, opset=opset)
    assert f"is of opset {opset}" in found(written)[0]


def test_operators_of_its_own_are_named(written):
    nodes = [helper.make_node("Frobnicate", ["image"], ["embedding"], domain="com.example")]
    network(written, nodes, domains=["com.example"])
    assert "com.example.Frobnicate" in found(written)[0]


def test_a_file_that_is_no_network_is_told(written):
    (written.folder / "model.onnx").write_bytes(b"\xff" * 100)
    written.digest_files()
    assert "is no ONNX network" in found(written)[0]
