"""What is forged, altered, late, twice, misplaced or garbage changes nothing; the site is told."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edged.config.schema import Commands
from edged.gallery.profile import Profile
from edged.mqtt.auth import Keyring
from edged.sync.entries import Entry, write_entry
from edged.sync.wire import LARGEST_MESSAGE, join, split
from tests.sync.parties import (
    MODEL,
    SIGNER,
    STRANGER,
    Site,
    Terminal,
    signed,
    template,
    templates,
    unsigned,
    verified,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site.db", "door-1", "door-2")
    site.enrol("ann", "bob")
    return site


@pytest.fixture
def door(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "door-1", shares=False)


@pytest.fixture(scope="module")
def one_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """For all who leave it as it was."""
    site = Site(tmp_path_factory.mktemp("site") / "site.db", "door-1", "door-2")
    site.enrol("ann", "bob")
    return site


@pytest.fixture(scope="module")
def one_door(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """For all who take nothing."""
    return Terminal(tmp_path_factory.mktemp("terminal") / "door-1", shares=False)


def batch(site: Site, door: Terminal, held: int = 0) -> bytes:
    """The site's answer to a terminal that holds this much."""
    sealing = door.identity.sealing_id
    pull = json.dumps({"held": held, "want": "log", "sealing": sealing}).encode()
    answer = site.answer(door.name, pull)
    assert answer is not None
    assert answer[0] == "batch"
    return answer[1]


def listening(door: Terminal, site: Site) -> Terminal:
    """It knows the head and has asked for the log."""
    door.follower.connected(door.now_s)
    door.hear("head", site.head(door.name))
    door.sent.clear()
    return door


def resigned(message: bytes, key: Ed25519PrivateKey = SIGNER, **changes: Any) -> bytes:
    """The same with other claims, signed anew."""
    line, sealed = split(message)
    return join(signed({**unsigned(line), **changes}, key), sealed)


def untouched(door: Terminal) -> bool:
    return door.people == [] and door.held == 0 and door.gallery.revision == 0


def test_a_batch_that_is_as_it_should_be_is_taken(site: Site, door: Terminal) -> None:
    listening(door, site).hear("batch", batch(site, door))
    assert door.people == ["ann", "bob"]


