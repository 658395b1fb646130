"""`edged model keygen | sign | install | list | rollback`, as an installer uses them."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
from pathlib import Path

import pytest

from edged.resources import shared

NAME = "mobilefacenet-rts"


@pytest.fixture
def key(edged, tmp_path):
    assert edged("model", "keygen", tmp_path / "signing.pem").code == 0
    return tmp_path / "signing.pem"


@pytest.fixture
def terminal(site, key):
    """A site that trusts the key; the setting is relative to the configuration's folder."""
    site.configure(model={"store": "models", "trusted_keys": [f"{key.name}.pub"]})
    return site


@pytest.fixture
def bundle(tmp_path, edged, key):
    """Makes signed copies of the shipped recogniser, with another version or network."""

    def make(version, other_network=False):
        folder = shutil.copytree(shared("models") / NAME, tmp_path / version)
        manifest = folder / "manifest.yaml"
        text = re.sub(r"(?m)^version: .*$", f"version: {version}", manifest.read_text())
        if other_network:
            network = folder / "model.onnx"
            old = hashlib.sha256(network.read_bytes()).hexdigest()
            network.write_bytes(network.read_bytes() + b"\x7a\x00")
            text = text.replace(old, hashlib.sha256(network.read_bytes()).hexdigest())
        manifest.write_text(text)
        assert edged("model", "sign", folder, "--key", key).code == 0
        return folder

    return make


def test_a_key_pair_is_made_and_nothing_of_the_private_key_is_shown(edged, tmp_path):
    ran = edged("model", "keygen", tmp_path / "a.pem")
    assert stat.S_IMODE((tmp_path / "a.pem").stat().st_mode) == 0o600
    secret = "".join((tmp_path / "a.pem").read_text().splitlines()[1:-1])
    assert secret not in ran.out + ran.err
    assert "a.pem.pub: goes to each terminal, into model.trusted_keys" in ran.out
    again = edged("model", "keygen", tmp_path / "a.pem")
    assert again.code == 2
    assert "exists already and is never replaced" in again.err


def test_signing_needs_a_key_that_is_ours_alone_and_a_whole_bundle(edged, key, bundle, tmp_path):
    folder = bundle("1.5.0")
    key.chmod(0o644)
    ran = edged("model", "sign", folder, "--key", key)
    assert ran.code == 2
    assert "chmod 600" in ran.err
    key.chmod(0o600)
    (folder / "model.onnx").write_bytes(b"x")
    ran = edged("model", "sign", folder, "--key", key)
    assert ran.code == 2
    assert "was altered" in ran.err
    assert edged("model", "sign", tmp_path / "absent", "--key", key).code == 2


def test_an_installation_says_what_follows_from_it(edged, terminal, bundle):
    before = edged("model", "info", "--json").json["identity"]
    told = edged("model", "install", bundle("1.5.0", True), "-c", terminal.config, "--json").json
    assert told["before"] == before
    assert told["identity"].startswith(f"{NAME}@1.5.0#")
    assert (told["changed"], told["identity_changed"]) == (True, True)
    assert Path(told["folder"]).parent == terminal.folder / "models" / NAME
    used = edged("model", "verify", "-c", terminal.config, "--json").json
    assert used["identity"] == told["identity"]
    assert edged("check", "-c", terminal.config).code == 0
    shown = edged("model", "install", bundle("1.6.0"), "-c", terminal.config).out
    assert "systemctl restart edged" in shown
    assert f"THE NETWORK CHANGES: who was enrolled with {told['identity']} is not rec" in shown


def test_rollback_returns_step_by_step_to_what_ships(edged, terminal, bundle):
    for version in "1.5.0", "1.6.0":
        assert edged("model", "install", bundle(version), "-c", terminal.config).code == 0
    told = edged("model", "rollback", "-c", terminal.config, "--json").json
    assert told["identity"].startswith(f"{NAME}@1.5.0#")
    told = edged("model", "rollback", NAME, "-c", terminal.config, "--json").json
    assert told["origin"] == "ships with edged"
    ran = edged("model", "rollback", "-c", terminal.config)
    assert ran.code == 2
    assert "nothing to go back from" in ran.err


