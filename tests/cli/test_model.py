"""`edged model`: a bundle that is whole, and every way in which it is not."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys

import numpy as np
import pytest

from edged.resources import shared
from tests.cli.conftest import PORTRAIT


@pytest.fixture
def bundle(tmp_path):
    """A copy of the shipped recogniser, to be spoilt."""
    return shutil.copytree(shared("models") / "mobilefacenet-rts", tmp_path / "bundle")


@pytest.fixture
def pair(edged, tmp_path):
    """A private and a public key."""
    told = edged("model", "keygen", tmp_path / "signing.pem", "--json").json
    return told["private"], told["public"]


def test_the_shipped_bundle_is_whole_and_runs(edged):
    told = edged("model", "verify", "--json").json
    assert told["ok"] is True
    assert told["identity"].startswith("mobilefacenet-rts@")
    assert "is whole and runs" in edged("model", "verify", "mobilefacenet-rts").out


def test_info_says_what_it_is_and_how_it_decides(edged):
    told = edged("model", "info", "--json").json
    assert set(told) == {"identity", "folder", "manifest", "door_thresholds"}
    door = told["door_thresholds"]
    for row in door.values():
        assert list(row.values()) == sorted(row.values())  # more people, more similarity
    assert door["attendance"]["1000"] < door["access"]["1000"] < door["high_security"]["1000"]
    shown = edged("model", "info").out
    assert told["identity"] in shown
    assert "MIT" in shown


def test_a_copy_under_another_name_is_the_same_model(edged, bundle, pair):
    shipped = edged("model", "info", "--json").json["identity"]
    assert edged("model", "info", bundle, "--json").json["identity"] == shipped
    assert edged("model", "sign", bundle, "--key", pair[0]).code == 0
    told = edged("model", "verify", bundle, "--key", pair[1], "--json").json
    assert told["identity"] == shipped
    assert told["origin"].startswith("signed by ")


def test_verify_says_what_it_looked_at(edged):
    told = edged("model", "verify", "--json").json
    assert told["origin"] == "ships with edged"
    assert told["selftest"] is None or told["selftest"]["cosine"] > 0.99
    assert told["inspected"] == (importlib.util.find_spec("onnx") is not None)


def test_verify_says_plainly_what_it_cannot_look_at_without_onnx(edged, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    told = edged("model", "verify", "--json").json
    assert (told["ok"], told["inspected"]) == (True, False)
    assert told["hint"] == "pip install 'edged[models]'"
    shown = edged("model", "verify").out
    assert "NOT checked: whether the networks' form suits every runtime" in shown


def altered(edged, bundle, pair, model):
    """Put another network into the bundle, sign it, and verify it."""
    pytest.importorskip("onnx").save(model, bundle / "model.onnx")
    text = (bundle / "manifest.yaml").read_text()
    old = hashlib.sha256((shared("models") / "mobilefacenet-rts/model.onnx").read_bytes())
    new = hashlib.sha256((bundle / "model.onnx").read_bytes())
    (bundle / "manifest.yaml").write_text(text.replace(old.hexdigest(), new.hexdigest()))
    assert edged("model", "sign", bundle, "--key", pair[0]).code == 0
    return edged("model", "verify", bundle, "--key", pair[1])


def test_verify_finds_what_only_some_runtimes_load(edged, bundle, pair):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(bundle / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "zero_point_image_1":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.int8(3), tensor.name))
    ran = altered(edged, bundle, pair, model)
    assert ran.code == 2
    assert "zero point is not 0" in ran.err


def test_verify_says_that_tensorrt_takes_no_scale_for_each_channel(edged, bundle, pair):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(bundle / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name in {"scale_image_1", "zero_point_image_1"}:
            each = np.full(3, onnx.numpy_helper.to_array(tensor))
            tensor.CopyFrom(onnx.numpy_helper.from_array(each, tensor.name))
    ran = altered(edged, bundle, pair, model)
    assert ran.code == 0
    assert "NOT TensorRT: 1 activations" in ran.out
    assert "the networks' form suits every runtime" in edged("model", "verify").out


@pytest.mark.parametrize("command", ["verify", "extract", "check", "doctor"])
def test_a_bundle_that_nobody_signed_is_refused_everywhere(edged, site, bundle, command):
    site.configure(model={"bundle": str(bundle)})
    argv = {
        "verify": ["model", "verify"],
        "extract": ["extract", PORTRAIT],
        "check": ["check"],
        "doctor": ["doctor"],
    }[command]
    ran = edged(*argv, "-c", site.config)
    assert ran.code == (1 if command == "doctor" else 2)
    assert "is not signed" in ran.out + ran.err
    assert "model.allow_unsigned: [mobilefacenet-rts]" in ran.out + ran.err
    allowed = {"bundle": str(bundle), "allow_unsigned": ["mobilefacenet-rts"]}
    site.configure(model=allowed)
    assert "is not signed; put" not in edged(*argv, "-c", site.config).err


@pytest.mark.parametrize("name", ["none-such", "/none/such"])
@pytest.mark.parametrize("action", ["info", "verify"])
def test_an_unknown_bundle_is_told_with_those_that_ship(edged, tmp_path, action, name):
    config = tmp_path / "edged.yaml"
    config.write_text(
        "site: a\nterminal: b\nkey: {file: k}\ncamera: {driver: opencv}\n"
        f"door: {{driver: simulated}}\nmodel: {{bundle: {name!r}}}\n"
    )
    for argv in [name], ["-c", config]:
        ran = edged("model", action, *argv)
        assert (ran.code, ran.out) == (2, "")
        assert "mobilefacenet-rts, mtcnn" in ran.err


@pytest.mark.parametrize("command", ["info", "verify", "extract", "check", "doctor"])
def test_a_flipped_bit_is_found_before_the_network_runs(edged, site, bundle, command):
    network = bundle / "model.onnx"
    data = bytearray(network.read_bytes())
    data[len(data) // 2] ^= 1
    network.write_bytes(data)
    site.configure(model={"bundle": str(bundle)})
    argv = {
        "info": ["model", "info", bundle],
        "verify": ["model", "verify", bundle],
        "extract": ["extract", PORTRAIT, "-c", site.config],
        "check": ["check", "-c", site.config],
        "doctor": ["doctor", "-c", site.config],
    }[command]
    ran = edged(*argv)
    assert ran.code == (1 if command == "doctor" else 2)
    assert "files.model.onnx: the file was altered" in ran.out + ran.err


def test_what_is_missing_unlisted_or_not_understood_is_named(edged, bundle):
    (bundle / "extra.bin").write_bytes(b"x")
    (bundle / "MODEL_CARD.md").unlink()
    ran = edged("model", "verify", bundle)
    assert ran.code == 2
    assert "extra.bin lies in the folder and is not listed" in ran.err
    assert "MODEL_CARD.md: is listed and missing" in ran.err
    (bundle / "manifest.yaml").write_text("kind: frog\n")
    ran = edged("model", "verify", bundle)
    assert ran.code == 2
    assert "manifest.yaml" in ran.err


def test_a_detector_is_no_recogniser_but_can_be_verified(edged, site):
    ran = edged("model", "info", "mtcnn")
    assert ran.code == 2
    assert "must be a recogniser" in ran.err
    assert edged("model", "verify", "mtcnn", "--json").json["identity"].startswith("mtcnn@")
    site.configure(model={"bundle": "mtcnn"})
    assert edged("check", "-c", site.config).code == 2


def test_verify_names_the_folder_and_which_of_two_was_taken(edged, tmp_path, monkeypatch):
    name = "mobilefacenet-rts"
    shipped = str(shared("models") / name)
    monkeypatch.chdir(tmp_path)
    told = edged("model", "verify", name, "--json").json
    assert (told["folder"], told["namesake"]) == (shipped, None)
    shutil.copytree(shipped, tmp_path / name)
    told = edged("model", "verify", name, "--json").json
    assert (told["folder"], told["namesake"]) == (shipped, str(tmp_path / name))
    shown = edged("model", "verify", name).out
    assert f"  in {shipped}\n  NOT the folder {name} here; for that: ./{name}" in shown


def test_an_empty_name_is_none_and_one_too_long_is_told(edged, site):
    for action in "verify", "info":
        ran = edged("model", action, "", "-c", site.config)
        assert (ran.code, ran.out) == (2, "")
        assert "no model bundle ''" in ran.err
        ran = edged("model", action, "x" * 300)
        assert (ran.code, ran.out) == (2, "")
        assert "File name too long" in ran.err
    ran = edged("model", "install", "x" * 300, "-c", site.config)
    assert ran.code == 2
    assert "File name too long" in ran.err
    for argv in ["install", "", "-c", site.config], ["sign", "", "--key", "k"], ["keygen", ""]:
        ran = edged("model", *argv)
        assert ran.code == 2
        assert "expected a path" in ran.err
    ran = edged("model", "rollback", "", "-c", site.config)
    assert "none is installed" in ran.err
