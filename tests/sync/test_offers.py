"""Who is enrolled at one terminal comes to the others by way of the site's log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edged.gallery.people import Enrolment
from edged.gallery.profile import Profile
from edged.sync.wire import join, split
from tests.sync.parties import MODEL, Site, Terminal, templates, vector

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site.db", "door-1", "door-2")
    site.enrol("ann")
    return site


@pytest.fixture
def door(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "door-1")


@pytest.fixture
def other(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "door-2", "door-2")


def offer(door: Terminal) -> bytes:
    """The next message on ``sync/offer``."""
    door.follower.tick(door.now_s)
    return next(message for kind, message in door.sent if kind == "offer")


def test_the_other_terminal_knows_who_was_enrolled_at_the_first(
    site: Site, door: Terminal, other: Terminal
) -> None:
    door.meet(site)
    door.enrol("eve", "eve", "eve2")
    door.go_on(site)
    other.meet(site)
    assert "eve" in other.people
    assert len(other.gallery.kept("eve", MODEL)) == 2
    assert other.index.search(vector("eve"), 1).candidates[0].person_id == "eve"
    assert door.follower.status["offered"] == 0


def test_who_was_enrolled_without_a_link_is_offered_after_a_restart(
    site: Site, door: Terminal
) -> None:
    door.enrol("eve", "eve")
    door.stop().start()
    door.meet(site)
    assert site.journal.person("eve") is not None


def test_an_offer_that_got_lost_is_made_again(site: Site, door: Terminal) -> None:
    door.meet(site)
    door.enrol("eve", "eve")
    door.follower.tick(door.now_s)
    door.sent.clear()  # nobody heard it
    assert door.follower.status["offered"] == 1
    door.now_s = door.follower.due_s()
    door.go_on(site)
    assert door.follower.status["offered"] == 0
    assert site.journal.person("eve") is not None


def test_what_is_offered_twice_makes_one_revision(site: Site, door: Terminal) -> None:
    door.meet(site)
    door.enrol("eve", "eve")
    message = offer(door)
    assert site.take_offer("door-1", message) == 2
    assert site.take_offer("door-1", message) is None
    assert site.revision == 2


def test_new_templates_of_a_known_person_join_those_of_the_site(site: Site, door: Terminal) -> None:
    door.meet(site)
    door.enrol("ann", "ann2")
    door.go_on(site)
    person = site.journal.person("ann")
    assert person is not None
    assert person.templates is not None
    assert len(person.templates[MODEL]) == 2
    assert door.follower.status["offered"] == 0


def test_a_person_keeps_a_bounded_number_of_templates_at_the_site(
    site: Site, door: Terminal
) -> None:
    site.upsert("ann", templates(1, 2, 3, 4, 5), Profile())
    door.meet(site)
    door.enrol("ann", 6, 7)
    door.go_on(site)
    person = site.journal.person("ann")
    assert person is not None
    assert person.templates is not None
    assert len(person.templates[MODEL]) == 5
    assert door.follower.status["offered"] == 0


def test_photos_are_not_offered(site: Site, door: Terminal) -> None:
    door.gallery.add_many([Enrolment("pat", vector("pat"), MODEL, 0.9, "photo")], limit=5)
    door.stop().start().meet(site)
    assert site.journal.person("pat") is None


def test_nobody_is_offered_unless_the_installer_wants_it(site: Site, tmp_path: Path) -> None:
    quiet = Terminal(tmp_path / "quiet", shares=False)
    quiet.enrol("eve", "eve")
    quiet.stop().start().meet(site)
    assert site.journal.person("eve") is None


def test_who_was_erased_here_is_not_offered_any_more(site: Site, door: Terminal) -> None:
    door.enrol("eve", "eve")
    door.gallery.remove("eve")
    door.meet(site)
    assert site.journal.person("eve") is None
    assert door.follower.status["offered"] == 0


def test_whom_the_site_removed_is_not_brought_back_by_an_old_offer(
    site: Site, door: Terminal
) -> None:
    door.meet(site)
    door.enrol("eve", "eve")
    message = offer(door)
    door.go_on(site)
    site.remove("eve")
    assert site.take_offer("door-1", message) is None
    assert site.journal.person("eve") is None
    site.compact(keep=0)
    assert site.take_offer("door-1", message) is None


def test_what_the_site_put_right_is_not_undone_by_an_old_offer(site: Site, door: Terminal) -> None:
    door.meet(site)
    door.enrol("eve", "mallory")
    message = offer(door)
    door.go_on(site)
    assert door.who("mallory") == "eve"
    site.enrol("eve")  # with her own face
    assert site.take_offer("door-1", message) is None  # by whoever owns the broker
    door.meet(site)
    assert door.who("mallory") is None
    assert door.who("eve") == "eve"


def test_two_terminals_that_enrol_one_person_at_once_are_both_heard(
    site: Site, door: Terminal, other: Terminal
) -> None:
    door.meet(site)
    other.meet(site)
    door.enrol("eve", "eve")
    other.enrol("eve", "eve2")
    for terminal in (door, other, door, other):
        terminal.now_s += 60
        terminal.meet(site)
    for terminal in (door, other):
        assert len(terminal.gallery.kept("eve", MODEL)) == 2
        assert terminal.follower.status["offered"] == 0


def test_an_offer_shows_nothing_of_the_person(site: Site, door: Terminal) -> None:
    door.meet(site)
    door.enrol("canary-id", "eve")
    assert b"canary" not in offer(door)


def test_a_forged_or_misplaced_offer_is_not_taken(
    site: Site, door: Terminal, other: Terminal
) -> None:
    door.meet(site)
    door.enrol("eve", "eve")
    message = offer(door)
    line, sealed = split(message)
    payload = json.dumps({"sync": "offer"}).encode()
    for forged in (
        b"",
        b"\n",
        payload,
        message[:-1],
        message + b"x",
        join(b"a.b.c", sealed),
        join(line[:-6] + b"AAAAAA", sealed),
        join(other.identity.sign({"sync": "offer"}, "edged-offer"), sealed),
        join(door.identity.sign({"sync": "offer"}, "edged-offer"), sealed),
        join(door.identity.sign({"sync": "offer"}, "edged-receipt"), sealed),
    ):
        assert site.take_offer("door-1", forged) is None
    assert site.take_offer("door-2", message) is None
    assert site.take_offer("door-9", message) is None
    assert site.revision == 1
    assert site.take_offer("door-1", message) == 2


def test_a_site_without_the_offers_key_takes_none(door: Terminal, tmp_path: Path) -> None:
    deaf = Site(tmp_path / "deaf.db", "door-1", opens_offers=None)
    deaf.enrol("ann")
    door.meet(deaf)
    door.enrol("eve", "eve")
    assert deaf.take_offer("door-1", offer(door)) is None


def test_a_first_offer_goes_into_an_empty_log(door: Terminal, tmp_path: Path) -> None:
    empty = Site(tmp_path / "empty.db", "door-1")
    door.enrol("eve", "eve")
    door.meet(empty)
    assert empty.journal.person("eve") is not None
    assert door.held == 1
