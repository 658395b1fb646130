"""A network that does not fit its manifest never runs."""

from __future__ import annotations

import numpy as np
import pytest

from edged.bundle.load import load_bundle
from edged.bundle.network import open_network
from edged.config.schema import Model
from edged.errors import BundleError, RuntimeFault
from tests.runtime.networks import Networks


def replaced(written, **changes):
    """The bundle with another network in it, digests and all."""
    Networks(written.folder).recogniser(**changes)
    written.digest_files()
    return load_bundle(written.folder)


def test_embedding_then_log_variance(written):
    runner = open_network(load_bundle(written.folder), Model())
    embedding, log_variance = runner.run(np.ones((1, 3, 16, 16), np.float32))
    assert embedding.shape == (1, 8)
    assert log_variance.shape == (1,)
    runner.close()


def test_an_embedding_of_another_size_is_named(written):
    bundle = replaced(written, size=16)
    with pytest.raises(BundleError, match=r"manifest\.yaml: outputs\.embedding\.size: model\.onnx"):
        open_network(bundle, Model())


def test_a_missing_output_is_named(written):
    bundle = replaced(written, embedding="features")
    with pytest.raises(RuntimeFault, match=r"model\.onnx: outputs: no embedding .*features"):
        open_network(bundle, Model())


def test_more_than_one_log_variance_is_refused(written):
    bundle = replaced(written, doubts=16)
    with pytest.raises(BundleError, match=r"outputs\.log_variance: model\.onnx gives \(16\)"):
        open_network(bundle, Model())


def test_an_input_of_another_size_is_named(written):
    bundle = replaced(written, side=20)
    with pytest.raises(BundleError, match=r"input: model\.onnx takes \(1, 3, 20, 20\)"):
        open_network(bundle, Model())


def test_an_input_of_another_name_is_named(written):
    written.set("input.name", "chip")
    with pytest.raises(BundleError, match=r"input\.name: model\.onnx calls its input image"):
        open_network(load_bundle(written.folder), Model())


def test_a_file_that_is_no_network_is_named(written):
    (written.folder / "model.onnx").write_bytes(b"no network")
    written.digest_files()
    with pytest.raises(RuntimeFault, match=r"tiny/model\.onnx: "):
        open_network(load_bundle(written.folder), Model())


def test_a_detector_has_no_embedding(written_detector):
    with pytest.raises(BundleError, match="kind: must be a recogniser"):
        open_network(load_bundle(written_detector.folder), Model())
