"""``edged gallery list | set | export | remove | receipt``: one person's stay, as the site sees."""

from __future__ import annotations

import json
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.load import load
from edged.events.outbox import Outbox
from edged.gallery.profile import Profile, written
from edged.gallery.store import make_gallery
from edged.recording.file import RecordingFile
from edged.vault.keys import load_key
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran, Site

FACES = embeddings(5)
MODEL = "mobilefacenet-rts@1.0.0#0123456789ab"
DAY_S = 86_400.0


def enrol(site: Site, person_id: str, number: int = 0, **profile: Any) -> None:
    config = load(site.config)
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    gallery.add(person_id, FACES[number], model=MODEL, quality=0.9, source="photo", limit=5)
    gallery.set_profile(person_id, Profile(**profile))
    gallery.close()


def profile_of(site: Site, person_id: str) -> Profile | None:
    config = load(site.config)
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    try:
        return gallery.profile(person_id)
    finally:
        gallery.close()


def outbox_of(site: Site) -> Outbox:
    config = load(site.config)
    return Outbox(config.events.path, load_key(config.key), 1000)


def events_of(site: Site) -> list[dict[str, Any]]:
    outbox = outbox_of(site)
    outbox.open()
    try:
        return [event.data for event in outbox.pending() if event.type == "gallery.erased"]
    finally:
        outbox.close()


@pytest.fixture
def public(site: Site, edged: Callable[..., Ran]) -> Path:
    """The terminal's signing key, as a site keeps it."""
    told = edged("gallery", "identity", "--json", "-c", site.config).json
    path = site.folder / "terminal.pem"
    path.write_text(told["signing"]["public_key"])
    return path


# list


def test_the_list_says_who_is_recognised_and_until_when(
    site: Site, edged: Callable[..., Ran]
) -> None:
    now_s = time.time()
    enrol(site, "ended", valid_until=now_s - DAY_S)
    enrol(site, "ending", 1, consent={"basis": "c", "expires": now_s + DAY_S})
    enrol(site, "later", 2, valid_from=now_s + DAY_S)
    enrol(site, "staff", 3)
    ran = edged("gallery", "list", "-c", site.config)
    lines = {line.split()[0]: line for line in ran.out.splitlines()}
    assert "ended, valid_until" in lines["ended"]
    assert f"consent until {written(now_s + DAY_S)}" in lines["ending"]
    assert "not yet valid, valid_from" in lines["later"]
    assert "no consent" in lines["staff"]
    told = edged("gallery", "list", "--json", "-c", site.config).json["people"]
    assert {one["person_id"]: one["in_force"] for one in told} == {
        "ended": False,
        "ending": True,
        "later": False,
        "staff": True,
    }
    assert told[0]["erase_at"] == written(now_s + 29 * DAY_S)
    assert told[3]["erase_at"] is None
    soon = edged("gallery", "list", "--expiring", "2", "--json", "-c", site.config).json["people"]
    assert [one["person_id"] for one in soon] == ["ended", "ending"]
    assert "4 people" in edged("gallery", "list", "--expiring", "0", "-c", site.config).out


@pytest.mark.parametrize("days", ["-1", "x", "3651", "9" * 5000, "1.5", ""])
def test_days_are_a_number_of_days(site: Site, edged: Callable[..., Ran], days: str) -> None:
    ran = edged("gallery", "list", f"--expiring={days}", "-c", site.config)
    assert (ran.code, ran.out) == (2, "")


# set


