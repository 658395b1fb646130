"""Who is in force, who is erased when, and that no erasure goes untold."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.errors import DiskFull, GalleryError, KeyUnavailable, StorageError
from edged.gallery.people import Enrolment, Stored
from edged.gallery.profile import Consent, Erased, Profile, amended, read_profile
from edged.gallery.receipt import TYP, check_receipt, make_receipt
from edged.gallery.store import Gallery
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = Secret(bytes(range(32)))
MODEL = "mobilefacenet-rts@1.0.0#0123456789ab"
FACES = embeddings(40)
DAY_S = 86_400.0
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC).timestamp()


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = NOON

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gallery(tmp_path: Path, clock: Clock) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "gallery.db", KEY, retention_days=30, clock=clock)
    gallery.open()
    yield gallery
    gallery.close()


def enrol(gallery: Gallery, person_id: str, number: int = 0, **profile: Any) -> None:
    gallery.add(person_id, FACES[number], model=MODEL, quality=0.9, source="photo", limit=5)
    if profile:
        gallery.set_profile(person_id, Profile(**profile))


def found(gallery: Gallery, now_s: float) -> set[str]:
    """Who can be found at a moment, as the door asks."""
    index = gallery.index(MODEL, 16)
    gallery.keep(now_s)
    return index.ids()


# in force


def test_who_ends_is_found_until_then_and_not_a_moment_longer(gallery: Gallery) -> None:
    gallery.index(MODEL, 16)
    enrol(gallery, "visitor", valid_until=NOON + 60)
    assert found(gallery, NOON + 59.9) == {"visitor"}
    assert found(gallery, NOON + 60) == set()
    assert gallery.person("visitor") is not None  # stored until the time of keeping is over


def test_who_begins_later_is_found_from_then_on(gallery: Gallery) -> None:
    gallery.index(MODEL, 16)
    enrol(gallery, "starter", valid_from=NOON + 60)
    assert found(gallery, NOON) == set()
    assert found(gallery, NOON + 60) == {"starter"}


def test_with_the_consent_ends_recognition_whichever_comes_first(gallery: Gallery) -> None:
    gallery.index(MODEL, 16)
    consent = Consent(basis="consent", expires=NOON + 10)
    enrol(gallery, "a", valid_until=NOON + 60, consent=consent)
    enrol(gallery, "b", 1, valid_until=NOON + 5, consent=consent)
    assert found(gallery, NOON + 4) == {"a", "b"}
    assert found(gallery, NOON + 5) == {"a"}
    assert found(gallery, NOON + 10) == set()


@given(moments=st.lists(st.floats(NOON - 200, NOON + 200), min_size=1, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_clock_that_is_set_back_and_forth_finds_who_is_in_force_by_it(
    gallery: Gallery, moments: list[float]
) -> None:
    windows = {"a": (None, NOON), "b": (NOON - 50, NOON + 50), "c": (NOON, None), "d": (None, None)}
    for number, (who, (begin, end)) in enumerate(windows.items()):
        if gallery.person(who) is None:
            enrol(gallery, who, number, valid_from=begin, valid_until=end)
    for now_s in moments:
        expected = {
            who
            for who, (begin, end) in windows.items()
            if (begin is None or begin <= now_s) and (end is None or now_s < end)
        }
        assert found(gallery, now_s) == expected


def test_where_it_cannot_be_read_who_is_in_force_nobody_is_found(gallery: Gallery) -> None:
    index = gallery.index(MODEL, 16)
    enrol(gallery, "visitor", valid_until=NOON + 60)
    enrol(gallery, "employee", 1)
    assert gallery._database is not None
    gallery._database._opened().execute("ALTER TABLE people RENAME TO elsewhere")
    gallery.keep(NOON + 61)
    assert index.ids() == set()
    gallery._database._opened().execute("ALTER TABLE elsewhere RENAME TO people")
    gallery._clock = lambda: NOON + 61
    assert gallery.changed()
    gallery.refresh()
    assert index.ids() == {"employee"}


# erased in time


def test_who_has_ended_is_erased_when_the_time_of_keeping_is_over(gallery: Gallery) -> None:
    gallery.index(MODEL, 16)
    enrol(gallery, "visitor", valid_until=NOON)
    assert gallery.tick(NOON + 30 * DAY_S - 1) == []
    (erased,) = gallery.tick(NOON + 30 * DAY_S)
    assert (erased.person_id, erased.reason, erased.templates) == ("visitor", "expired", 1)
    assert gallery.person("visitor") is None
    assert gallery.tick(NOON + 31 * DAY_S) == []


def test_somebody_may_be_kept_for_another_time_than_others(gallery: Gallery) -> None:
    enrol(gallery, "at-once", valid_until=NOON, retention_days=0)
    enrol(gallery, "long", 1, valid_until=NOON, retention_days=100)
    assert [one.person_id for one in gallery.tick(NOON)] == ["at-once"]
    assert gallery.tick(NOON + 99 * DAY_S) == []
    assert [one.person_id for one in gallery.tick(NOON + 100 * DAY_S)] == ["long"]


def test_who_has_no_end_is_kept_for_ever(gallery: Gallery) -> None:
    enrol(gallery, "employee", valid_from=NOON - DAY_S, retention_days=0)
    assert gallery.tick(NOON + 3000 * 365 * DAY_S) == []


@pytest.mark.parametrize("jump_s", [365 * DAY_S, -365 * DAY_S, 8000 * 365 * DAY_S])
def test_a_clock_that_nobody_trusts_erases_nobody(
    gallery: Gallery, clock: Clock, jump_s: float
) -> None:
    enrol(gallery, "visitor", valid_until=NOON + DAY_S, retention_days=0)
    gallery.index(MODEL, 16)
    clock.now_s += jump_s
    assert gallery.tick(clock.now_s, erase=False) == []
    clock.now_s = NOON
    gallery.tick(clock.now_s, erase=False)
    assert found(gallery, NOON) == {"visitor"}


def test_an_end_that_is_put_off_or_cleared_puts_off_the_erasure(gallery: Gallery) -> None:
    enrol(gallery, "a", valid_until=NOON, retention_days=1)
    assert gallery.tick(NOON) == []
    gallery.change_profile("a", lambda profile: amended(profile, {"valid_until": NOON + DAY_S}))
    assert gallery.tick(NOON + DAY_S) == []
    gallery.change_profile("a", lambda profile: amended(profile, {"valid_until": None}))
    assert gallery.tick(NOON + 100 * DAY_S) == []


def test_many_who_are_due_at_once_go_in_parts_that_hold_nobody_up(gallery: Gallery) -> None:
    ended = Profile(valid_until=NOON, retention_days=0)
    many = [Enrolment(f"{n}", FACES[n % 40], MODEL, 0.9, "photo") for n in range(600)]
    gallery.add_many(many, limit=5, profiles={one.person_id: ended for one in many})
    assert [len(gallery.tick(NOON)) for _ in range(3)] == [500, 100, 0]
    assert gallery.people() == []


# erasures, until they are settled


def test_an_erasure_is_there_until_it_is_settled_also_after_a_restart(gallery: Gallery) -> None:
    enrol(gallery, "a")
    erased = gallery.remove("a")
    assert erased is not None
    for _ in range(2):
        (left,) = gallery.erasures()
        assert (left.erased, left.told) == (erased, False)
        gallery.close()
        gallery.open()
    gallery.note_told(left)
    (left,) = gallery.erasures()
    assert left.told
    gallery.settle(left)
    gallery.settle(left)
    assert gallery.erasures() == []


def test_every_way_out_of_the_gallery_leaves_an_erasure(gallery: Gallery) -> None:
    enrol(gallery, "by-request")
    enrol(gallery, "by-time", 1, valid_until=NOON, retention_days=0)
    site = [Stored(who, Profile(), {}, "", origin=1) for who in ("dropped", "swept")]
    gallery.apply(site, [], {}, marker="old")
    gallery.remove("by-request", reason="duplicate")
    gallery.tick(NOON)
    gallery.apply([], [("dropped", 2)], {})
    gallery.sweep("new", {})
    told = {one.erased.person_id: one.erased.reason for one in gallery.erasures()}
    assert told == {
        "by-request": "duplicate",
        "by-time": "expired",
        "dropped": "site",
        "swept": "site",
    }
    assert len({one.erased.id for one in gallery.erasures()}) == 4
    assert gallery.people() == []


def test_a_removal_that_the_disk_stops_half_way_is_completed_and_told(gallery: Gallery) -> None:
    index = gallery.index(MODEL, 16)
    enrol(gallery, "a")
    assert gallery._database is not None
    gallery._database._opened().execute(
        "CREATE TEMP TRIGGER full BEFORE DELETE ON main.people "
        "BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(DiskFull):
        gallery.remove("a")
    assert index.ids() == set()
    with pytest.raises(DiskFull):
        gallery.erasures()
    gallery._database._opened().execute("DROP TRIGGER full")
    (left,) = gallery.erasures()
    assert (left.erased.person_id, left.erased.reason) == ("a", "request")
    assert gallery.people() == []


def test_a_key_that_could_not_be_destroyed_leaves_the_person_and_no_notice(
    gallery: Gallery,
) -> None:
    index = gallery.index(MODEL, 16)
    enrol(gallery, "a")
    connection = gallery._keyring._database._opened()
    connection.execute(
        "CREATE TEMP TRIGGER full BEFORE DELETE ON main.keys "
        "BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(DiskFull):
        gallery.remove("a")
    assert gallery.erasures() == []
    assert ([one.id for one in gallery.people()], index.ids()) == (["a"], {"a"})


_CHILD = """
import os, sys
from pathlib import Path
from edged.gallery.book import Book
from tests.gallery.test_lifecycle import *
gallery = Gallery(Path(sys.argv[1]), KEY)
gallery.open()
Book.bury = lambda *_: os._exit(9)
gallery.remove("a")
"""


def test_who_another_process_left_half_erased_is_forgotten_here_too(
    gallery: Gallery, tmp_path: Path
) -> None:
    """Killed between the person's key and their rows, while this one runs on."""
    index = gallery.index(MODEL, 16)
    enrol(gallery, "a")
    enrol(gallery, "b", 1)
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "gallery.db")]
    assert subprocess.run(command, check=False).returncode == 9
    (left,) = gallery.erasures()
    assert (left.erased.person_id, left.erased.templates) == ("a", 1)
    assert index.ids() == {"b"}
    assert [one.id for one in gallery.people()] == ["b"]


