"""The wheel is all that a terminal gets: everything is in it, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import edged

ROOT = Path(__file__).parents[2]
SHIPPED = {
    "edged/py.typed",
    "edged/demo/astronaut.jpg",
    "edged/share/NOTICE",
    "edged/share/config/example.yaml",
    "edged/share/systemd/edged.service",
    "edged/share/systemd/edged.sysusers",
    "edged/share/systemd/edged.tmpfiles",
    "edged/share/systemd/edged.udev",
    "edged/share/systemd/edged-jetson.conf",
    "edged/share/systemd/edged-readers.conf",
    "edged/share/systemd/edged-as-service",
    "edged/share/models/mobilefacenet-rts/manifest.yaml",
    "edged/share/models/mobilefacenet-rts/model.onnx",
    "edged/share/models/mobilefacenet-rts/MODEL_CARD.md",
    "edged/share/models/mtcnn/manifest.yaml",
    "edged/share/models/mtcnn/pnet.onnx",
    "edged/share/models/mtcnn/rnet.onnx",
    "edged/share/models/mtcnn/onet.onnx",
}
EXTRAS = {"openvino", "onnxruntime", "gpio", "picamera", "web", "demo", "train", "dev"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def unpacked(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    wheel.extractall(folder)
    return folder


def run(unpacked: Path, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Runs `edged` from the wheel alone, far from the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "edged", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_everything_that_a_terminal_needs_is_in_it(wheel: zipfile.ZipFile) -> None:
    assert set(wheel.namelist()) >= SHIPPED


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        top = name.split("/")[0]
        assert top in ("edged", f"edged-{edged.__version__}.dist-info"), name
        assert not {"tests", "training", "data", ".cache", "__pycache__"} & set(name.split("/"))
        if name.endswith((".jpg", ".png", ".db", ".key")):
            assert name == "edged/demo/astronaut.jpg"
    modules = {name for name in wheel.namelist() if name.endswith(".py")}
    assert modules == {str(path.relative_to(ROOT)) for path in (ROOT / "edged").rglob("*.py")}


def test_it_is_small_enough_for_a_slow_line(wheel: zipfile.ZipFile) -> None:
    assert sum(entry.compress_size for entry in wheel.infolist()) < 8_000_000


def test_the_metadata_name_licence_and_extras(wheel: zipfile.ZipFile) -> None:
    name = f"edged-{edged.__version__}.dist-info"
    told = Parser().parsestr(wheel.read(f"{name}/METADATA").decode())
    assert (told["Name"], told["Version"]) == ("edged", edged.__version__)
    assert told["License-Expression"] == "Apache-2.0"
    assert set(told.get_all("License-File")) == {"LICENSE", "NOTICE"}
    assert set(told.get_all("Provides-Extra")) >= EXTRAS
    assert told["Requires-Python"] == ">=3.11"
    needed = [line for line in told.get_all("Requires-Dist") if "extra ==" not in line]
    assert not any("openvino" in line or "onnxruntime" in line for line in needed)
    entry = wheel.read(f"{name}/entry_points.txt").decode()
    assert "edged = edged.cli.main:entry_point" in entry


def test_it_works_without_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    assert run(unpacked, tmp_path, "--version").stdout == f"edged {edged.__version__}\n"
    verified = run(unpacked, tmp_path, "model", "verify", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    told = json.loads(run(unpacked, tmp_path, "model", "info", "--json").stdout)
    assert told["folder"] == str(unpacked / "edged" / "share" / "models" / "mobilefacenet-rts")
    portrait = unpacked / "edged" / "demo" / "astronaut.jpg"
    assert run(unpacked, tmp_path, "extract", str(portrait)).returncode == 0
    assert list(tmp_path.iterdir()) == []  # nothing is dropped where it is called
