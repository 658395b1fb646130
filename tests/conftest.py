"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.certificates import Certificates, make_certificates
from tests.chromium import Chromium, chromium
from tests.mosquitto import PROGRAM, Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator


# No test asserts on time: a busy machine makes no property wrong.
settings.register_profile("edged", deadline=None)
settings.load_profile("edged")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of face images: $EDGED_DATA or ../shared/data."""
    named = os.environ.get("EDGED_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no face images: {folder} is missing (set EDGED_DATA)")
    return folder


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A fresh authority with a server certificate for 127.0.0.1 and a client certificate."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def chrome() -> Iterator[Chromium]:
    """A real browser without a window."""
    with chromium() as browser:
        yield browser


def _running(broker: Mosquitto) -> Iterator[Mosquitto]:
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A plain broker: `.port` on 127.0.0.1, `.kill()`, `.start()` again."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    yield from _running(Mosquitto(tmp_path_factory.mktemp("mosquitto")))


@pytest.fixture
def mosquitto_tls(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Mosquitto]:
    """A broker that speaks TLS and wants a client certificate."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    yield from _running(Mosquitto(tmp_path_factory.mktemp("mosquitto"), certificates))
