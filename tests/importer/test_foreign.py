"""What is refused of an ONNX file before anything is measured, and what is put right."""

from __future__ import annotations

import os

import numpy as np
import pytest

from edged.config.schema import Model
from edged.errors import BundleError
from edged.importer.foreign import Preprocessing, read_foreign
from edged.runtime.choose import open_runner
from tests.importer import networks
from tests.importer.networks import constant, helper, node, onnx, outputs

FORM = Preprocessing()


def tiny(batch=1, channels=3, height=112, width=112, kind=onnx.TensorProto.FLOAT, extra=()):
    """image → 8 mean responses of a convolution as `embedding`, their sum as `doubt`."""
    entry = helper.make_tensor_value_info("image", kind, [batch, channels, height, width])
    graph = helper.make_graph([], "tiny", [entry, *extra], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    weights = np.random.default_rng(3).normal(size=(8, 3, 3, 3)).astype(np.float32)
    node(model, "Conv", ["image", constant(model, "w", weights)], "map")
    node(model, "GlobalAveragePool", ["map"], "pooled")
    node(model, "Flatten", ["pooled"], "embedding")
    node(model, "ReduceMean", ["embedding"], "doubt", axes=[1], keepdims=0)
    return outputs(model, embedding=[batch, 8], doubt=[batch])


def read(tmp_path, model, embedding="embedding", score="doubt", form=FORM):
    return read_foreign(networks.save(model, tmp_path / "n.onnx"), embedding, score, form)


def refused(tmp_path, model, *words, **options):
    with pytest.raises(BundleError) as caught:
        read(tmp_path, model, **options)
    assert str(tmp_path / "n.onnx") in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("batch", ["n", 4, 1])
def test_whatever_its_batch_was_it_runs_on_one_face(tmp_path, batch):
    found = read(tmp_path, tiny(batch=batch))
    path = networks.save(found.model, tmp_path / "fixed.onnx")
    runner = open_runner(path, found.outputs, Model())
    runner.open()
    embedding, doubt = runner.run(np.ones((1, 3, 112, 112), np.float32))
    assert runner.describe().input.shape == (1, 3, 112, 112)
    runner.close()
    assert embedding.shape == (1, 8)
    assert doubt.shape == (1,)


def test_outputs_that_nobody_asked_for_go_with_all_that_leads_to_them(tmp_path):
    found = read(tmp_path, tiny(), score=None)
    assert [item.name for item in found.model.graph.output] == ["embedding"]
    assert "ReduceMean" not in {n.op_type for n in found.model.graph.node}


def test_an_only_output_need_not_be_named(tmp_path):
    model = tiny()
    del model.graph.output[1]
    assert read(tmp_path, model, embedding=None, score=None).embedding == "embedding"


def test_several_outputs_are_listed_where_none_is_named(tmp_path):
    refused(
        tmp_path, tiny(), "--embedding", "embedding (1, 8)", "doubt (1)", embedding=None, score=None
    )


def test_an_output_that_is_not_there_is_told_with_those_that_are(tmp_path):
    refused(tmp_path, tiny(), "--uncertainty", "'variance'", "doubt (1)", score="variance")
    refused(tmp_path, tiny(), "--embedding", "'features'", "doubt (1)", embedding="features")


def test_one_output_cannot_be_both(tmp_path):
    refused(tmp_path, tiny(), "cannot be both", score="embedding")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x09" + bytes(range(256)), b"PK\x03\x04"])
def test_what_is_no_onnx_file_is_told_so(tmp_path, content):
    path = tmp_path / "n.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="not an ONNX file"):
        read_foreign(path, None, None, FORM)


def test_a_file_cut_short_is_refused(tmp_path, network):
    path = tmp_path / "n.onnx"
    path.write_bytes(network.read_bytes()[:-2000])
    with pytest.raises(BundleError, match=r"cut short|not a valid"):
        read_foreign(path, "embedding", None, FORM)


def test_a_missing_file_is_told_so(tmp_path):
    with pytest.raises(BundleError, match="No such file"):
        read_foreign(tmp_path / "none.onnx", None, None, FORM)


def test_weights_in_another_file_are_refused_with_the_way_out(tmp_path):
    path = tmp_path / "n.onnx"
    onnx.save(tiny(), str(path), save_as_external_data=True, size_threshold=0, location="w.bin")
    with pytest.raises(BundleError, match=r"in another file .*one file"):
        read_foreign(path, "embedding", None, FORM)


def _in_an_attribute(model, tensor):
    model.graph.node[0].attribute.add(name="odd").tensors.append(tensor)


def _in_a_branch(model, tensor):
    model.graph.node[0].attribute.add(name="odd").g.initializer.append(tensor)


def _sparse(model, tensor):
    model.graph.sparse_initializer.add().values.CopyFrom(tensor)


def _sparse_in_an_attribute(model, tensor):
    model.graph.node[0].attribute.add(name="odd").sparse_tensor.values.CopyFrom(tensor)


@pytest.mark.parametrize("put", [_in_an_attribute, _in_a_branch, _sparse, _sparse_in_an_attribute])
def test_weights_in_another_file_are_found_wherever_they_hide(tmp_path, put):
    model = tiny()
    tensor = onnx.TensorProto(name="hidden", data_type=1, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../w.bin")
    put(model, tensor)
    refused(tmp_path, model, "in another file (hidden")


def test_operators_of_its_own_are_found_in_branches_too(tmp_path):
    model = tiny()
    branch = model.graph.node[0].attribute.add(name="then_branch").g
    branch.node.add(op_type="FancyConv", domain="com.example")
    refused(tmp_path, model, "com.example.FancyConv")


def test_a_pipe_is_no_network_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "n.onnx")
    with pytest.raises(BundleError, match="not a file"):
        read_foreign(tmp_path / "n.onnx", None, None, FORM)


def test_a_network_that_is_fed_channels_last_is_refused(tmp_path):
    model = tiny()
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 112, 112, 3])
    )
    refused(tmp_path, model, "expected (1, 3, height, width), got (1, 112, 112, 3)", "last")


