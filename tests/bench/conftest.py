"""The networks, and the first photo of everybody, embedded once for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.bench.webcam import distractors as first_photos
from edged.config.schema import Decision, Model, Vision
from edged.service.engine import Engine
from edged.service.policy import make_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.decision.policy import Policy
    from edged.gallery.people import Enrolment


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine(Model(), Vision()) as engine:
        yield engine


@pytest.fixture(scope="session")
def policy(engine: Engine) -> Policy:
    return make_policy(Decision(), engine.manifest)


@pytest.fixture(scope="session")
def distractors(engine: Engine, data_dir: Path) -> list[Enrolment]:
    return list(first_photos(engine, data_dir / "lfw-train"))