FORGED: dict[str, Callable[[bytes], bytes]] = {
    "signed by a stranger": lambda m: resigned(m, STRANGER),
    "an altered signature": lambda m: m.replace(m[: m.find(b"\n")][-8:], b"AAAAAAAA", 1),
    "for another terminal": lambda m: resigned(m, aud="hq/door-2"),
    "of another site": lambda m: resigned(m, aud="other/door-1"),
    "of another log": lambda m: resigned(m, log="another"),
    "of another epoch": lambda m: resigned(m, epoch=2),
    "with another digest": lambda m: resigned(m, digest="A" * 43),
    "with altered content": lambda m: m[:-1] + bytes([m[-1] ^ 1]),
    "without content": lambda m: m[: m.find(b"\n") + 1],
    "without a line": lambda m: m.replace(b"\n", b"", 1),
    "with other revisions": lambda m: resigned(m, to=3),
    "from the middle, so that there is a gap": lambda m: resigned(m, **{"from": 1}),
    "with a revision that is no number": lambda m: resigned(m, to="2"),
    "with a negative revision": lambda m: resigned(m, **{"from": -1}),
    "with a revision beyond all": lambda m: resigned(m, to=2**70),
    "backwards": lambda m: resigned(m, **{"from": 2, "to": 1}),
    "with an unknown claim": lambda m: resigned(m, more=1),
    "a head": lambda m: resigned(m, sync="head"),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_batch_changes_nothing_when_it_is(
    one_site: Site, one_door: Terminal, forge: Callable[[bytes], bytes]
) -> None:
    one_door.hear("batch", forge(batch(one_site, listening(one_door, one_site))))
    assert untouched(one_door)


@pytest.mark.parametrize("kind", ["head", "batch", "chunk", "pull", "nonsense"])
def test_garbage_of_any_size_changes_nothing(site: Site, door: Terminal, kind: str) -> None:
    listening(door, site)
    for garbage in (
        b"",
        b"\n",
        b"{}",
        b"a.b.c",
        b"\xff" * 100,
        b"[" * 70_000,
        b"{" * 30_000 + b"\n",
        b"." * 70_000 + b"\n" + b"x",
        os.urandom(LARGEST_MESSAGE),
        b"A" * LARGEST_MESSAGE,
        b"A" * (LARGEST_MESSAGE + 1),
        b"\n" * LARGEST_MESSAGE,
    ):
        door.hear(kind, garbage)
    assert untouched(door)
    door.hear("batch", batch(site, door))
    assert door.people == ["ann", "bob"]


def test_a_key_without_the_role_is_not_believed(site: Site, door: Terminal) -> None:
    pem = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = {"id": "site", "public_key": pem.decode(), "roles": ["operator", "maintainer"]}
    door.follower._verify = verified(Keyring(Commands.model_validate({"keys": [key]})))
    listening(door, site).hear("batch", batch(site, door))
    assert untouched(door)


def test_unsigned_is_not_believed_even_where_unsigned_commands_are(
    site: Site, door: Terminal
) -> None:
    door.follower._verify = verified(Keyring(Commands(allow_unsigned=True)))
    head = json.dumps(unsigned(site.head("door-1")))
    door.follower.connected(door.now_s)
    door.hear("head", head)
    assert door.follower.status["behind"] is None


def test_what_is_sealed_to_another_terminal_is_refused_and_the_site_sees_it(
    site: Site, door: Terminal, tmp_path: Path
) -> None:
    other = Terminal(tmp_path / "door-2", "door-2")
    content = batch(site, other)
    listening(door, site).hear("batch", resigned(content, aud="hq/door-1"))
    assert untouched(door)
    assert "not sealed to this terminal" in door.refused["reason"]
    assert json.loads(door.sent[-1][1])["refused"]["revision"] == 1


def test_the_same_batch_twice_is_taken_once(site: Site, door: Terminal) -> None:
    message = batch(site, listening(door, site))
    door.hear("batch", message)
    revision = door.gallery.revision
    door.hear("batch", message)
    assert door.gallery.revision == revision
    assert door.held == 2


def test_batches_out_of_order_end_in_what_the_log_says(site: Site, door: Terminal) -> None:
    first = batch(site, listening(door, site))
    site.remove("ann")
    site.enrol("cyd")
    door.hear("head", site.head("door-1"))
    second = batch(site, door, held=2)
    door.hear("batch", second)
    assert untouched(door)
    door.hear("batch", first)
    door.hear("batch", second)
    door.hear("batch", first)
    assert door.people == ["bob", "cyd"]
    assert door.held == 4


def test_an_overlapping_batch_adds_only_what_is_new(site: Site, door: Terminal) -> None:
    first = batch(site, listening(door, site))
    site.enrol("cyd")
    overlapping = batch(site, door, held=1)
    door.hear("head", site.head("door-1"))
    door.hear("batch", first)
    revision = door.gallery.revision
    door.hear("batch", overlapping)
    assert door.people == ["ann", "bob", "cyd"]
    assert door.gallery.revision == revision + 1


def test_a_gap_is_asked_for_again_from_what_is_held(site: Site, door: Terminal) -> None:
    listening(door, site).hear("batch", batch(site, door, held=1))
    assert untouched(door)
    pull = json.loads(door.sent[-1][1])
    assert (pull["want"], pull["held"]) == ("log", 0)


def test_a_flood_of_old_batches_is_not_answered_by_a_flood(site: Site, door: Terminal) -> None:
    message = batch(site, listening(door, site))
    for _ in range(200):
        door.hear("batch", message)
    assert len(door.sent) < 5


def test_an_old_head_that_is_sent_again_is_not_believed(site: Site, door: Terminal) -> None:
    old = site.head("door-1")
    door.meet(site)
    site.enrol("cyd")
    door.meet(site)
    door.hear("head", old)
    assert door.follower.status["behind"] == 0
    door.stop().start()
    door.follower.connected(door.now_s)
    door.hear("head", old)
    assert door.held == 3
    assert door.follower.status["behind"] is None  # nor after a restart
    door.meet(site)
    assert door.follower.status["behind"] == 0


def test_a_head_for_another_terminal_is_not_believed(site: Site, door: Terminal) -> None:
    door.follower.connected(door.now_s)
    door.hear("head", site.head("door-2"))
    assert door.follower.status["behind"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"revision": 1},
        {"oldest": 9},
        {"oldest": 0},
        {"epoch": 0},
        {"epoch": 2**33},
        {"snapshot": {}},
        {"log": "a/b"},
        {"log": "x" * 65},
        {"sync": "batch"},
    ],
)
def test_an_impossible_head_is_not_believed(
    site: Site, door: Terminal, change: dict[str, Any]
) -> None:
    site.compact(keep=0)
    door.follower.connected(door.now_s)
    door.hear("head", signed({**unsigned(site.head("door-1")), **change}))
    assert door.follower.status["behind"] is None


# snapshots


