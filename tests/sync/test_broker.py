"""Two terminals and a site on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edged.gallery.people import Enrolment
from edged.gallery.profile import Profile
from edged.sync.entries import Entry
from edged.sync.wire import LARGEST_MESSAGE
from tests.mqtt.conftest import Site as Stranger
from tests.sync.broker import Door, linked
from tests.sync.parties import MODEL, Site, templates, vector
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto


@pytest.fixture
def doors(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Callable[..., Door]]:
    made: list[Door] = []

    def make(name: str, **options: Any) -> Door:
        made.append(Door(tmp_path / name, name, mosquitto.port, **options))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Site]:
    log = Site(tmp_path / "site.db", "door-1", "door-2")
    yield log
    log.close()


def test_two_terminals_follow_one_site(
    log: Site, doors: Callable[..., Door], mosquitto: Mosquitto
) -> None:
    log.enrol("ann", "bob")
    with linked(log, mosquitto) as site:
        one, other = doors("door-1"), doors("door-2", protocol="3.1.1")
        for door in (one, other):
            door.holds(2)
            assert door.who("ann") == "ann"
        log.remove("ann")
        log.enrol("cyd")
        site.announce()
        for door in (one, other):
            door.holds(4)
            assert door.people == ["bob", "cyd"]
            assert door.who("ann") is None
            assert door.erased == ["ann"]


def test_who_is_enrolled_at_one_terminal_is_known_at_the_other(
    log: Site, doors: Callable[..., Door], mosquitto: Mosquitto
) -> None:
    with linked(log, mosquitto):
        one, other = doors("door-1"), doors("door-2")
        one.holds(0)
        views = [Enrolment("eve", vector("eve"), MODEL, 0.9, "terminal")]
        one.gallery.add_many(views, limit=5)
        one.follow.recorded("enrol.completed", {"person_id": "eve"})
        other.holds(1)
        assert other.who("eve") == "eve"
        one.holds(1)
        until(lambda: one.site["offered"] == 0)


def test_a_terminal_that_was_away_for_weeks_takes_a_snapshot_of_2000_people(
    log: Site, doors: Callable[..., Door], mosquitto: Mosquitto
) -> None:
    log.enrol("ann")
    with linked(log, mosquitto):
        doors("door-1").holds(1).close()
    log.append([Entry(0, f"p{n}", Profile(), templates(n)) for n in range(2000)])
    log.remove("ann")
    log.compact(keep=0)
    door = doors("door-1")
    with linked(log, mosquitto):
        door.holds(2002)
    assert len(door.index) == 2000
    assert door.erased == ["ann"]


def test_a_search_is_answered_all_the_while_a_snapshot_is_taken(
    log: Site, doors: Callable[..., Door], mosquitto: Mosquitto
) -> None:
    log.enrol("ann")
    with linked(log, mosquitto) as site:
        door = doors("door-1").holds(1)
        door.link.close()
        log.append([Entry(0, f"p{n}", Profile(), templates(n)) for n in range(1000)])
        log.compact(keep=0)
        site.announce()
        door.link.open()
        searches = 0

        def taken() -> bool:
            nonlocal searches
            assert door.who("ann") == "ann"
            searches += 1
            return door.site.get("revision") == 1001

        until(taken)
    assert searches > 10


def test_a_snapshot_survives_the_broker_the_site_and_the_terminal(
    log: Site, doors: Callable[..., Door], mosquitto: Mosquitto
) -> None:
    log.append([Entry(0, f"p{n}", Profile(), templates(n)) for n in range(1200)])
    log.make_snapshot(50)
    log.compact(keep=0)
    door = doors("door-1")
    with linked(log, mosquitto):
        until(lambda: len(door.index) > 0)
        mosquitto.kill()
        until(lambda: not door.link.status().connected)
        mosquitto.start()
    until(lambda: door.link.status().connected)
    door.close()
    there = len(door.index)
    with linked(log, mosquitto):
        again = doors("door-1")
        assert len(again.index) >= there
        again.holds(1200)
    assert len(again.index) == 1200


def test_garbage_on_its_topics_disturbs_nobody(
    log: Site,
    doors: Callable[..., Door],
    mosquitto: Mosquitto,
    make_stranger: Callable[[], Stranger],
) -> None:
    stranger = make_stranger()
    log.enrol("ann")
    with linked(log, mosquitto) as site:
        door = doors("door-1").holds(1)
        noise = np.random.default_rng(1).bytes(LARGEST_MESSAGE)
        for kind in ("head", "batch", "chunk", "pull", "offer", "nonsense"):
            for garbage in (b"", b"{}", noise, noise + noise[:5000], b"\n" * 1000):
                stranger.client.publish(f"edged/hq/door-1/sync/{kind}", garbage, qos=1)
        log.enrol("bob")
        site.announce()
        door.holds(2)
    assert door.people == ["ann", "bob"]
    assert door.state.degraded == {}


@pytest.fixture
def make_stranger(mosquitto: Mosquitto) -> Iterator[Callable[[], Stranger]]:
    made: list[Stranger] = []

    def make() -> Stranger:
        made.append(Stranger(mosquitto.port))
        return made[-1]

    yield make
    for stranger in made:
        stranger.close()


def test_garbage_that_comes_after_it_does_not_take_the_place_of_what_the_site_says(
    log: Site, doors: Callable[..., Door]
) -> None:
    log.enrol("ann")
    door = doors("door-1")
    with door.follow._news:  # everything below is there before the first is looked at
        door.follow.heard("head", log.head("door-1"))
        for _ in range(10):
            door.follow.heard("head", b"garbage")
            door.follow.heard("head", bytes(LARGEST_MESSAGE))
    until(lambda: door.site.get("behind") == 1)
