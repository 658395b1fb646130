"""A small bundle on disk, written anew for each test, and the means to spoil it."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from edged.bundle.load import load_bundle
from edged.bundle.network import open_network
from edged.bundle.selftest import SelfTest, make
from edged.bundle.sign import create_keys, read_private_key, write_signature
from edged.config.schema import Model
from edged.vision.embed import Embedder
from tests.runtime.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MISSING = object()


def recogniser() -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "recogniser",
        "name": "tiny",
        "version": "1.2.3",
        "input": {
            "name": "image",
            "width_px": 16,
            "height_px": 16,
            "colour": "rgb",
            "mean": 127.5,
            "scale": 0.0078125,
        },
        "alignment": {"landmarks": [[5, 6], [11, 6], [8, 9], [6, 12], [10, 12]]},
        "outputs": {
            "embedding": {"name": "embedding", "size": 8},
            "log_variance": {"name": "log_variance"},
        },
        "quality": {
            "method": "logistic",
            "midpoint": -1.0,
            "slope": 2.0,
            "meaning": "how likely a genuine comparison with this view passes",
            "levels": {"excellent": 0.85, "good": 0.65, "fair": 0.4},
            "minimum": {"attendance": 0.4, "access": 0.5, "high_security": 0.65},
        },
        "similarity": {
            "verification": {"same": 0.45, "different": 0.35},
            "false_match": [
                {"fmr": 1.0e-2, "similarity": 0.3, "basis": "measured"},
                {"fmr": 1.0e-3, "similarity": 0.4, "basis": "measured"},
                {"fmr": 1.0e-6, "similarity": 0.6, "basis": "extrapolated"},
            ],
        },
        "calibration": {
            "data": "none",
            "people": 0,
            "images": 0,
            "impostor_comparisons": 0,
            "genuine_comparisons": 0,
            "split": "by person",
        },
        "training": {"data": "none", "people": 0, "images": 0, "recipe": "drawn", "seed": 11},
        "network": "model.onnx",
        "files": {},
        "licences": [{"part": "all", "licence": "Apache-2.0", "source": "these tests"}],
        "provenance": [{"part": "all", "source": "these tests", "sha256": "0" * 64}],
    }


def detector() -> dict[str, Any]:
    kept = {"schema", "name", "version", "files", "licences", "provenance"}
    return {key: value for key, value in recogniser().items() if key in kept} | {
        "kind": "detector",
        "networks": {"pnet": "pnet.onnx", "rnet": "rnet.onnx", "onet": "onet.onnx"},
    }


class Written:
    """A bundle's folder, and its manifest as data that a test may change and write again."""

    def __init__(self, folder: Path, data: dict[str, Any]) -> None:
        self.folder = folder
        self.data = data
        self.digest_files()

    def digest_files(self) -> None:
        self.data["files"] = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.iterdir())
            if path.name not in {"manifest.yaml", "manifest.sig"}
        }
        self.write()

    def write(self) -> None:
        text = yaml.safe_dump(self.data, sort_keys=False)
        (self.folder / "manifest.yaml").write_text(text, encoding="utf-8")

    def sign(self, key: Path) -> Written:
        write_signature(self.folder, read_private_key(key))
        return self

    def add_selftest(self, change: Callable[[SelfTest], SelfTest] = lambda test: test) -> Written:
        """Let the network say what it gives for three chips; `change` may spoil that."""
        bundle = load_bundle(self.folder)
        runner = open_network(bundle, Model())
        chips = np.random.default_rng(5).integers(0, 256, (3, 16, 16, 3), np.uint8)
        test = make(list(chips), Embedder(bundle.recogniser, runner).embed)
        runner.close()
        change(test).save(self.folder / "selftest.npz")
        self.data["selftest"] = "selftest.npz"
        self.digest_files()
        return self

    def set(self, field: str, value: Any) -> None:
        """Change "quality.slope", add a field that nobody knows, or take one away."""
        *path, last = [int(step) if step.isdigit() else step for step in field.split(".")]
        place: Any = self.data
        for step in path:
            place = place[step]
        if value is MISSING:
            del place[last]
        else:
            place[last] = value
        self.write()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A recogniser with a real network of a few thousand weights."""
    return write_recogniser(tmp_path / "tiny")


def write_recogniser(folder: Path) -> Written:
    folder.mkdir()
    Networks(folder).recogniser()
    (folder / "README.md").write_text("# tiny\n")
    return Written(folder, recogniser())


@pytest.fixture
def newer(written: Written, tmp_path: Path) -> Written:
    """The next version of `written`, with another network."""
    made = Written(shutil.copytree(written.folder, tmp_path / "newer"), recogniser())
    made.data["version"] = "1.3.0"
    network = made.folder / "model.onnx"
    network.write_bytes(network.read_bytes() + b"\x7a\x00")  # an empty field that ONNX ignores
    made.digest_files()
    return made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key; its public key lies beside it in a file with .pub at the end."""
    create_keys(tmp_path / "signing.pem")
    return tmp_path / "signing.pem"


@pytest.fixture
def settings(tmp_path: Path, key: Path) -> Model:
    """A store of its own, and trust in `key`."""
    return Model(store=tmp_path / "store", trusted_keys=(key.with_name("signing.pem.pub"),))


@pytest.fixture
def written_detector(tmp_path: Path) -> Written:
    folder = tmp_path / "finder"
    folder.mkdir()
    for stage in ("pnet", "rnet", "onet"):
        (folder / f"{stage}.onnx").write_bytes(stage.encode())
    return Written(folder, detector())