def test_the_list_says_what_is_in_force_and_what_is_broken(edged, terminal, bundle):
    for version in "1.5.0", "1.6.0":
        assert edged("model", "install", bundle(version), "-c", terminal.config).code == 0

    def rows():
        listed = edged("model", "list", "-c", terminal.config, "--json").json["bundles"]
        return [
            (r["place"], r["in_force"], bool(r["problem"])) for r in listed if r["name"] == NAME
        ]

    assert rows() == [
        ("installed", True, False),
        ("previous", False, False),
        ("shipped", False, False),
    ]
    shown = edged("model", "list", "-c", terminal.config).out
    assert f"* {NAME}@1.6.0#" in shown
    folder = edged("model", "verify", "-c", terminal.config, "--json").json
    assert folder["identity"].startswith(f"{NAME}@1.6.0#")
    current = next((terminal.folder / "models" / NAME).glob("1.6.0-*"))
    (current / "model.onnx").write_bytes(b"x")
    assert rows()[:2] == [("installed", False, True), ("previous", True, False)]
    for argv in ["model", "verify"], ["check"], ["doctor"]:
        ran = edged(*argv, "-c", terminal.config)
        assert ran.code == (1 if argv == ["doctor"] else 2)
        assert "was altered" in ran.out + ran.err
    assert edged("model", "list").code == 0


def test_what_is_refused_changes_nothing(edged, terminal, bundle, tmp_path):
    assert edged("model", "install", bundle("1.5.0"), "-c", terminal.config).code == 0
    folder = bundle("1.6.0")
    assert edged("model", "keygen", tmp_path / "other.pem").code == 0
    assert edged("model", "sign", folder, "--key", tmp_path / "other.pem").code == 0
    ran = edged("model", "install", folder, "-c", terminal.config)
    assert (ran.code, ran.out) == (2, "")
    assert "signed by a key that is not trusted here" in ran.err
    assert edged("model", "install", tmp_path / "absent", "-c", terminal.config).code == 2
    used = edged("model", "verify", "-c", terminal.config, "--json").json
    assert used["identity"].startswith(f"{NAME}@1.5.0#")


def test_a_bundle_that_is_not_configured_is_said_not_to_be_used(edged, terminal, bundle, key):
    folder = bundle("1.5.0")
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace(f"name: {NAME}", "name: mine", 1))
    assert edged("model", "sign", folder, "--key", key).code == 0
    shown = edged("model", "install", folder, "-c", terminal.config).out
    assert "the terminal does not use it: set model.bundle to mine" in shown
    assert f"enrolled with model.bundle {NAME} is not recognised" in shown
    terminal.configure(
        model={"store": "models", "trusted_keys": [f"{key.name}.pub"], "bundle": "mine"}
    )
    assert edged("check", "-c", terminal.config).code == 0


def test_a_detector_is_installed_and_no_template_minds(edged, terminal, tmp_path, key):
    folder = shutil.copytree(shared("models") / "mtcnn", tmp_path / "copy")
    assert edged("model", "sign", folder, "--key", key).code == 0
    shown = edged("model", "install", folder, "-c", terminal.config).out
    assert "mtcnn@" in shown
    assert "NETWORK CHANGES" not in shown


def test_a_key_that_is_not_there_is_a_fault_of_the_configuration(edged, terminal, key):
    key.with_name(f"{key.name}.pub").unlink()
    ran = edged("check", "-c", terminal.config)
    assert ran.code == 2
    assert "model.trusted_keys: public key" in ran.err


def test_another_version_of_the_same_network_is_not_called_another_network(edged, terminal, bundle):
    first = edged("model", "install", bundle("1.5.0"), "-c", terminal.config, "--json").json
    shown = edged("model", "install", bundle("1.6.0"), "-c", terminal.config).out
    assert "NETWORK CHANGES" not in shown
    assert "the version changes, the network does not: " in shown
    assert f"who was enrolled with {first['identity']} is not recognised" in shown


def test_an_older_one_is_refused_and_on_request_said_to_be_older(edged, terminal, bundle):
    told = edged("model", "install", bundle("1.6.0"), "-c", terminal.config, "--json").json
    assert told["older"] is False
    folder = bundle("1.5.0")
    ran = edged("model", "install", folder, "-c", terminal.config)
    assert (ran.code, ran.out) == (2, "")
    assert "--older" in ran.err
    argv = ["model", "install", folder, "--older", "-c", terminal.config]
    assert "it is OLDER than mobilefacenet-rts@1.6.0#" in edged(*argv).out
    assert edged("model", "install", bundle("1.7.0"), "-c", terminal.config).code == 0
    assert edged(*argv, "--json").json["older"] is True
