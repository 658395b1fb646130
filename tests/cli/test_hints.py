"""``edged hints``: which instructions help at this door."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from edged.config.load import load
from edged.decision.hints import Hint
from edged.decision.presentation import Summary
from edged.history.store import DAY_S, History, history_path
from edged.types import Instruction
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Ran, Site

DARK, FAR = Instruction.MORE_LIGHT, Instruction.COME_CLOSER


@pytest.fixture
def history(site: Site) -> Iterator[History]:
    """The file of a terminal that is running: it stays open."""
    config = load(site.config)
    history = History(history_path(config), load_key(config.key), config.history.keep_days)
    history.open()
    yield history
    history.close()


def shown(history: History, ended: str, *hints: Hint, days_ago: float = 0.0) -> None:
    summary = Summary(ended, 2.0, 20, 5, 0.8, {}, hints)
    history.note(summary, time.time() - days_ago * DAY_S)
    history.flush()


def test_each_hint_is_told_with_what_followed_beside_the_running_terminal(
    site: Site, history: History, edged: Callable[..., Ran]
) -> None:
    shown(history, "granted", Hint(FAR, 0.4, 0.0, 0.8))
    shown(history, "granted")
    for _ in range(20):
        shown(history, "left", Hint(DARK, 0.4, 0.2, 0.2))
    ran = edged("hints", "-c", site.config)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("22 presentations in the last 28 days")
    assert lines[2].split() == ["more_light", "20", "0%", "(0%-16%)", "+0.00", "0%", "(0%-16%)"]
    assert lines[3].split()[:4] == ["come_closer", "1", "100%", "(21%-100%)"]
    assert lines[4].split() == ["(none)", "1", "100%", "(21%-100%)"]
    assert lines[5].startswith("more_light does not help here")
    document = edged("hints", "-c", site.config, "--json").json
    assert [hint["code"] for hint in document["hints"]] == ["more_light", "come_closer"]
    assert document["hints"][1]["median_gain"] == 0.8
    assert document["hints"][0]["quality_rose"]["of"] == 20
    assert document["granted_without_hint"]["share"] == 1.0
    assert len(document["advice"]) == 1


def test_only_the_days_that_are_asked_for_count(
    site: Site, history: History, edged: Callable[..., Ran]
) -> None:
    shown(history, "left", Hint(DARK, 0.4, 0.2, None), days_ago=3)
    assert edged("hints", "-c", site.config, "--days", 2, "--json").json["presentations"] == 0
    document = edged("hints", "-c", site.config, "--days", 4, "--json").json
    assert (document["presentations"], document["hints"][0]["median_gain"]) == (1, None)
    assert "more_light" in edged("hints", "-c", site.config, "--days", 4).out


def test_a_terminal_that_has_not_run_has_nothing_to_tell_and_nothing_is_made(
    site: Site, edged: Callable[..., Ran]
) -> None:
    before = sorted(path.name for path in site.folder.iterdir())
    ran = edged("hints", "-c", site.config)
    assert (ran.code, ran.out) == (0, "nobody was at the door in the last 28 days\n")
    assert sorted(path.name for path in site.folder.iterdir()) == before


def test_an_empty_file_is_no_fault(site: Site, history: History, edged: Callable[..., Ran]) -> None:
    document = edged("hints", "-c", site.config, "--json").json
    assert (document["presentations"], document["hints"], document["advice"]) == (0, [], [])


@pytest.mark.parametrize("days", ["0", "-1", "a week"])
def test_a_number_of_days_that_is_none_is_refused(
    site: Site, edged: Callable[..., Ran], days: str
) -> None:
    assert edged("hints", "-c", site.config, "--days", days).code == 2


def test_a_damaged_file_is_told(site: Site, edged: Callable[..., Ran]) -> None:
    (site.folder / "history.db").write_bytes(b"\0" * 4096)
    ran = edged("hints", "-c", site.config)
    assert ran.code != 0
    assert "history.db" in ran.err


def test_a_number_of_days_beyond_all_measure_is_refused(
    site: Site, edged: Callable[..., Ran]
) -> None:
    ran = edged("hints", "-c", site.config, "--days", "9" * 400)
    assert (ran.code, "expected a whole number from 1" in ran.err) == (2, True)
