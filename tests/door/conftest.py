from __future__ import annotations

import sys
from typing import Any

import pytest

from edged.config.schema import GpioDoor, SimulatedDoor
from tests.door.fake_gpiod import Board


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board()
    module = board.module()
    monkeypatch.setitem(sys.modules, "gpiod", module)
    monkeypatch.setitem(sys.modules, "gpiod.line", module.line)
    return board


@pytest.fixture(params=["simulated", "gpio"])
def door_settings(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    if request.param == "simulated":
        return SimulatedDoor(driver="simulated", record=tmp_path / "door.jsonl")
    request.getfixturevalue("board")
    return GpioDoor(driver="gpio", line=17)