def test_whose_key_is_gone_is_not_found_though_the_disk_stops_what_follows(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = gallery.index(MODEL, 16)
    enrol(gallery, "a")

    def full() -> None:
        raise DiskFull("no room left")

    monkeypatch.setattr(gallery._keyring._database, "checkpoint", full)
    with pytest.raises(DiskFull):
        gallery.remove("a")
    assert index.ids() == set()


def test_who_was_half_erased_and_comes_back_with_another_network_is_forgotten_by_the_first(
    gallery: Gallery, tmp_path: Path
) -> None:
    index = gallery.index(MODEL, 16)
    enrol(gallery, "a")
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "gallery.db")]
    assert subprocess.run(command, check=False).returncode == 9
    face = FACES[1]
    gallery.add("a", face, model="other@1#0", quality=0.9, source="photo", limit=5)
    assert index.ids() == set()


def test_an_erasure_in_another_thread_while_nothing_is_left_to_be_told_is_told(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(gallery, "a")
    snapshot = gallery._keyring._database.snapshot

    @contextmanager
    def then_somebody_goes() -> Iterator[Any]:
        monkeypatch.undo()
        with snapshot() as connection:
            yield connection
        gallery.remove("a")

    monkeypatch.setattr(gallery._keyring._database, "snapshot", then_somebody_goes)
    assert gallery.erasures() == []
    assert [one.erased.person_id for one in gallery.erasures()] == ["a"]


def test_no_memory_of_who_was_erased_is_kept(gallery: Gallery) -> None:
    for model in (MODEL, "other@1#0"):
        gallery.index(model, 16)
        gallery.add("a", FACES[0], model=model, quality=0.9, source="photo", limit=5)
    enrol(gallery, "b", 1)
    gallery.remove("a")
    assert list(gallery._ids.values()) == ["b"]


def test_once_it_is_settled_nothing_of_the_id_is_left_in_the_files(
    gallery: Gallery, tmp_path: Path
) -> None:
    enrol(gallery, "canary-1")
    gallery.remove("canary-1")
    for erasure in gallery.erasures():
        gallery.settle(erasure)
    for table in ("keys", "destroyed"):
        with gallery._keyring._database.snapshot() as connection:
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []
    assert (tmp_path / "gallery.keys-wal").stat().st_size == 0


def test_an_id_may_be_given_again_and_each_erasure_counts(gallery: Gallery) -> None:
    for number in range(3):
        enrol(gallery, "a", number)
        assert gallery.remove("a")
    assert [one.erased.person_id for one in gallery.erasures()] == ["a"] * 3
    enrol(gallery, "a")
    gallery.erasures()
    assert gallery.person("a") is not None


# receipts

ERASED = Erased("E1042", "request", "2027-03-01T12:00:00.000Z", 5, 17, "0" * 32)


def test_a_receipt_is_checked_with_the_key_of_the_terminal_and_says_what_was_done() -> None:
    identity = Identity(KEY)
    token = make_receipt(ERASED, "hq/door-1", identity)
    receipt = check_receipt(f" {token}\n", identity.signing_public)
    assert receipt.model_dump() == {
        "jti": "0" * 32,
        "iss": "hq/door-1",
        "sub": "E1042",
        "at": "2027-03-01T12:00:00.000Z",
        "reason": "request",
        "templates": 5,
        "revision": 17,
        "key": "destroyed",
    }
    assert make_receipt(ERASED, "hq/door-1", Identity(KEY)) == token


def test_a_receipt_that_was_altered_forged_or_signed_for_something_else_is_refused() -> None:
    identity, other = Identity(KEY), Identity(Secret(bytes(32)))
    header, payload, signature = make_receipt(ERASED, "hq/door-1", identity).split(".")
    told = json.loads(base64.urlsafe_b64decode(payload + "=="))
    altered = base64.urlsafe_b64encode(json.dumps(told | {"sub": "E1"}).encode()).decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"%s"}' % TYP.encode()).decode()
    for bad in (
        f"{header}.{altered.rstrip('=')}.{signature}",
        f"{none.rstrip('=')}.{payload}.",
        make_receipt(ERASED, "hq/door-1", other),
        identity.sign(told),
        identity.sign(told, "JWT"),
        "",
        "a.b.c",
        "é" * 10_000,
        f"{header}.{payload}",
    ):
        with pytest.raises(GalleryError, match="no receipt"):
            check_receipt(bad, identity.signing_public)
    for strange in ({}, told | {"more": 1}, told | {"key": "kept"}, told | {"templates": -1}):
        with pytest.raises(GalleryError, match="form"):
            check_receipt(identity.sign(strange, TYP), identity.signing_public)
    with pytest.raises(KeyUnavailable):
        check_receipt(f"{header}.{payload}.{signature}", identity.sealing_public)


