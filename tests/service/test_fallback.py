"""A broken bundle in force: the one before stands in, then the one that ships; it is said."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from edged.bundle import selftest
from edged.bundle.install import install, rollback
from edged.bundle.load import load_bundle
from edged.bundle.sign import create_keys, read_private_key, write_signature
from edged.config.schema import Model, Vision
from edged.errors import BundleError
from edged.resources import shared
from edged.service.engine import Engine
from edged.service.trial import try_out
from edged.vision.reference import reference_chips
from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.kit import Door

NAME = "mobilefacenet-rts"


@pytest.fixture
def settings(tmp_path: Path) -> Model:
    public, _ = create_keys(tmp_path / "signing.pem")
    return Model(
        store=tmp_path / "models", trusted_keys=(public,), runtime="onnxruntime", threads=1
    )


@pytest.fixture
def made(tmp_path: Path, engine: Engine) -> Callable[..., Path]:
    """A signed copy of the shipped recogniser with a self-test, under another version."""

    def make(version: str, wrong: bool = False, name: str = NAME) -> Path:
        folder = shutil.copytree(shared("models") / NAME, tmp_path / version)
        manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
        chips = reference_chips(engine.manifest.alignment.landmarks, (112, 112))
        test = selftest.make(chips, engine.embedder.embed)
        if wrong:
            test.embeddings[2] *= -1
        test.save(folder / "selftest.npz")
        digest = hashlib.sha256((folder / "selftest.npz").read_bytes()).hexdigest()
        manifest["files"]["selftest.npz"] = digest
        manifest |= {"version": version, "selftest": "selftest.npz", "name": name}
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        write_signature(folder, read_private_key(tmp_path / "signing.pem"))
        return folder

    return make


def spoil(folder: Path) -> None:
    network = folder / "model.onnx"
    network.write_bytes(network.read_bytes()[:-100])


def opened(settings: Model) -> tuple[str, list[str]]:
    with Engine(settings, Vision()) as engine:
        return engine.manifest.version, engine.passed_over


def untried(_: Any) -> None:
    """An installation that was cut off before its trial."""


def test_the_installed_one_goes_first_and_its_self_test_runs(settings, made):
    install(made("1.5.0"), settings, lambda bundle: try_out(bundle, settings, Vision()))
    with Engine(settings, Vision()) as engine:
        assert engine.manifest.version == "1.5.0"
        assert engine.bundle.origin.startswith("signed by ")
        assert engine.selftest is not None
        assert engine.selftest.chips == 5
        assert engine.passed_over == []


def test_an_installation_that_fails_its_self_test_is_taken_back(settings, made):
    trial = lambda bundle: try_out(bundle, settings, Vision())  # noqa: E731
    install(made("1.5.0"), settings, trial)
    with pytest.raises(BundleError, match="self-test failed"):
        install(made("1.6.0", wrong=True), settings, trial)
    assert opened(settings) == ("1.5.0", [])


def test_one_that_fails_its_self_test_at_the_start_gives_way(settings, made, caplog):
    install(made("1.5.0"), settings, untried)
    install(made("1.6.0", wrong=True), settings, untried)
    version, passed_over = opened(settings)
    assert version == "1.5.0"
    assert len(passed_over) == 1
    assert "self-test failed" in passed_over[0]
    assert [r.levelno for r in caplog.records] == [logging.ERROR] * 2
    assert "stands in for it" in caplog.text


def test_when_the_one_before_is_broken_too_what_ships_stands_in(settings, made):
    spoil(install(made("1.5.0"), settings, untried).bundle.folder)
    install(made("1.5.1"), settings, untried)
    spoil(install(made("1.6.0"), settings, untried).bundle.folder)
    previous = json.loads((settings.store / NAME / "in-force.json").read_text())["previous"]
    spoil(settings.store / NAME / previous)
    version, passed_over = opened(settings)
    assert version == load_bundle(shared("models") / NAME).manifest.version
    assert ["was altered" in reason for reason in passed_over] == [True, True]


@pytest.mark.parametrize("damage", ["record", "gone", "unsigned", "untrusted"])
def test_whatever_is_wrong_with_it_what_ships_stands_in(settings, made, tmp_path, damage):
    folder = install(made("1.5.0"), settings, untried).bundle.folder
    if damage == "record":
        (settings.store / NAME / "in-force.json").write_text("{")
    elif damage == "gone":
        shutil.rmtree(folder)
    elif damage == "unsigned":
        (folder / "manifest.sig").unlink()
    else:
        public, _ = create_keys(tmp_path / "other.pem")
        settings = settings.model_copy(update={"trusted_keys": (public,)})
    version, passed_over = opened(settings)
    assert version != "1.5.0"
    assert len(passed_over) == 1


def test_another_bundle_in_its_place_is_not_used_although_it_is_signed(settings, made):
    folder = install(made("1.5.0", name="another"), settings, untried).bundle.folder
    place = settings.store / NAME
    shutil.move(folder.parent, place)
    version, passed_over = opened(settings)
    assert version != "1.5.0"
    assert passed_over[0].endswith(f"is another, expected {NAME}")


def test_nothing_stands_in_for_a_bundle_that_is_named_by_its_path(settings, made):
    folder = made("1.5.0", wrong=True)
    with pytest.raises(BundleError, match="self-test failed"):
        opened(settings.model_copy(update={"bundle": str(folder)}))


def test_a_broken_detector_gives_way_too(settings, tmp_path):
    copy = shutil.copytree(shared("models") / "mtcnn", tmp_path / "copy")
    write_signature(copy, read_private_key(tmp_path / "signing.pem"))
    folder = install(copy, settings, untried).bundle.folder
    with Engine(settings, Vision()) as engine:
        assert engine.networks["pnet"].parent == folder
    (folder / "pnet.onnx").write_bytes(b"x")
    with Engine(settings, Vision()) as engine:
        assert engine.networks["pnet"].parent == shared("models") / "mtcnn"
        assert "was altered" in engine.passed_over[0]


def test_a_terminal_reopens_what_it_opened_whatever_is_installed_meanwhile(settings, made):
    engine = Engine(settings, Vision())
    engine.open()
    before = engine.identity
    engine.close()
    install(made("1.5.0"), settings, untried)
    engine.open()
    assert engine.identity == before
    assert engine.manifest.version != "1.5.0"
    engine.close()


def test_a_terminal_reopens_what_it_opened_although_it_was_rolled_back_and_replaced(settings, made):
    ran = install(made("1.5.0"), settings, untried).bundle
    engine = Engine(settings, Vision())
    engine.open()
    rollback(NAME, settings, untried)
    for version in "1.6.0", "1.7.0":
        install(made(version), settings, untried)
        engine.close()
        engine.open()
        assert engine.identity == ran.identity
    engine.close()
    del engine
    install(made("1.8.0"), settings, untried)
    assert not ran.folder.exists()


def test_a_door_starts_on_what_stands_in_and_says_so(
    settings, made, open_door: Callable[..., Door]
):
    install(made("1.6.0", wrong=True), settings, untried)
    model = {"store": str(settings.store), "trusted_keys": [str(settings.trusted_keys[0])]}
    door = open_door(model=model)
    wait(lambda: "self-test failed" in door.site.state.get("degraded", {}).get("model", ""))
    assert door.site.state["model"] == load_bundle(shared("models") / NAME).identity
    assert "stands in for it" in door.terminal.log
