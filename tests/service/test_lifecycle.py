"""People come into force, cease to be and are erased, at a door that runs on meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from edged.config.load import load
from edged.errors import DiskFull
from edged.events.chain import verify
from edged.events.outbox import Outbox
from edged.gallery.profile import Consent, Profile
from edged.gallery.receipt import check_receipt
from edged.gallery.store import Gallery, make_gallery
from edged.mqtt.catalogue import CATALOGUE, Context
from edged.recording.file import RecordingFile
from edged.service.lifecycle import Lifecycle
from edged.service.people_orders import PeopleOrders
from edged.service.state import State
from edged.vault.identity import Identity
from edged.vault.keys import load_key
from tests.gallery.faces import embeddings
from tests.service.kit import PERSON, Door, Views, wait, written
from tests.service.test_terminal import bench, near  # fixtures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.events.types import Clock, Event
    from edged.types import Image
    from tests.service.test_terminal import Bench

__all__ = ["bench", "near"]

MODEL = "mobilefacenet-rts@1.0.0#0123456789ab"
FACES = embeddings(10)
DAY_S = 86_400.0


@dataclass
class House:
    """A terminal's stores and its lifecycle, as the daemon has them, with a clock set by hand."""

    folder: Path
    gallery: Gallery
    outbox: Outbox
    lifecycle: Lifecycle
    state: State
    identity: Identity
    now_s: float = 0.0
    clock: Clock = "synced"

    def enrol(self, person_id: str, number: int = 0, **profile: Any) -> None:
        self.gallery.add(
            person_id, FACES[number], model=MODEL, quality=0.9, source="photo", limit=5
        )
        self.gallery.set_profile(person_id, Profile(**profile))

    def tick(self) -> None:
        self.lifecycle._try_s = 0.0  # no pause after a failure
        self.lifecycle.tick(self.state)

    @property
    def events(self) -> list[Event]:
        return self.outbox.pending()

    def order(self, name: str, /, **args: Any) -> tuple[str, str, dict[str, Any]]:
        """Result, reason and data of a command."""
        settings = load(self.folder / "edged.yaml").gallery
        orders = PeopleOrders(settings, self.gallery, self.lifecycle, lambda: self.now_s)
        asked = CATALOGUE[name].args.model_validate(args)
        reply = orders.handlers()[name](asked, Context(name, "1", "site"))
        return reply.result, reply.reason, reply.data


def house_of(folder: Path, **changes: Any) -> House:
    config = load(written(folder, **changes))
    key = load_key(config.key)
    gallery, identity = make_gallery(config.gallery, key), Identity(key)
    outbox = Outbox(config.events.path, key, 1000)
    house: House
    lifecycle = Lifecycle(
        config,
        key,
        gallery,
        outbox,
        identity,
        clock=lambda: house.now_s,
        trusted=lambda: house.clock,
    )
    house = House(folder, gallery, outbox, lifecycle, State(), identity, time.time())
    gallery.open()
    outbox.open()
    return house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_of(tmp_path, recording={"path": "recording.db"})
    yield house
    house.gallery.close()
    house.outbox.close()


def recorded(house: House) -> RecordingFile:
    """A recording in which somebody was among the nearest; open."""
    config = load(house.folder / "edged.yaml")
    assert config.recording is not None
    file = RecordingFile(config.recording.path, load_key(config.key))
    file.open(make=True)
    with file._database.transaction() as connection:
        connection.execute("INSERT INTO sessions VALUES (1, 1.0, '{}')")
        connection.execute("INSERT INTO visits VALUES (1, 1, 1.0, 0), (2, 1, 2.0, 0)")
        connection.execute("INSERT INTO people VALUES (1, 'a')")
        connection.execute("INSERT INTO candidates VALUES (1, 1, 1), (2, 1, 0)")
    return file