# what may be said of a person


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"valid_from": "2027-02-02", "valid_until": "2027-02-01"}, "ends before it begins"),
        ({"valid_from": "2027-02-02", "valid_until": "2027-02-02"}, "ends before it begins"),
        (
            {"consent": {"basis": "x", "given": "2027-02-02", "expires": "2027-01-01"}},
            "consent.expires: it ends before",
        ),
        ({"valid_until": "2027-02-29"}, "expected a date"),
        ({"valid_until": "2027-01-31T18:00"}, "needs its zone"),
        ({"valid_until": "10000-01-01"}, "expected a date"),
        ({"valid_until": 1e300}, "valid_until"),
        ({"valid_until": float("nan")}, "valid_until"),
        ({"valid_until": True}, "valid_until"),
        ({"groups": [f"{n}" for n in range(1001)]}, "groups"),
        ({"groups": ["a\nb"]}, "groups"),
        ({"groups": "staff"}, "groups"),
        ({"consent": {"basis": "x" * 10_000}}, "consent.basis"),
        ({"consent": {}}, "consent.basis"),
        ({"consent": "yes"}, "consent"),
        ({"retention_days": -1}, "retention_days"),
        ({"retention_days": 3651}, "retention_days"),
        ({"salary": 1}, "salary"),
        ({"name": " "}, "name"),
        ([], "profile"),
    ],
)
def test_a_bad_profile_is_refused_with_its_place_and_without_its_value(bad: Any, why: str) -> None:
    with pytest.raises(GalleryError, match=why) as caught:
        read_profile(bad)
    assert len(str(caught.value)) < 350
    assert "xxxxx" not in str(caught.value)


