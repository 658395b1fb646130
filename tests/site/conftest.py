from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import PROGRAM
from tests.site.kit import Edged, Office

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def edged(capsys: pytest.CaptureFixture[str]) -> Edged:
    """The command, run in this process."""
    return Edged(capsys)


@pytest.fixture
def office(tmp_path: Path, edged: Edged) -> Office:
    """The site's side, with nothing in it yet."""
    folder = tmp_path / "office"
    folder.mkdir()
    return Office(folder, edged)


@pytest.fixture
def broker_program() -> str:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    return PROGRAM