def test_who_is_erased_by_the_clock_is_told_of_with_a_receipt_that_can_be_checked(
    house: House,
) -> None:
    house.enrol("a", valid_until=house.now_s, retention_days=1)
    house.now_s += DAY_S - 1
    house.tick()
    assert house.events == []
    house.now_s += 1
    house.tick()
    house.tick()
    (event,) = house.events
    assert event.type == "gallery.erased"
    receipt = check_receipt(event.data.pop("receipt"), house.identity.signing_public)
    assert event.data == {
        "person_id": "a",
        "reason": "expired",
        "at": receipt.at,
        "templates": 1,
    }
    assert (receipt.sub, receipt.iss, receipt.key) == ("a", "hq/door-1", "destroyed")
    assert receipt.revision == house.gallery.revision
    assert event.id == receipt.jti


def test_a_clock_that_is_not_known_to_be_right_erases_nobody(house: House) -> None:
    house.enrol("a", valid_until=house.now_s, retention_days=0)
    house.now_s, house.clock = house.now_s + 365 * DAY_S, "unsynced"
    house.tick()
    assert house.gallery.person("a") is not None
    house.clock = "synced"
    house.tick()
    assert house.gallery.person("a") is None


@pytest.mark.parametrize("step", ["append_once", "note_told", "redact", "settle", "_finish_one"])
def test_killed_anywhere_on_the_way_an_erasure_is_told_once(house: House, step: str) -> None:
    house.enrol("a")
    house.gallery.remove("a")
    child = f"""
import os, sys
from pathlib import Path
from tests.service.test_lifecycle import house_of
house = house_of(Path({str(house.folder)!r}), recording={{"path": "recording.db"}})
for part in (house.outbox, house.gallery, house.lifecycle):
    if hasattr(part, {step!r}):
        setattr(part, {step!r}, lambda *_: os._exit(9))
house.tick()
"""
    ran = subprocess.run([sys.executable, "-c", child], check=False)
    assert ran.returncode == 9
    house.tick()
    assert [event.data["person_id"] for event in house.events] == ["a"]
    assert house.gallery.erasures() == []


def test_an_event_that_the_site_has_already_is_not_recorded_again(house: House) -> None:
    house.enrol("a")
    house.gallery.remove("a")
    (erasure,) = house.gallery.erasures()
    house.tick()
    house.outbox.acknowledge([event.seq for event in house.events])
    assert not house.outbox.append_once("gallery.erased", {}, erasure.erased.id)
    assert house.events == []


def test_who_is_erased_leaves_the_log_once_the_site_has_its_events(house: House) -> None:
    house.enrol("a")
    for _ in range(2):
        house.outbox.append("access.granted", {"person_id": "a"})
    house.outbox.acknowledge([1])
    house.gallery.remove("a")
    house.tick()
    assert [event.seq for event in house.events] == [2, 3]
    house.outbox.acknowledge([2, 3])
    assert [bool(event.redacted) for event in house.outbox.events()] == [True, True, True]
    assert verify(house.outbox.events()).whole


def test_what_cannot_be_told_yet_is_told_later_and_the_state_says_so(house: House) -> None:
    house.enrol("a")
    house.gallery.remove("a")
    connection = house.outbox._database._opened()
    connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON main.events "
        "BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    house.tick()
    assert list(house.state.degraded) == ["erasure"]
    assert house.events == []
    connection.execute("DROP TRIGGER full")
    house.tick()
    assert house.state.degraded == {}
    assert [event.data["person_id"] for event in house.events] == ["a"]


def test_the_recording_forgets_who_is_erased_and_until_it_can_the_state_says_so(
    house: House,
) -> None:
    file = recorded(house)
    path = house.folder / "recording.db"
    file.close()
    whole = path.read_bytes()
    path.write_bytes(b"no recording" * 1000)
    house.enrol("a", valid_until=house.now_s, retention_days=0)
    for _ in range(2):
        house.tick()
        assert [event.data["person_id"] for event in house.events] == ["a"]  # told all the same
        assert "recording.db" in house.state.degraded["erasure"]
    path.write_bytes(whole)
    house.tick()
    assert house.state.degraded == {}
    assert house.gallery.erasures() == []
    file.open(make=False)
    assert file.people() == set()
    assert file.contents().visits == 1
    file.close()


