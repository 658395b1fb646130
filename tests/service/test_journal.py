from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from edged.events.outbox import Outbox
from edged.service.journal import Journal
from edged.service.state import State
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(range(32))), 1000)
    yield outbox
    outbox.close()


def test_an_event_is_on_the_disk_when_it_was_recorded(outbox: Outbox) -> None:
    outbox.open()
    event = Journal(outbox, State()).record("door.unlocked", cause="parcel")
    assert event is not None
    assert outbox.pending() == [event]
    assert event.data == {"cause": "parcel"}


def test_a_store_that_refuses_is_reported_once_and_once_when_it_is_back(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    state = State()
    journal = Journal(outbox, state)  # not open: every write fails
    assert journal.record("a.b") is None
    assert journal.record("a.b") is None
    assert "not open" in state.degraded["events"]
    outbox.open()
    assert journal.record("a.b") is not None
    assert journal.record("a.b") is not None
    assert state.degraded == {}
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
