"""``edged clock`` says what is believed of the time, and puts a wrong mark right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.events.trusted import MARK, Mark, write_mark
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.events.outbox import Outbox
    from tests.cli.conftest import Ran, Site

YEAR = 365 * 86_400.0


@pytest.fixture
def outbox(site: Site) -> Iterator[Outbox]:
    config = load(site.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    yield outbox
    outbox.close()


def test_what_is_believed_is_said(outbox: Outbox, site: Site, edged: Callable[..., Ran]) -> None:
    ran = edged("clock", "show", "-c", site.config)
    assert ran.code == 0
    assert any(line.startswith("believed: ") for line in ran.out.splitlines())
    told = edged("clock", "show", "-c", site.config, "--json").json
    assert told["source"] in ("ntp", "holdover", "rtc", "unknown")
    assert told["synced"] == (told["source"] in ("ntp", "holdover"))
    assert outbox.note(MARK) is None  # looking changes nothing
    assert outbox.head.seq == 0


def test_a_mark_in_the_future_is_told_and_can_be_forgotten(
    outbox: Outbox, site: Site, edged: Callable[..., Ran]
) -> None:
    outbox.keep_note(MARK, write_mark(Mark(time.time() + YEAR, 1.0, "another boot")))
    told = edged("clock", "show", "-c", site.config, "--json").json
    assert told["source"] == "unknown"
    assert "edged clock reset" in told["problem"]
    assert edged("clock", "reset", "-c", site.config).code == 0
    assert outbox.note(MARK) is None
    (event,) = outbox.pending()
    assert event.type == "clock.reset"
    assert event.data["from"] > event.data["to"]
    assert event.data["source"] == "unknown"
    assert edged("clock", "show", "-c", site.config, "--json").json["problem"] is None


def test_a_damaged_mark_is_told_and_can_be_forgotten(
    outbox: Outbox, site: Site, edged: Callable[..., Ran]
) -> None:
    outbox.keep_note(MARK, "garbage")
    assert edged("clock", "reset", "-c", site.config).code == 0
    assert outbox.note(MARK) is None


def test_without_a_log_nothing_is_made(site: Site, edged: Callable[..., Ran]) -> None:
    for action in ("show", "reset"):
        ran = edged("clock", action, "-c", site.config)
        assert ran.code == 1
        assert "does not exist" in ran.err
    assert not (site.folder / "events.db").exists()