def test_a_removal_by_command_is_answered_with_the_receipt_that_the_event_has(
    house: House,
) -> None:
    house.enrol("a")
    result, reason, data = house.order("gallery.remove", person_id="a")
    assert (result, reason, data["person_id"], data["templates"]) == ("ok", "done", "a", 1)
    house.tick()
    assert [event.data["receipt"] for event in house.events] == [data["receipt"]]
    assert check_receipt(data["receipt"], house.identity.signing_public).at == data["at"]


def test_an_id_that_no_command_could_have_given_can_be_removed_by_one(house: House) -> None:
    house.enrol("Zoë, the 2nd")
    assert house.order("gallery.remove", person_id="Zoë, the 2nd")[0] == "ok"


@pytest.mark.parametrize("person_id", ["b", "'; DROP TABLE people; --", "☃", "x" * 64])
@pytest.mark.parametrize("command", ["gallery.remove", "gallery.set"])
def test_nobody_cannot_be_removed_or_changed(house: House, command: str, person_id: str) -> None:
    house.enrol("a")
    assert house.order(command, person_id=person_id) == ("refused", "not_enrolled", {})
    assert house.gallery.person("a") is not None


@pytest.mark.parametrize("person_id", ["a/b", "a\nb", " a", "#", "e\u0301"])
@pytest.mark.parametrize("command", ["gallery.remove", "gallery.set"])
def test_what_is_no_id_is_refused(house: House, command: str, person_id: str) -> None:
    assert house.order(command, person_id=person_id) == ("refused", "bad_args", {})


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"person_id": "x" * 4096},
        {"person_id": 7},
        {"person_id": "a", "salary": 1},
        {"person_id": "a", "groups": ["g"] * 1001},
        {"person_id": "a", "consent": {"basis": "x" * 10_000}},
        {"person_id": "a", "consent": {"basis": "x", "expiry": "2027-01-01"}},
        {"person_id": "a", "valid_until": 1.5},
        {"person_id": "a", "retention_days": 3651},
    ],
)
def test_arguments_that_do_not_fit_never_reach_the_gallery(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        CATALOGUE["gallery.set"].args.model_validate(args)


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_until": "2027-02-30"},
        {"valid_until": "2027-02-01T10:00"},
        {"valid_until": "tomorrow"},
        {"valid_from": "2031-01-01"},
        {"consent": {"basis": "c", "given": "2027-01-02", "expires": "2027-01-01"}},
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(
    house: House, changes: dict[str, Any]
) -> None:
    house.enrol("a", valid_until=house.now_s + DAY_S)
    before = house.gallery.revision
    assert house.order("gallery.set", person_id="a", **changes) == ("refused", "bad_args", {})
    assert house.gallery.revision == before


def test_a_change_by_command_says_what_follows_from_it_and_names_nobody(house: House) -> None:
    house.enrol("a", name="Ann", groups=("staff",))
    result, _, data = house.order(
        "gallery.set",
        person_id="a",
        groups=["lab"],
        valid_until="2020-01-01",
        retention_days=2,
        consent={"basis": "contract"},
    )
    assert result == "ok"
    assert data == {
        "profile": {
            "groups": ["lab"],
            "valid_until": "2020-01-01T00:00:00Z",
            "retention_days": 2,
            "consent": {"basis": "contract", "adaptation": False},
        },
        "in_force": False,
        "erase_at": "2020-01-03T00:00:00Z",
    }
    cleared = dict.fromkeys(("groups", "valid_until", "retention_days", "consent", "name"))
    assert house.order("gallery.set", person_id="a", **cleared)[2] == {
        "profile": {"groups": []},
        "in_force": True,
        "erase_at": None,
    }
    assert house.gallery.profile("a") == Profile()


def test_the_last_second_that_can_be_written_is_no_trap(house: House) -> None:
    house.enrol("a")
    _, _, data = house.order("gallery.set", person_id="a", valid_until="9999-12-31T23:59:59Z")
    assert (data["in_force"], data["erase_at"]) == (True, None)
    house.tick()


def test_a_consent_that_the_site_requires_cannot_be_taken_away(tmp_path: Path) -> None:
    gallery = {"path": "gallery.db", "require_consent": True}
    house = house_of(tmp_path, gallery=gallery)
    house.enrol("a", consent=Consent(basis="consent"))
    told = house.order("gallery.set", person_id="a", consent=None)
    assert told == ("refused", "consent_missing", {})
    house.gallery.close()
    house.outbox.close()


def test_a_disk_that_is_full_while_somebody_is_erased_tells_of_it_when_it_is_done(
    house: House,
) -> None:
    house.enrol("a")
    assert house.gallery._database is not None
    connection = house.gallery._database._opened()
    connection.execute(
        "CREATE TEMP TRIGGER full BEFORE DELETE ON main.people "
        "BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(DiskFull):
        house.order("gallery.remove", person_id="a")
    connection.execute("DROP TRIGGER full")
    house.tick()
    assert [event.data["reason"] for event in house.events] == ["request"]


# at the door


def test_between_two_looks_of_the_supervisor_nobody_is_let_in_who_has_just_ended(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    end_s = time.time() + 1
    it.terminal._gallery.set_profile(PERSON, Profile(valid_until=end_s))
    it.see(near, 2)
    wait(lambda: time.time() > end_s)
    it.see(near, 6)
    assert "access.granted" not in it.types


def decided(door: Door, kind: Literal["granted", "denied"]) -> dict[str, Any]:
    """The person comes; what is decided about them."""
    seq = door.leave()
    door.stage.show("near")
    try:
        found: dict[str, Any] = wait(
            lambda: [
                event
                for event in door.site.events()
                if event["seq"] > seq and event["type"] in ("access.granted", "access.denied")
            ]
        )[0]
    finally:
        door.leave()
    assert found["type"] == f"access.{kind}", found
    return dict(found["data"])


def changed(door: Door, **profile: Any) -> None:
    """By another process."""
    with door.terminal.gallery() as gallery:
        gallery.set_profile(PERSON, Profile(**profile))


def test_recognition_ends_and_begins_by_the_clock_while_the_terminal_runs(
    door: Door, views: Views
) -> None:
    door.terminal.enrol(views)
    door.people(2)
    assert decided(door, "granted")["person_id"] == PERSON
    changed(door, valid_until=time.time() + 2)
    door.people(1)  # by nothing but the time
    assert decided(door, "denied")["reason"] == "not_enrolled"
    changed(door, valid_from=time.time() + 2)
    door.people(2)
    assert decided(door, "granted")["person_id"] == PERSON
    changed(door, consent=Consent(basis="consent", expires=time.time() + 1))
    door.people(1)
    assert decided(door, "denied")["reason"] == "not_enrolled"


def test_a_command_ends_recognition_and_another_erases_with_a_receipt(
    door: Door, views: Views
) -> None:
    door.terminal.enrol(views)
    door.people(2)
    reply = door.site.command("gallery.set", person_id=PERSON, valid_until="2020-01-01")
    assert (reply["result"], reply["data"]["in_force"]) == ("ok", False)
    assert decided(door, "denied")["reason"] == "not_enrolled"
    seq = door.site.seq
    reply = door.site.command("gallery.remove", person_id=PERSON)
    assert reply["result"] == "ok"
    event = door.site.event("gallery.erased", seq, person_id=PERSON)
    assert event["data"]["receipt"] == reply["data"]["receipt"]
    public = door.site.state["identity"]["signing"]["public_key"]
    assert check_receipt(reply["data"]["receipt"], public).sub == PERSON
    again = door.site.command("gallery.remove", person_id=PERSON)
    assert (again["result"], again["reason"]) == ("refused", "not_enrolled")


def test_a_removal_on_the_command_line_is_told_once_by_whoever_comes_first(
    door: Door, views: Views
) -> None:
    door.terminal.enrol(views)
    door.people(2)
    seq = door.site.seq
    argv = [sys.executable, "-m", "edged", "gallery", "remove", PERSON, "--json"]
    ran = subprocess.run(
        [*argv, "-c", str(door.terminal.config)], check=True, capture_output=True, text=True
    )
    event = door.site.event("gallery.erased", seq, person_id=PERSON)
    assert event["data"]["receipt"] in ran.stdout
    door.people(1)
    door.site.command("gallery.remove", person_id="nobody")  # whatever was to come has come
    told = [e for e in door.site.events("gallery.erased") if e["seq"] > seq]
    assert len(told) == 1
