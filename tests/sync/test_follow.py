"""What a terminal holds after it followed its site, however it got there."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.gallery.people import Enrolment
from edged.gallery.profile import Profile
from edged.sync.entries import Entry
from edged.sync.progress import FACT
from tests.sync.parties import (
    MODEL,
    SITE_KEY,
    Site,
    Terminal,
    template,
    templates,
    unsigned,
    vector,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site.db", "door-1", "door-2")


@pytest.fixture
def door(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "door-1")


def many(number: int, start: int = 0) -> list[str]:
    return [f"p{start + place:04}" for place in range(number)]


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
    assert [one.person_id for one in door.erased] == ["ann"]


def test_a_profile_travels_with_the_person(site: Site, door: Terminal) -> None:
    profile = Profile(name="Ann", groups=("staff",), valid_until=4e9, retention_days=3)
    site.upsert("ann", templates("ann"), profile)
    door.meet(site)
    assert door.gallery.profile("ann") == profile


def test_templates_of_several_models_arrive_each_under_its_own(site: Site, door: Terminal) -> None:
    other = "next@2.0.0#11111111"
    site.upsert("ann", {**templates("ann", "bob"), other: [template("ann", 8)]}, Profile())
    door.meet(site)
    assert len(door.gallery.kept("ann", MODEL)) == 2
    assert len(door.gallery.kept("ann", other)[0].embedding) == 8
    assert door.who("ann") is None  # the one row is made of both
    assert len(door.index) == 1


def test_an_upsert_replaces_all_that_was_known(site: Site, door: Terminal) -> None:
    site.upsert("ann", templates("ann", "bob"), Profile(name="Ann"))
    door.meet(site)
    site.upsert("ann", templates("cyd"), Profile())
    door.meet(site)
    assert door.who("cyd") == "ann"
    assert len(door.gallery.kept("ann", MODEL)) == 1
    assert door.gallery.name_of("ann") is None


def test_who_leaves_and_comes_back_in_one_batch_was_erased_in_between(
    site: Site, door: Terminal
) -> None:
    site.enrol("ann")
    door.meet(site)
    site.remove("ann")
    site.enrol("ann", "bob")
    door.meet(site)
    assert door.people == ["ann", "bob"]
    assert [one.person_id for one in door.erased] == ["ann"]


def test_a_long_log_comes_in_batches_that_a_message_holds(site: Site, door: Terminal) -> None:
    site.append([Entry(0, who, Profile(), templates(who)) for who in many(2100)])
    door.meet(site)
    assert len(door.people) == 2100


def test_a_batch_is_cut_where_a_message_would_be_too_large(site: Site, door: Terminal) -> None:
    large = {"wide@1.0.0#00000000": [template(number, 2048) for number in range(20)]}
    site.append([Entry(0, who, Profile(), large) for who in many(12)])
    door.meet(site)
    assert len(door.people) == 12


def test_after_weeks_offline_a_snapshot_brings_everybody(site: Site, door: Terminal) -> None:
    site.enrol("ann", "bob")
    door.meet(site)
    site.remove("ann")
    site.enrol(*many(50))
    site.make_snapshot(7)
    site.compact(keep=3)
    door.meet(site)
    assert door.people == ["bob", *many(50)]
    assert [one.person_id for one in door.erased] == ["ann"]
    assert door.held == site.revision
    assert "snapshot" not in door.follower.status


def test_a_snapshot_goes_on_at_the_next_chunk_after_a_restart(site: Site, door: Terminal) -> None:
    site.enrol(*many(60))
    site.make_snapshot(5)
    site.compact(keep=0)
    door.meet(site, most=6)
    there = len(door.people)
    assert 0 < there < 60
    taken = door.follower.status["snapshot"]["chunk"]
    door.stop().start()
    door.sent.clear()
    asked: list[int] = []
    door.follower.connected(door.now_s)
    while door.held < 60:
        door.follower.tick(door.now_s)
        _, message = door.sent.pop(0)
        if b'"chunk":' in message and b'"want":"chunk"' in message:
            asked.append(int(message.split(b'"chunk":')[1].split(b",")[0]))
        if answer := site.answer("door-1", message):
            door.hear(*answer)
    assert asked == list(range(taken, 12))
    assert len(door.people) == 60


def test_a_snapshot_of_nobody_takes_everybody_of_the_site(site: Site, door: Terminal) -> None:
    site.enrol("ann", "bob")
    door.meet(site)
    door.enrol("loc", "loc")
    site.remove("ann")
    site.remove("bob")
    site.compact(keep=0)
    door.follower._offers = None  # the site would take them over
    door.meet(site)
    assert door.people == ["loc"]


def test_changes_after_the_snapshot_come_from_the_log(site: Site, door: Terminal) -> None:
    site.enrol(*many(20))
    site.compact(keep=0)
    site.remove("p0003")
    site.enrol("zoe")
    door.meet(site)
    assert "p0003" not in door.people
    assert "zoe" in door.people
    assert door.held == 22


def test_a_site_that_is_set_up_anew_is_followed_by_a_snapshot(
    site: Site, door: Terminal, tmp_path: Path
) -> None:
    site.enrol("ann", "bob")
    door.meet(site)
    again = Site(tmp_path / "again.db", "door-1")
    again.renew()  # the same second as the first
    again.renew()
    again.enrol("bob", "cyd")
    door.meet(again)
    assert door.people == ["bob", "cyd"]
    assert door.held == 2
    assert door.follower.status["log"] != unsigned(site.head("door-1"))["log"]


def test_until_the_new_sites_snapshot_is_whole_the_old_people_stay(
    site: Site, door: Terminal, tmp_path: Path
) -> None:
    site.enrol("ann")
    door.meet(site)
    again = Site(tmp_path / "again.db", "door-1")
    again.renew()
    again.renew()
    again.enrol(*many(10))
    again.make_snapshot(2)
    door.meet(again, most=4)
    assert door.who("ann") == "ann"
    door.stop().start().meet(again)
    assert door.people == many(10)


def test_a_restored_site_begins_an_epoch_and_is_followed(
    site: Site, door: Terminal, tmp_path: Path
) -> None:
    site.enrol("ann")
    site.close()
    backup = (tmp_path / "site.db").read_bytes()
    site.open()
    site.enrol("bob", "cyd")
    door.meet(site)
    site.close()
    for leftover in tmp_path.glob("site.db*"):
        leftover.unlink()
    (tmp_path / "site.db").write_bytes(backup)
    site.open()
    door.meet(site)
    assert door.people == ["ann", "bob", "cyd"]  # an older log is not believed
    site.renew()
    door.meet(site)
    assert door.people == ["ann"]


def test_who_was_enrolled_here_stays_until_the_site_says_otherwise(
    site: Site, door: Terminal
) -> None:
    door.follower._offers = None
    door.enrol("loc", "loc")
    site.enrol("ann")
    site.compact(keep=0)
    door.meet(site)
    assert door.people == ["ann", "loc"]
    site.upsert("loc", templates("new"), Profile())
    door.meet(site)
    assert door.who("new") == "loc"
    assert door.who("loc") is None


def test_the_sites_last_revision_decides_over_what_was_added_here(
    site: Site, door: Terminal
) -> None:
    site.enrol("ann")
    door.meet(site)
    door.gallery.add_many([Enrolment("ann", vector("x"), MODEL, 0.9, "photo")], limit=5)
    site.remove("ann")
    door.meet(site)
    assert door.people == []


def test_people_and_the_revision_held_are_written_together(site: Site, door: Terminal) -> None:
    site.enrol("ann")
    door.meet(site)
    revision = door.gallery.revision
    site.enrol("bob")
    door.meet(site)
    assert door.gallery.revision == revision + 1
    assert '"held":2' in (door.gallery.fact(FACT) or "")


def test_two_terminals_hold_the_same(site: Site, tmp_path: Path) -> None:
    one, other = Terminal(tmp_path / "one"), Terminal(tmp_path / "two", "door-2")
    site.enrol(*many(5))
    one.meet(site)
    site.remove("p0002")
    site.compact(keep=0)
    one.meet(site)
    other.meet(site)
    assert one.people == other.people
    assert one.held == other.held


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_happens_in_between_a_terminal_ends_with_what_the_site_says(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    site, door = Site(folder / "site.db", "door-1"), Terminal(folder / "door", shares=False)
    enrolled: dict[str, str] = {}
    heard: list[tuple[str, bytes]] = []
    lottery = random.Random(data.draw(st.integers(0, 999)))
    names = st.sampled_from(["a", "b", "c", "d"])
    acts = ["upsert", "remove", "compact", "meet", "piece", "restart", "renew", "replay"]
    for act in data.draw(st.lists(st.sampled_from(acts), max_size=14)):
        who = data.draw(names)
        if act == "upsert":
            face = f"{who}{data.draw(st.integers(0, 3))}"
            site.upsert(who, templates(face), Profile())
            enrolled[who] = face
        elif act == "remove":
            site.remove(who)
            enrolled.pop(who, None)
        elif act == "compact":
            site.make_snapshot(1)
            site.compact(keep=lottery.randrange(3))
        elif act == "renew":
            site.renew()
        elif act == "restart":
            door.stop().start()
        elif act == "replay" and heard:
            door.hear(*lottery.choice(heard))
        elif act in {"meet", "piece"}:
            heard.append(("head", site.head("door-1")))
            if site.revision:
                pull = b'{"held":0,"want":"log","sealing":"%s"}'
                answer = site.answer("door-1", pull % door.identity.sealing_id.encode())
                heard += [answer] if answer else []
            door.sent.clear()
            door.meet(site, most=3 if act == "piece" else 10_000)
    door.sent.clear()
    door.meet(site)
    assert door.people == sorted(enrolled)
    for who, face in enrolled.items():
        assert door.who(face) == who
    door.gallery.close()
    site.close()


def test_the_sites_file_is_not_to_be_read_without_its_key(site: Site, tmp_path: Path) -> None:
    site.upsert("canary-id", templates("ann"), Profile(name="canary-name"))
    site.compact(keep=0)
    site.close()
    for file in tmp_path.glob("site.db*"):
        content = file.read_bytes()
        assert b"canary" not in content
        assert SITE_KEY.reveal() not in content
