"""A small bundle on disk, written anew for each test, and the means to spoil it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.runtime.networks import Networks

if TYPE_CHECKING:
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
            if path.name != "manifest.yaml"
        }
        self.write()

    def write(self) -> None:
        text = yaml.safe_dump(self.data, sort_keys=False)
        (self.folder / "manifest.yaml").write_text(text, encoding="utf-8")

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
    folder = tmp_path / "tiny"
    folder.mkdir()
    Networks(folder).recogniser()
    (folder / "README.md").write_text("# tiny\n")
    return Written(folder, recogniser())


@pytest.fixture
def written_detector(tmp_path: Path) -> Written:
    folder = tmp_path / "finder"
    folder.mkdir()
    for stage in ("pnet", "rnet", "onet"):
        (folder / f"{stage}.onnx").write_bytes(stage.encode())
    return Written(folder, detector())
