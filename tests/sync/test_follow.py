from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sync.parties import Site, Terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site.db", "door-1", "door-2")


@pytest.fixture
def door(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "door-1")


def test_a_new_terminal_catches_up_from_nothing(site: Site, door: Terminal) -> None:
    site.enrol("ann", "bob", "cyd")
    door.meet(site)
    assert door.people == ["ann", "bob", "cyd"]
    assert door.who("bob") == "bob"
    assert door.held == site.revision == 3
    assert door.follower.status["behind"] == 0


def test_a_terminal_goes_on_where_it_was(site: Site, door: Terminal) -> None:
    site.enrol("ann", "bob")
    door.meet(site).stop().start()
    site.remove("ann")
    site.enrol("cyd")
    door.meet(site)
    assert door.people == ["bob", "cyd"]
    assert door.who("ann") is None


def test_after_weeks_offline_a_snapshot_brings_everybody(site: Site, door: Terminal) -> None:
    site.enrol("ann", "bob")
    door.meet(site)
    site.remove("ann")
    site.enrol(*(f"p{number}" for number in range(50)))
    site.make_snapshot(7)
    site.compact(keep=3)
    door.meet(site)
    assert len(door.people) == 51
    assert "ann" not in door.people
    assert door.held == site.revision
    assert "snapshot" not in door.follower.status
