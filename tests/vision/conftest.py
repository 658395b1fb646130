"""The shipped networks, opened once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest

from edged.config.schema import Model
from edged.config.schema import Vision as Limits
from edged.demo import scenes
from edged.errors import RuntimeFault
from edged.service.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.types import Image


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The shipped bundles with default settings."""
    with Engine(Model(), Limits()) as opened:
        yield opened


@pytest.fixture(scope="session")
def both() -> Iterator[tuple[Engine, Engine]]:
    """The same bundles on either runtime."""
    engines = [Engine(Model(runtime=name), Limits()) for name in ("openvino", "onnxruntime")]
    try:
        for one in engines:
            one.open()
    except RuntimeFault as fault:
        pytest.skip(f"needs both runtimes: {fault}")
    yield engines[0], engines[1]
    for one in engines:
        one.close()


@pytest.fixture(scope="session")
def portrait() -> Image:
    return cv2.imread(str(Path(scenes.__file__).parent / "astronaut.jpg"))