def snapshot(site: Site, door: Terminal, change: Callable[[dict[str, Any]], None]) -> list[str]:
    """The terminal is offered a head whose snapshot was changed; what it asks for then."""
    claims = unsigned(site.head("door-1"))
    change(claims["snapshot"])
    door.follower.connected(door.now_s)
    door.hear("head", signed(claims))
    door.go_on(site, most=20)
    return door.people


def test_a_chunk_with_another_digest_is_not_taken(site: Site, door: Terminal) -> None:
    site.compact(keep=0)
    assert snapshot(site, door, lambda s: s.update(digests=["A" * 43])) == []
    assert door.held == 0


def test_a_snapshot_key_for_another_terminal_is_refused(site: Site, door: Terminal) -> None:
    site.compact(keep=0)
    other = unsigned(site.head("door-2"))["snapshot"]["key"]
    assert snapshot(site, door, lambda s: s.update(key=other)) == []
    assert "not sealed to this terminal" in door.refused["reason"]


@pytest.mark.parametrize("key", ["", "no base64!", "AAAA", "A" * 400])
def test_a_snapshot_key_that_is_none_is_refused(site: Site, door: Terminal, key: str) -> None:
    site.compact(keep=0)
    assert snapshot(site, door, lambda s: s.update(key=key)) == []
    assert door.refused


def test_chunks_in_another_order_are_not_taken(site: Site, door: Terminal) -> None:
    site.enrol("cyd", "dan")
    site.make_snapshot(1)
    site.compact(keep=0)
    assert snapshot(site, door, lambda s: s["digests"].reverse()) == []


def test_a_chunk_that_was_not_asked_for_is_not_taken(site: Site, door: Terminal) -> None:
    site.make_snapshot(1)
    site.compact(keep=0)
    identity = door.identity.sealing_id
    made = unsigned(site.head("door-1"))["snapshot"]["id"]
    pull = {"want": "chunk", "snapshot": made, "chunk": 1, "sealing": identity}
    answer = site.answer("door-1", json.dumps(pull).encode())
    assert answer is not None
    listening(door, site).hear(*answer)
    assert untouched(door)


def test_the_largest_snapshot_fits_into_a_head(site: Site, door: Terminal) -> None:
    claims = unsigned(Site.head(_compacted(site), "door-1"))
    claims["snapshot"]["digests"] = ["A" * 43] * 1000
    door.follower.connected(door.now_s)
    door.hear("head", signed(claims))
    assert door.follower.status["behind"] == 2


def _compacted(site: Site) -> Site:
    site.compact(keep=0)
    return site


# entries


def entry(**changes: Any) -> dict[str, Any]:
    return {**write_entry(Entry(1, "eve", Profile(), templates("eve"))), **changes}