def test_what_is_set_is_kept_and_the_rest_stays(site: Site, edged: Callable[..., Ran]) -> None:
    enrol(site, "a", name="Ann", consent={"basis": "consent", "given": 5.0, "confirmed": "turn"})
    ran = edged(
        *("gallery", "set", "a", "-c", site.config, "--group", "lab", "--group", "staff"),
        *("--valid-until", "2031-01-31", "--consent-expires", "2030-01-01"),
        *("--retention-days", "7", "--json"),
    )
    assert ran.json["in_force"] is True
    assert ran.json["erase_at"] == "2030-01-08T00:00:00Z"
    profile = profile_of(site, "a")
    assert profile is not None
    assert (profile.name, profile.groups) == ("Ann", ("lab", "staff"))
    assert profile.consent is not None
    assert (profile.consent.basis, profile.consent.confirmed) == ("consent", "turn")
    ran = edged(
        *("gallery", "set", "a", "-c", site.config),
        *("--clear", "groups", "--clear", "valid-until", "--clear", "consent"),
    )
    assert ran.out == "a: recognised now\nto be erased: never by itself\n"
    assert profile_of(site, "a") == Profile(name="Ann", retention_days=7)


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ((), "say what is to be changed"),
        (("--valid-until", "2027-01-31T18:00"), "needs its zone"),
        (("--valid-until", "31.1.2027"), "expected a date"),
        (("--valid-until", "2027-01-31", "--valid-from", "2027-02-01"), "ends before it begins"),
        (("--consent-expires", "2027-01-31"), "consent.basis"),
        (("--group", ""), "groups"),
        (("--group", "a", "--clear", "groups"), "to be set and to be cleared"),
        (("--name", "Ann\nBea"), "name"),
    ],
)
def test_what_cannot_be_set_is_refused(
    site: Site, edged: Callable[..., Ran], argv: tuple[str, ...], why: str
) -> None:
    enrol(site, "a", name="Ann")
    ran = edged("gallery", "set", "a", "-c", site.config, *argv)
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
    assert profile_of(site, "a") == Profile(name="Ann")


@pytest.mark.parametrize("action", ["set", "export", "remove"])
def test_of_nobody_nothing_can_be_done(site: Site, edged: Callable[..., Ran], action: str) -> None:
    argv = ("--group", "x") if action == "set" else ()
    ran = edged("gallery", action, "nobody", "-c", site.config, *argv)
    assert (ran.code, ran.out) == (1, "")
    assert "nobody is enrolled as 'nobody'" in ran.err
    assert events_of(site) == []


# export


def test_all_that_is_stored_about_a_person_is_written_down_for_them(
    site: Site, edged: Callable[..., Ran], tmp_path: Path
) -> None:
    site.configure(recording={"path": "recording.db"})
    enrol(site, "a", name="Ann", groups=("staff",))
    enrol(site, "b", 1)
    config = load(site.config)
    key = load_key(config.key)
    gallery = make_gallery(config.gallery, key)
    gallery.open()
    gallery.set_lookalikes({"a": {"b": 0.41234}})
    gallery.close()
    recording = RecordingFile(tmp_path / "recording.db", key)
    recording.open(make=True)
    with recording._database.transaction() as connection:
        connection.execute("INSERT INTO sessions VALUES (1, 1.0, '{}')")
        connection.execute("INSERT INTO visits VALUES (1, 1, 1.0, 0), (2, 1, 2.0, 0)")
        connection.execute("INSERT INTO people VALUES (1, 'a')")
        connection.execute("INSERT INTO candidates VALUES (1, 1, 1), (2, 1, 0)")
    recording.close()
    outbox = outbox_of(site)
    outbox.open()
    outbox.append("access.granted", {"person_id": "a"})
    outbox.append("access.granted", {"person_id": "b"})
    outbox.append("enrol.warned", {"people": [{"id": "a"}]})
    outbox.close()
    found = edged("gallery", "export", "a", "--json", "-c", site.config).json
    assert found["person_id"] == "a"
    assert found["profile"] == {"name": "Ann", "groups": ["staff"]}
    assert found["in_force"] is True
    (template,) = found["templates"]
    assert (template["model"], template["quality"], template["source"]) == (MODEL, 0.9, "photo")
    assert (template["numbers"], template["created"][-1]) == (16, "Z")
    assert "values" not in template
    assert found["lookalikes"] == [0.4123]
    assert found["recordings"] == {"visits": 1, "among_the_nearest": 1}
    assert [event["type"] for event in found["events"]] == ["access.granted", "enrol.warned"]
    assert '"b"' not in json.dumps(found)
    assert "article 15" in found["about"]


