"""The door on recorded webcam sessions: the enrolled come in on another day, nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.bench.webcam import run
from edged.config.schema import Decision, Model, Vision
from edged.service.engine import Engine
from edged.service.policy import make_policy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.data
@pytest.mark.slow
def test_everyone_enrolled_is_granted_on_another_day_and_no_stranger_is(data_dir: Path) -> None:
    with Engine(Model(), Vision()) as engine:
        told = run(engine, make_policy(Decision(), engine.manifest), data_dir)
    assert told["distractors"] >= 5_200
    assert len(told["enrolled"]) == 16
    for what, tally in told["enrolled"].items():
        assert tally["shown"] > 0, what
        assert tally["right"] == tally["shown"], (what, tally)
        assert tally["wrong"] == 0, (what, tally)
    for what, tally in told["strangers"].items():
        assert tally["shown"] > 0, what
        assert tally["wrong"] == 0, (what, tally)