def test_leap_days_zones_and_the_last_year_are_dates() -> None:
    assert read_profile({"valid_until": "2028-02-29"}).end == 1835395200
    zone, utc = "2027-01-31T18:00+01:00", "2027-01-31T17:00Z"
    assert read_profile({"valid_until": zone}) == read_profile({"valid_until": utc})
    last = read_profile({"valid_until": "9999-12-31T23:59:59Z"})
    assert last.told()["valid_until"] == "9999-12-31T23:59:59Z"
    assert last.in_force(NOON)
    past = read_profile({"valid_until": "1970-01-01"})
    assert not past.in_force(NOON)


def test_a_change_replaces_what_it_names_and_null_clears(gallery: Gallery) -> None:
    enrol(gallery, "a", name="Ann", groups=("staff",), valid_until=NOON, retention_days=3)
    gallery.change_profile("a", lambda p: amended(p, {"groups": ["lab", "staff"], "name": None}))
    assert gallery.profile("a") == Profile(
        groups=("lab", "staff"), valid_until=NOON, retention_days=3
    )
    with pytest.raises(GalleryError, match="ends before"):
        gallery.change_profile("a", lambda p: amended(p, {"valid_from": NOON + 1}))
    with pytest.raises(GalleryError, match="nobody is enrolled"):
        gallery.change_profile("b", lambda p: p)
    assert gallery.profile("a") == Profile(
        groups=("lab", "staff"), valid_until=NOON, retention_days=3
    )


def test_a_closed_gallery_settles_nothing(gallery: Gallery) -> None:
    enrol(gallery, "a")
    gallery.remove("a")
    (erasure,) = gallery.erasures()
    gallery.close()
    for work in (gallery.erasures, lambda: gallery.settle(erasure)):
        with pytest.raises(StorageError, match="not open"):
            work()