def test_the_numbers_of_templates_are_given_only_if_they_are_asked_for(
    site: Site, edged: Callable[..., Ran]
) -> None:
    enrol(site, "a")
    found = edged("gallery", "export", "a", "--templates", "--json", "-c", site.config).json
    assert found["templates"][0]["values"] == pytest.approx(FACES[0].tolist(), abs=1e-6)


def test_an_export_is_for_its_owner_and_never_in_the_place_of_another_file(
    site: Site, edged: Callable[..., Ran], tmp_path: Path
) -> None:
    enrol(site, "a")
    out = tmp_path / "a.json"
    ran = edged("gallery", "export", "a", "--out", out, "-c", site.config)
    assert (ran.code, str(out) in ran.out) == (0, True)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert json.loads(out.read_text())["person_id"] == "a"
    again = edged("gallery", "export", "a", "--out", out, "-c", site.config)
    assert (again.code, again.out) == (1, "")
    assert "exists already" in again.err
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "elsewhere")
    assert edged("gallery", "export", "a", "--out", link, "-c", site.config).code == 1
    assert not (tmp_path / "elsewhere").exists()


# remove, and its receipt


def test_a_removal_prints_the_receipt_that_waits_as_an_event(
    site: Site, edged: Callable[..., Ran], public: Path
) -> None:
    enrol(site, "a")
    ran = edged("gallery", "remove", "a", "--json", "-c", site.config).json
    assert ran["problems"] == []
    (event,) = events_of(site)
    assert (event["person_id"], event["reason"], event["templates"]) == ("a", "request", 1)
    assert event["receipt"] == ran["receipt"]
    told = edged("gallery", "receipt", "verify", ran["receipt"], "--key", public, "--json").json
    assert (told["sub"], told["iss"], told["key"]) == ("a", "hq/lobby-1", "destroyed")
    file = site.folder / "receipt.jwt"
    file.write_text(ran["receipt"] + "\n")
    said = edged("gallery", "receipt", "verify", file, "--key", public)
    assert said.code == 0
    assert said.out.startswith("a was erased by terminal hq/lobby-1 at ")


def test_a_removal_whose_event_finds_no_room_gives_its_receipt_and_is_told_later(
    site: Site, edged: Callable[..., Ran], public: Path
) -> None:
    enrol(site, "a")
    enrol(site, "b", 1)
    events = site.folder / "events.db"
    events.write_bytes(b"no outbox" * 1000)
    ran = edged("gallery", "remove", "a", "-c", site.config)
    assert ran.code == 0
    assert "not told yet: " in ran.out
    token = ran.out.split()[-1]
    assert edged("gallery", "receipt", "verify", token, "--key", public).code == 0
    events.unlink()
    edged("gallery", "remove", "b", "-c", site.config)
    assert [event["person_id"] for event in events_of(site)] == ["a", "b"]


@pytest.mark.parametrize("bad", ["a.b.c", "", "e" * 9000, "..", "nothing.jwt", "x\0y"])
def test_what_is_no_receipt_is_told_apart(
    edged: Callable[..., Ran], public: Path, bad: str
) -> None:
    ran = edged("gallery", "receipt", "verify", bad, "--key", public)
    assert (ran.code, ran.out) == (1, "")
    assert "no receipt" in ran.err
    assert len(ran.err) < 300


def test_a_receipt_is_good_for_the_terminal_that_signed_it_only(
    site: Site, edged: Callable[..., Ran], public: Path
) -> None:
    enrol(site, "a")
    token = edged("gallery", "remove", "a", "--json", "-c", site.config).json["receipt"]
    sealing = edged("gallery", "identity", "--json", "-c", site.config).json["sealing"]
    public.write_text(sealing["public_key"])
    assert edged("gallery", "receipt", "verify", token, "--key", public).code != 0
    public.write_text("no key")
    assert edged("gallery", "receipt", "verify", token, "--key", public).code != 0
    assert edged("gallery", "receipt", "verify", token, "--key", site.folder / "no").code != 0
