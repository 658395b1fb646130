"""Every byte of a bundle is accounted for."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from edged.bundle.load import find_bundle, load_bundle
from edged.errors import BundleError
from edged.resources import shared


def test_a_sound_bundle_has_an_identity_over_its_network(written):
    bundle = load_bundle(written.folder)
    assert re.fullmatch(r"tiny@1\.2\.3#[0-9a-f]{12}", bundle.identity)
    assert bundle.identity.endswith(f"#{bundle.digest}")
    assert bundle.networks == {"network": written.folder / "model.onnx"}
    with pytest.raises(BundleError, match="kind: must be a detector"):
        _ = bundle.detector


def test_another_network_is_another_identity(written):
    before = load_bundle(written.folder).identity
    path = written.folder / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\x00")
    written.digest_files()
    assert load_bundle(written.folder).identity != before


def test_a_detector_has_its_networks_by_stage(written_detector):
    bundle = load_bundle(written_detector.folder)
    assert set(bundle.networks) == {"pnet", "rnet", "onet"}
    assert bundle.detector.networks.onet == "onet.onnx"
    with pytest.raises(BundleError, match="kind: must be a recogniser"):
        _ = bundle.recogniser


@pytest.mark.parametrize("name", ["model.onnx", "README.md"])
def test_one_altered_byte_is_noticed(written, name):
    path = written.folder / name
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2] ^= 1
    path.write_bytes(altered)
    with pytest.raises(BundleError, match=rf"manifest\.yaml: files\.{name}: the file was altered"):
        load_bundle(written.folder)


def test_a_missing_file_is_named(written):
    (written.folder / "README.md").unlink()
    with pytest.raises(BundleError, match=r"files\.README\.md: is listed and missing"):
        load_bundle(written.folder)


def test_a_folder_in_place_of_a_file_is_refused(written):
    (written.folder / "README.md").unlink()
    (written.folder / "README.md").mkdir()
    with pytest.raises(BundleError, match=r"files\.README\.md: is listed and missing"):
        load_bundle(written.folder)


@pytest.mark.parametrize("name", ["extra.onnx", ".hidden", "weights"])
def test_a_file_that_is_not_listed_is_refused(written, name):
    (written.folder / name).mkdir() if name == "weights" else (written.folder / name).touch()
    with pytest.raises(BundleError, match=rf"files: {name} lies in the folder and is not listed"):
        load_bundle(written.folder)


def test_a_link_out_of_the_folder_is_refused_although_the_digest_fits(written, tmp_path):
    path = written.folder / "model.onnx"
    outside = tmp_path / "elsewhere.onnx"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(BundleError, match=r"files\.model\.onnx: is a link that leads out"):
        load_bundle(written.folder)


def test_a_link_that_leads_to_itself_is_refused(written):
    path = written.folder / "README.md"
    path.unlink()
    path.symlink_to("README.md")
    with pytest.raises(BundleError, match=r"files\.README\.md: "):
        load_bundle(written.folder)


@pytest.mark.parametrize("name", ["manifest.yaml", "README.md"])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(written, name):
    (written.folder / name).unlink()
    os.mkfifo(written.folder / name)
    with pytest.raises(BundleError, match=r"not a plain file|is listed and missing"):
        load_bundle(written.folder)


def test_all_files_are_checked_before_giving_up(written):
    (written.folder / "README.md").write_text("other")
    (written.folder / "model.onnx").unlink()
    (written.folder / "more").touch()
    with pytest.raises(BundleError) as fault:
        load_bundle(written.folder)
    assert len(str(fault.value).splitlines()) == 3


def test_no_folder_is_said_plainly(tmp_path):
    with pytest.raises(BundleError, match="no such folder"):
        load_bundle(tmp_path / "absent")


def test_a_bundle_is_found_by_its_path(written):
    assert find_bundle(str(written.folder)) == written.folder
    assert find_bundle(written.folder) == written.folder


@pytest.mark.parametrize("name", ["no-such-model", "../models", "", "tiny\n"])
def test_an_unknown_name_lists_what_ships(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = sorted(path.parent.name for path in shared("models").glob("*/manifest.yaml"))
    with pytest.raises(BundleError) as fault:
        find_bundle(name)
    for known in shipped:
        assert known in str(fault.value)
    assert repr(name) in str(fault.value)


def test_what_cannot_be_read_is_told(written, tmp_path, monkeypatch):
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        load_bundle(tmp_path / ("x" * 300))
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        find_bundle("x" * 300)
    written.folder.chmod(0o311)  # can be entered, not listed
    monkeypatch.chdir(tmp_path)  # a user that is not root comes nowhere else
    tmp_path.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(BundleError, match="tiny: cannot be read: Permission denied"):
            load_bundle(Path("tiny"))
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input.mean", 127.0),
        ("input.colour", "bgr"),
        ("alignment.landmarks.0.0", 5.5),
        ("outputs.embedding.name", "other"),
    ],
)
def test_another_input_or_output_is_another_identity(written, field, value):
    before = load_bundle(written.folder).identity
    written.set("input.scale", 0.0078125000)  # the same number
    assert load_bundle(written.folder).identity == before
    written.set(field, value)
    assert load_bundle(written.folder).identity != before


def test_what_a_network_may_read_belongs_to_the_identity_and_texts_do_not(written):
    before = load_bundle(written.folder).identity
    (written.folder / "LICENCE.txt").write_text("do as you like")
    (written.folder / "README.md").write_text("# other")
    written.digest_files()
    assert load_bundle(written.folder).identity == before
    assert load_bundle(written.add_selftest().folder).identity == before
    found = {before}
    for content in b"weights", b"other weights":
        (written.folder / "model.bin").write_bytes(content)
        written.digest_files()
        found.add(load_bundle(written.folder).identity)
    assert len(found) == 3


def test_two_networks_in_each_other_s_place_are_another_identity(written_detector):
    before = load_bundle(written_detector.folder)
    written_detector.set(
        "networks", {"pnet": "rnet.onnx", "rnet": "pnet.onnx", "onet": "onet.onnx"}
    )
    assert load_bundle(written_detector.folder).digest != before.digest