def numbers(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


def with_template(**changes: Any) -> dict[str, Any]:
    good = entry()["templates"][0]
    return entry(templates=[{**good, **changes}])


BAD: dict[str, Any] = {
    "no object": 7,
    "empty": {},
    "an unknown word": entry(op="insert"),
    "an unknown field": entry(more=1),
    "an id of 4 kB": entry(person_id="x" * 4096),
    "an empty id": entry(person_id=""),
    "an id with a newline": entry(person_id="a\nb"),
    "an id with a NUL": entry(person_id="a\0b"),
    "an id that is a path": entry(person_id="../../etc"),
    "an id that is a filter": entry(person_id="#"),
    "an id in another Unicode form": entry(person_id="e\u0301ve"),
    "an id that is a number": entry(person_id=7),
    "a lone surrogate": entry(person_id="\ud800"),
    "no templates": entry(templates=[]),
    "too many templates": entry(templates=entry()["templates"] * 101),
    "a removal with templates": entry(op="remove"),
    "an absurd profile": entry(profile={"valid_until": "tomorrow"}),
    "a profile with an unknown field": entry(profile={"salary": 1}),
    "a name of 4 kB": entry(profile={"name": "x" * 4096}),
    "numbers that are none": with_template(embedding=numbers(float("nan"), *[0.1] * 15)),
    "infinite numbers": with_template(embedding=numbers(float("inf"), *[0.1] * 15)),
    "zeros": with_template(embedding=numbers(*[0.0] * 16)),
    "another length": with_template(embedding=numbers(*[1.0] * 16)),
    "half a number": with_template(embedding=base64.b64encode(b"\0" * 7).decode()),
    "no base64": with_template(embedding="!!!!"),
    "an embedding of megabytes": with_template(embedding="A" * 600_000),
    "no embedding": with_template(embedding=""),
    "a quality beyond 1": with_template(quality=1.5),
    "a quality that is no number": with_template(quality="good"),
    "a long model": with_template(model="m" * 300),
    "an empty model": with_template(model=""),
    "a source with a line end": with_template(source="a\n"),
    "a moment that is none": with_template(created="yesterday"),
    "two sizes of one model": entry(
        templates=[
            entry()["templates"][0],
            {**entry()["templates"][0], "embedding": numbers(1.0, 0.0)},
        ]
    ),
    "another size than the model has here": entry(
        templates=[{**entry()["templates"][0], "embedding": numbers(1.0, 0.0)}]
    ),
    "no revision": {k: v for k, v in entry().items() if k != "revision"},
    "another revision": entry(revision=7),
}


def says(site: Site, door: Terminal, content: bytes, end: int) -> Terminal:
    """The site itself is wrong: this content, well signed and sealed."""
    site.journal.revision = max(site.journal.revision, end)
    listening(door, site).hear("batch", site.batch_of(door.name, 0, end, content))
    return door


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_batch_is_refused_whole_for_an_entry_with(
    one_site: Site, one_door: Terminal, bad: Any
) -> None:
    good = write_entry(Entry(2, "bob", Profile(), templates("bob")))
    says(one_site, one_door, json.dumps({"entries": [bad, good]}).encode(), 2)
    assert one_door.people == []
    assert one_door.held == 0
    assert one_door.refused["revision"] == 1 or bad == entry(revision=7)
    told = json.loads(one_door.sent[-1][1])
    assert told["refused"]["reason"] == one_door.refused["reason"]
    assert len(one_door.refused["reason"]) < 400
    assert "xxxx" not in one_door.refused["reason"]  # nothing of it is repeated


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        b"[]",
        b'{"entries": 3}',
        b'{"entries": []}',
        b"[" * 100_000,
        json.dumps({"entries": [entry()] * 1001}).encode(),
        json.dumps({"entries": [entry(), entry()]}).encode(),
        json.dumps({"entries": [entry(), entry(revision=3)]}).encode(),
        json.dumps({"entries": [entry(revision=2), entry()]}).encode(),
    ],
    ids=range(10),
)
def test_a_batch_is_refused_whole_when_revisions_or_content_are_not_what_it_says(
    one_site: Site, one_door: Terminal, content: bytes
) -> None:
    assert says(one_site, one_door, content, 2).people == []
    assert json.loads(one_door.sent[-1][1])["refused"]
    assert one_door.refused


def test_what_is_refused_is_asked_for_again_but_not_soon(site: Site, door: Terminal) -> None:
    says(site, door, b"nothing", 2)
    door.sent.clear()
    door.hear("head", site.head("door-1"))
    assert door.sent == []
    assert door.follower.due_s() >= door.now_s + 30


def test_a_site_that_mends_what_was_refused_is_followed_again(site: Site, door: Terminal) -> None:
    says(site, door, b"nothing", 2)
    site.compact(keep=0)
    door.sent.clear()
    door.hear("head", site.head("door-1"))
    door.go_on(site)
    assert door.people == ["ann", "bob"]
    assert door.refused is None


# patience


def test_a_silent_site_is_asked_ever_more_rarely(site: Site, door: Terminal) -> None:
    door.follower.connected(door.now_s)
    waits = []
    for _ in range(12):
        waits.append(door.follower.due_s() - door.now_s)
        door.now_s = door.follower.due_s()
        door.follower.tick(door.now_s)
    assert len(door.sent) == 12
    assert waits[1:] == sorted(waits[1:])
    assert waits[-1] == 300


def test_nothing_is_asked_once_all_is_held(site: Site, door: Terminal) -> None:
    door.meet(site)
    assert door.follower.due_s() == float("inf")
    door.sent.clear()
    door.hear("head", site.head("door-1"))
    assert door.sent == []


def test_the_last_thing_said_is_what_is_held(site: Site, door: Terminal) -> None:
    door.follower.connected(door.now_s)
    door.hear("head", site.head("door-1"))
    door.hear("batch", batch(site, door))
    told = json.loads(door.sent[-1][1])
    assert (told["want"], told["held"], told["epoch"]) == (None, 2, site.journal.epoch)


def test_nothing_is_asked_without_a_connection(site: Site, door: Terminal) -> None:
    door.meet(site)
    door.follower.disconnected()
    assert door.follower.due_s() == float("inf")


def test_sizes_of_a_model_may_differ_between_sites_models(site: Site, door: Terminal) -> None:
    site.upsert("cyd", {"other@1#0": [template("cyd", 8)], MODEL: [template("cyd")]}, Profile())
    door.meet(site)
    assert door.who("cyd") == "cyd"
