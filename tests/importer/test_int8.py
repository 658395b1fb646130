"""INT8 by NNCF: the whole import, and the published network's size on both runtimes."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("nncf", reason="NNCF makes a network INT8; edged[import]")

from edged.bundle.inspect import inspect
from edged.bundle.load import load_bundle
from edged.camera.images import read_image
from edged.config.schema import Model, Vision
from edged.importer.graph import Form, append_form
from edged.importer.quantise import quantise
from edged.importer.run import read_network, run
from edged.importer.views import Views
from edged.runtime.table import available
from edged.service.engine import Engine
from edged.vision.embed import network_input
from edged.vision.reference import _PORTRAIT
from tests.importer.networks import onnx
from tests.importer.people import person

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
RUNTIMES = [report.name for report in available() if not report.problem]


def test_an_int8_bundle_runs_everywhere_and_says_what_the_float_network_said(request_for, capfd):
    done = run(request_for(int8=True), lambda _: None)
    assert capfd.readouterr().out == "", "stdout belongs to the result"
    bundle = load_bundle(done.folder)
    inspect(bundle)
    operators = {node.op_type for node in onnx.load(str(done.folder / "model.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    told = done.measured
    assert told.agreement is not None
    assert told.agreement.mean_cosine > 0.98
    assert told.agreement.rank_correlation > 0.97
    assert set(told.runtimes) == set(RUNTIMES)
    assert all(row["speed"] > 0 for row in told.runtimes.values())
    assert told.size_bytes < 2_500_000
    for runtime in RUNTIMES:
        settings = Model(bundle=str(done.folder), allow_unsigned=("made",), runtime=runtime)
        with Engine(settings, Vision()) as engine:
            assert engine.extract(read_image(_PORTRAIT)).embedded.quality > 0.3


@pytest.mark.slow
def test_the_published_networks_int8_runs_on_both_runtimes(tmp_path, request_for):
    """Random weights: whether it runs and what INT8 costs, not whether it recognises."""
    torch = pytest.importorskip("torch", reason="torch reads the published weights; edged[import]")
    from edged.importer.irse import Rts
    from tests.importer.test_weights import randomised

    torch.save(randomised(Rts("plus", 16)).state_dict(), tmp_path / "weights.pth")
    scratch, file = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    wanted = replace(request_for(), file=tmp_path / "weights.pth", embedding=None, uncertainty=None)
    network = read_network(wanted, scratch)
    name = append_form(network.model, network.score, 1, Form(1.0))
    onnx.save(network.model, str(scratch))
    assert scratch.stat().st_size < 195e6
    names = (network.embedding, name)
    chips = [person(number) for number in range(3)]
    quantise(scratch, file, chips, lambda chip: network_input(chip, network.input), names)
    assert file.stat().st_size < 52e6
    vectors = {}
    for kind, path in (("float", scratch), ("int8", file)):
        for runtime in RUNTIMES:
            settings = Model(runtime=runtime, device="CPU")
            rows, doubts = Views(path, network.input, names, settings)(chips, "")
            assert doubts.shape == (3, 1)
            vectors[kind, runtime] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    reference = vectors["float", RUNTIMES[0]]
    for (kind, _), rows in vectors.items():
        least = 0.9999 if kind == "float" else 0.9
        assert ((rows * reference).sum(1) > least).all()


def test_nobody_is_told_that_nncf_was_used(monkeypatch):
    from edged.importer.quantise import _nncf

    monkeypatch.delenv("NNCF_CI", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "nncf"]:
        monkeypatch.delitem(sys.modules, name)
    _nncf()
    from nncf.telemetry import wrapper

    assert wrapper.telemetry is wrapper.NNCFTelemetryStub or not isinstance(
        wrapper.telemetry, wrapper.NNCFTelemetry
    )
