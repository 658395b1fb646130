"""What the tests of the runtimes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.errors import RuntimeFault
from edged.runtime.table import RUNTIMES
from tests.runtime.networks import Networks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=list(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    """Each runtime that edged knows; skipped where it is not installed."""
    name = str(request.param)
    try:
        RUNTIMES[name].version()
    except RuntimeFault:
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def networks(tmp_path: Path) -> Networks:
    return Networks(tmp_path)
