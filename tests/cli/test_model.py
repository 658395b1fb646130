"""`edged model`: a bundle that is whole, and every way in which it is not."""

from __future__ import annotations

import shutil

import pytest

from edged.resources import shared
from tests.cli.conftest import PORTRAIT


@pytest.fixture
def bundle(tmp_path):
    """A copy of the shipped recogniser, to be spoilt."""
    return shutil.copytree(shared("models") / "mobilefacenet-rts", tmp_path / "bundle")


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


def test_a_copy_under_another_name_is_the_same_model(edged, bundle):
    shipped = edged("model", "info", "--json").json["identity"]
    assert edged("model", "verify", bundle, "--json").json["identity"] == shipped


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


def test_a_detector_is_no_recogniser(edged):
    ran = edged("model", "verify", "mtcnn")
    assert ran.code == 2
    assert "must be a recogniser" in ran.err
