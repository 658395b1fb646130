"""Real recordings, written for the test that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edged.camera.quiet import quiet

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 64, 48


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A plain image whose grey level tells its number, dark on the left."""
    image = np.full((height, width, 3), 40 + 20 * number, np.uint8)
    image[:, : width // 2] = 0
    return image


def number_of(image: np.ndarray) -> int:
    """Which picture this is, after whatever a codec did to it."""
    return round((float(image[:, -8:].mean()) - 40) / 20)


def write_images(folder: Path, count: int = 5) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"frame{number}.png"), picture(number))
    return folder


def write_video(path: Path, count: int = 5) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(count):
        writer.write(picture(number))
    writer.release()
    return path


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.avi")
