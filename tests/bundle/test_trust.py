"""Whose bundles are used, and what is said of all others."""

from __future__ import annotations

import os
import shutil

import pytest

from edged.bundle.load import find_bundle, load_bundle
from edged.bundle.trust import Trust
from edged.config.schema import Model
from edged.errors import BundleError


def refused(bundle, settings, match):
    """Refused for this reason, told what to do, and used by nobody but who asks for no trust."""
    with pytest.raises(BundleError, match=match) as fault:
        load_bundle(bundle.folder, Trust.of(settings))
    assert load_bundle(bundle.folder).origin == ""
    return str(fault.value)


def test_a_bundle_that_a_trusted_key_signed_is_used(written, key, settings):
    origin = load_bundle(written.sign(key).folder, Trust.of(settings)).origin
    assert origin.startswith("signed by ")


def test_what_ships_needs_no_signature_but_a_copy_of_it_does(tmp_path):
    folder = find_bundle("mobilefacenet-rts")
    assert load_bundle(folder, Trust()).origin == "ships with edged"
    copy = shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(BundleError, match="is not signed"):
        load_bundle(copy, Trust())


def test_a_link_from_among_the_shipped_is_no_shipped_bundle(written, monkeypatch, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "tiny").symlink_to(written.folder)
    monkeypatch.setattr("edged.bundle.trust.shared", lambda name: tmp_path / name)
    with pytest.raises(BundleError, match="is not signed"):
        load_bundle(models / "tiny", Trust())


def test_an_unsigned_bundle_is_refused_with_both_ways_out(written, settings):
    text = refused(written, settings, "the bundle is not signed")
    assert "model.trusted_keys" in text
    assert "model.allow_unsigned: [tiny]" in text


def test_an_unknown_key_is_refused(written, key):
    text = refused(written.sign(key), Model(), "signed by a key that is not trusted here")
    assert "model.trusted_keys" in text


def test_a_manifest_altered_after_signing_is_refused(written, key, settings):
    written.sign(key).set("quality.midpoint", 5.0)
    refused(written, settings, "does not belong to this manifest")


def test_the_signature_of_another_bundle_is_refused(written, newer, key, settings):
    newer.sign(key)
    shutil.copy(newer.folder / "manifest.sig", written.folder)
    refused(written, settings, "does not belong to this manifest")


def test_a_cut_signature_is_refused(written, key, settings):
    path = written.sign(key).folder / "manifest.sig"
    path.write_bytes(path.read_bytes()[:-20])
    refused(written, settings, r"does not belong|no signature")


def test_a_signature_that_is_a_folder_or_a_pipe_is_none(written, settings):
    os.mkfifo(written.folder / "manifest.sig")
    refused(written, settings, r"manifest\.sig cannot be read: not a plain file")


@pytest.mark.parametrize("spoil", ["unsigned", "altered", "unknown", "garbage"])
def test_a_bundle_allowed_by_name_is_used_and_that_is_logged(written, key, spoil, caplog):
    if spoil != "unsigned":
        written.sign(key)
    if spoil == "altered":
        written.set("quality.midpoint", 5.0)
    if spoil == "garbage":
        (written.folder / "manifest.sig").write_bytes(b"\xff" * 99)
    settings = Model(allow_unsigned=("tiny",))
    origin = load_bundle(written.folder, Trust.of(settings)).origin
    assert origin.startswith("allowed by name: ")
    assert "model.allow_unsigned lets tiny pass" in caplog.text


def test_another_name_allows_nothing(written):
    refused(written, Model(allow_unsigned=("tin", "tiny2")), "is not signed")


def test_altered_files_are_told_beside_the_missing_signature(written, key, settings):
    (written.sign(key).folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"files\.model\.onnx: the file was altered"):
        load_bundle(written.folder, Trust.of(settings))
    (written.folder / "manifest.sig").unlink()
    with pytest.raises(BundleError) as fault:
        load_bundle(written.folder, Trust.of(settings))
    assert len(str(fault.value).splitlines()) == 2


def test_the_name_allows_no_altered_file(written):
    (written.folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="was altered"):
        load_bundle(written.folder, Trust.of(Model(allow_unsigned=("tiny",))))


def test_a_key_file_that_is_none_is_named_with_its_setting(tmp_path):
    with pytest.raises(BundleError, match=r"model\.trusted_keys: public key .*absent\.pub"):
        Trust.of(Model(trusted_keys=(tmp_path / "absent.pub",)))


def test_the_manifest_cannot_list_its_signature(written):
    written.data["files"]["manifest.sig"] = "0" * 64
    written.write()
    with pytest.raises(BundleError, match="cannot list itself or its signature"):
        load_bundle(written.folder)