def test_other_inputs_are_refused(tmp_path):
    other = helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1, 1])
    refused(tmp_path, tiny(extra=[other]), "one input", "mask (1, 1)")
    refused(tmp_path, tiny(height=128), "must be square")
    refused(tmp_path, tiny(height=16, width=16), "32 to 512 px")
    entry = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3 * 112 * 112])
    model = tiny()
    model.graph.input[0].CopyFrom(entry)
    refused(tmp_path, model, "expected (1, 3, height, width)")


def test_whole_numbers_as_input_are_refused(tmp_path):
    entry = helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, [1, 3, 112, 112])
    graph = helper.make_graph([], "tiny", [entry], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    node(model, "Cast", ["image"], "x", to=onnx.TensorProto.FLOAT)
    node(model, "GlobalAveragePool", ["x"], "embedding")
    outputs(model, embedding=[1, 3, 1, 1])
    refused(tmp_path, model, "expected float32 (got uint8)", score=None)


def test_an_open_size_is_asked_for_and_a_fixed_one_not_overridden(tmp_path):
    model = tiny(height="h", width="w")
    refused(tmp_path, model, "--size")
    assert read(tmp_path, model, form=Preprocessing(size_px=64)).input.width_px == 64
    refused(tmp_path, tiny(), "--size says 64", form=Preprocessing(size_px=64))


def test_operators_of_its_own_are_refused_by_name(tmp_path):
    model = tiny()
    model.graph.node[0].op_type, model.graph.node[0].domain = "FancyConv", "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    refused(tmp_path, model, "com.example.FancyConv")


@pytest.mark.parametrize("opset", [8, 22])
def test_an_opset_that_some_runtime_cannot_read_is_refused(tmp_path, opset):
    model = tiny()
    model.opset_import[0].version = opset
    refused(tmp_path, model, f"opset {opset}")


@pytest.mark.parametrize(("field", "value"), [("mean", float("nan")), ("scale", 0), ("scale", -1)])
def test_preprocessing_that_cannot_be_is_refused_by_its_option(tmp_path, field, value):
    with pytest.raises(BundleError, match=f"--{field}: "):
        read(tmp_path, tiny(), form=Preprocessing(**{field: value}))
