"""Keys that change over MQTT: what a new key may, what an old one may no longer, for ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from edged.errors import DiskFull
from edged.events.outbox import Outbox
from edged.mqtt.auth import Keyring, Refusal
from edged.mqtt.keys import MOST_RECORDS, Book, Record, configured_keys, write_book
from edged.mqtt.rotation import NOTE, Rotation
from edged.mqtt.sign import prove_key
from edged.vault.secret import Secret
from tests.mqtt.conftest import TOPICS, KeyPair, key_pair
from tests.mqtt.conftest import settings as mqtt_settings
from tests.mqtt.desk import AUDIENCE, Desk, Watch, good

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHIEF, DEPUTY, GUARD = key_pair(), key_pair(), key_pair()
ROLES = {"chief": ["maintainer", "operator"], "deputy": ["maintainer"], "guard": ["operator"]}
ROTATE, REVOKE = TOPICS.command("keys.rotate"), TOPICS.command("keys.revoke")


class Place:
    """A terminal's gate with keys that change; `keys` are all private ones of the site."""

    def __init__(self, store: Any, configured: dict[str, KeyPair], **more: Any) -> None:
        self.keys = dict(configured)
        self.store = store
        listed = [
            {"id": name, "public_key": pair.public, "roles": ROLES.get(name, ["maintainer"])}
            for name, pair in configured.items()
        ]
        commands = {"keys": listed} | more
        self.settings = mqtt_settings(1883, commands=commands).commands
        self.watch = Watch()
        self.keyring = Keyring(self.settings, self.watch.now)
        self.rotation = Rotation(self.keyring, self.settings, AUDIENCE, store, self.watch)
        self.rotation.open()
        self.desk = Desk(store, keyring=self.keyring, watch=self.watch, **commands)
        self.desk.commands._handlers.update(self.rotation.handlers())

    def ask(self, who: str, command: str, args: dict[str, Any], kid: str | None = None) -> str:
        order = good(command, args, key=self.keys[who], kid=kid or who)
        reply = self.desk.ask(order, TOPICS.command(command))
        return str(reply["reason"])

    def unlock(self, who: str, kid: str | None = None) -> str:
        return self.ask(who, "door.unlock", {}, kid)

    def rotate(self, who: str, old: str, new: str, overlap_s: float = 600, **more: Any) -> str:
        pair = more.pop("pair", None) or self.keys.get(new) or key_pair()
        self.keys.setdefault(new, pair)
        args = {
            "id": old,
            "new_id": new,
            "public_key": pair.public,
            "proof": prove_key(pair.private, AUDIENCE, new, old),
            "overlap_s": overlap_s,
        }
        return self.ask(who, "keys.rotate", args | more)

    def revoke(self, who: str, key: str) -> str:
        return self.ask(who, "keys.revoke", {"id": key})

    @property
    def told(self) -> dict[str, tuple[list[str], str | None]]:
        return {k["id"]: (k["roles"], k["replaced_by"]) for k in self.rotation.document()}

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [e.data for e in self.store.pending(limit=1000) if e.type == kind]


ALL = {"chief": CHIEF, "deputy": DEPUTY, "guard": GUARD}


@pytest.fixture
def make_place(outbox: Outbox) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(configured: dict[str, KeyPair] | None = None, **more: Any) -> Place:
        for place in made:
            place.desk.commands.close()
        made.append(Place(outbox, configured or ALL, **more))
        made[-1].keys = (made[0].keys if len(made) > 1 else {}) | made[-1].keys
        return made[-1]

    yield make
    for place in made:
        place.desk.commands.close()


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()


def test_a_new_key_takes_over_and_the_old_one_counts_until_the_overlap_ends(place: Place) -> None:
    assert place.rotate("chief", "guard", "guard-2") == "done"
    assert place.unlock("guard") == "done"
    assert place.unlock("guard-2") == "done"
    assert place.told == {
        "chief": (["maintainer", "operator"], None),
        "deputy": (["maintainer"], None),
        "guard": (["operator"], "guard-2"),
        "guard-2": (["operator"], None),
    }
    place.watch.floor = place.watch.now() + 601
    place.watch.trusted = False  # so that a command signed by this machine's clock is not late
    assert isinstance(place.keyring.find("guard"), Refusal)
    assert "guard" not in place.told
    (event,) = place.events("command.key_rotated")
    assert (event["id"], event["replaced_by"], event["key"]) == ("guard", "guard-2", "chief")


def test_without_an_overlap_the_old_key_ends_at_once_whatever_the_clock_does(place: Place) -> None:
    assert place.rotate("chief", "guard", "guard-2", 0) == "done"
    assert place.unlock("guard") == "replaced_key"
    place.watch.ahead_s = -1e9
    found = place.keyring.find("guard")
    assert isinstance(found, Refusal)


def test_the_overlap_is_at_most_what_the_installer_allows(
    make_place: Callable[..., Place],
) -> None:
    place = make_place(rotation_overlap_s=0)
    assert place.rotate("chief", "guard", "guard-2", 2_592_000) == "done"
    assert place.unlock("guard") == "replaced_key"
    assert place.unlock("guard-2") == "done"


def test_a_new_key_may_never_more_than_the_old_one(place: Place) -> None:
    place.rotate("chief", "guard", "guard-2")
    assert place.revoke("guard-2", "chief") == "wrong_role"
    assert place.rotate("guard-2", "guard-2", "guard-3") == "wrong_role"


def test_a_restart_changes_nothing(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.rotate("chief", "guard", "guard-2")
    place.rotate("chief", "guard-2", "guard-3", 0)
    place.revoke("chief", "deputy")
    told = place.told
    again = make_place()
    assert again.told == told
    assert again.unlock("guard-2") == "replaced_key"
    assert again.unlock("guard-3") == "done"
    assert again.rotate("deputy", "guard-3", "guard-4") == "revoked_key"


def test_keys_are_replaced_in_a_chain(place: Place) -> None:
    for number in range(2, 6):
        old = "guard" if number == 2 else f"guard-{number - 1}"
        assert place.rotate("deputy", old, f"guard-{number}", 0) == "done"
    assert place.unlock("guard-5") == "done"
    assert {place.unlock(f"guard-{n}") for n in (2, 3, 4)} == {"replaced_key"}
    one = place.keyring.find("guard-5")
    first = configured_keys(place.settings)["guard"]
    assert not isinstance(one, Refusal)
    assert one.person == first.x


def test_a_maintainer_replaces_their_own_key_and_then_the_old_one_changes_none(
    place: Place,
) -> None:
    assert place.rotate("chief", "chief", "chief-2") == "done"
    assert place.unlock("chief") == "done"
    assert place.rotate("chief", "guard", "guard-2") == "replaced_key"
    assert place.rotate("chief", "chief-2", "chief-3") == "replaced_key"
    assert place.revoke("chief", "chief-2") == "replaced_key"
    assert place.revoke("chief-2", "chief") == "done"
    assert place.unlock("chief") == "revoked_key"
    assert place.rotate("chief-2", "guard", "guard-3") == "done"


def test_a_key_is_replaced_once(place: Place) -> None:
    place.rotate("chief", "guard", "guard-2")
    assert place.rotate("chief", "guard", "guard-3") == "already_replaced"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "nobody"}, "no_such_key"),
        ({"new_id": "deputy"}, "id_used"),
        ({"new_id": "guard"}, "id_used"),
        ({"public_key": DEPUTY.public}, "key_used"),
        ({"public_key": "-----BEGIN PUBLIC KEY-----\nx"}, "bad_key"),
        ({"proof": "a.b.c"}, "bad_proof"),
        ({"proof": ""}, "bad_proof"),
        ({"proof": prove_key(GUARD.private, AUDIENCE, "new", "guard")}, "bad_proof"),
    ],
)
def test_a_rotation_that_is_not_right_changes_nothing(
    place: Place, change: dict[str, Any], reason: str
) -> None:
    before = place.told
    assert place.rotate("chief", "guard", "new", **change) == reason
    assert place.told == before
    assert place.store.note(NOTE) is None
    assert place.events("command.key_rotated") == []


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "hq/door-2", "id": "new", "replaces": "guard"},
        {"aud": AUDIENCE, "id": "other", "replaces": "guard"},
        {"aud": AUDIENCE, "id": "new", "replaces": "chief"},
        {"aud": AUDIENCE, "id": "new", "replaces": "guard", "more": 1},
        [],
    ],
)
def test_a_proof_is_for_this_terminal_this_key_and_this_place(place: Place, claims: Any) -> None:
    pair = key_pair()
    proof = jwt.PyJWS().encode(
        json.dumps(claims).encode(), pair.private, algorithm="EdDSA", headers={"typ": "edged-key"}
    )
    assert place.rotate("chief", "guard", "new", pair=pair, proof=proof) == "bad_proof"


def test_a_command_is_no_proof_and_a_proof_no_command(place: Place) -> None:
    pair = key_pair()
    proof = jwt.PyJWS().encode(
        json.dumps({"aud": AUDIENCE, "id": "new", "replaces": "guard"}).encode(),
        pair.private,
        algorithm="EdDSA",
    )
    assert place.rotate("chief", "guard", "new", pair=pair, proof=proof) == "bad_proof"
    token = prove_key(GUARD.private, AUDIENCE, "guard", "guard")
    assert place.desk.ask(token)["reason"] == "wrong_type"


def test_no_key_and_no_id_comes_back(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.rotate("chief", "guard", "guard-2", 0)
    place.rotate("chief", "guard-2", "guard-3", 0)
    place.revoke("chief", "guard-3")
    old = place.keys["guard-2"]
    for name in ("guard", "guard-2", "guard-3"):
        assert place.rotate("chief", "deputy", name) == "id_used"
        assert place.rotate("chief", "deputy", "new", pair=place.keys[name]) == "key_used"
    again = make_place()
    assert again.rotate("chief", "deputy", "new", pair=old) == "key_used"


def test_a_replayed_rotation_brings_nothing_back(make_place: Callable[..., Place]) -> None:
    place = make_place()
    pair = place.keys["thief"] = key_pair()
    proof = prove_key(pair.private, AUDIENCE, "thief", "guard")
    args = {"id": "guard", "new_id": "thief", "public_key": pair.public, "proof": proof}
    order = good("keys.rotate", args, key=CHIEF, kid="chief")
    assert place.desk.ask(order, ROTATE)["reason"] == "done"
    assert place.revoke("chief", "thief") == "done"
    assert place.desk.ask(order, ROTATE)["reason"] == "replayed"
    again = make_place()
    assert again.desk.ask(order, ROTATE)["reason"] == "replayed"
    assert again.unlock("thief") == "revoked_key"


def test_the_last_maintainer_stays(place: Place) -> None:
    assert place.revoke("chief", "deputy") == "done"
    assert place.revoke("chief", "chief") == "last_maintainer"
    assert place.rotate("chief", "chief", "chief-2") == "done"
    assert place.revoke("chief-2", "chief-2") == "last_maintainer"
    assert place.revoke("chief-2", "guard") == "done"
    assert [event["id"] for event in place.events("command.key_revoked")] == ["deputy", "guard"]


def test_an_unknown_key_cannot_be_revoked_and_a_revoked_one_only_once(place: Place) -> None:
    assert place.revoke("chief", "nobody") == "no_such_key"
    place.revoke("chief", "guard")
    assert place.revoke("chief", "guard") == "no_such_key"
    assert place.unlock("guard") == "revoked_key"


def test_the_configuration_has_the_last_word(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.rotate("chief", "guard", "guard-2", 0)
    place.revoke("chief", "deputy")
    fresh = key_pair()
    again = make_place({**ALL, "guard": fresh})
    assert again.unlock("guard") == "done"  # exchanged by the installer: begins afresh
    assert again.unlock("guard-2") == "unknown_key"
    assert again.revoke("chief", "deputy") == "no_such_key"  # untouched by the installer
    gone = make_place({"chief": CHIEF})
    assert gone.unlock("guard-2") == "unknown_key"
    moved = make_place({"chief": CHIEF, "guard-2": place.keys["guard-2"], "x": GUARD})
    assert moved.rotate("guard-2", "chief", "chief-2") == "done"  # the installer's word: its roles
    assert moved.unlock("guard", "x") == "replaced_key"  # a public key that was replaced stays so


def test_a_successor_has_the_roles_that_its_root_has_in_the_configuration_now(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_place()
    place.rotate("deputy", "chief", "chief-2")
    assert place.unlock("chief-2") == "done"
    monkeypatch.setitem(ROLES, "chief", ["maintainer"])
    again = make_place()
    assert again.unlock("chief-2") == "wrong_role"


@pytest.mark.parametrize(
    "garbage",
    ["", "nonsense", "[]", '{"v":2}', '{"v":1,"records":[{}]}', "[" * 50_000, '{"v":1,"keys":[]}'],
)
def test_a_note_that_cannot_be_read_leaves_no_key_and_says_so(
    outbox: Outbox,
    make_place: Callable[..., Place],
    garbage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox.keep_note(NOTE, garbage)
    place = make_place()
    assert place.told == {}
    assert place.rotation.problem is not None
    assert "edged keys" in caplog.text
    assert place.unlock("guard") == "keys_unreadable"
    assert place.rotate("chief", "guard", "guard-2") == "keys_unreadable"
    outbox.keep_note(NOTE, None)
    assert make_place().unlock("guard") == "done"


def test_without_a_clock_there_is_no_overlap(make_place: Callable[..., Place]) -> None:
    place = make_place(unsynced_clock="accept")
    place.watch.trusted = False
    assert place.rotate("chief", "guard", "guard-2") == "clock_unsynced"
    assert place.rotate("chief", "guard", "guard-2", 0) == "done"
    assert place.unlock("guard") == "replaced_key"


def test_unsigned_commands_change_no_keys(make_place: Callable[..., Place]) -> None:
    from tests.mqtt.desk import claims

    place = make_place(allow_unsigned=True)
    order = json.dumps(claims(cmd="keys.revoke", args={"id": "guard"}))
    assert place.desk.ask(order, REVOKE)["reason"] == "unsigned"
    assert place.unlock("guard") == "done"


def test_what_cannot_be_recorded_changes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise DiskFull("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(place.store, "keep_note", full)
        assert place.rotate("chief", "guard", "guard-2", 0) == "not_recorded"
        assert place.revoke("chief", "guard") == "not_recorded"
    assert place.unlock("guard") == "done"
    assert "guard-2" not in place.told


def test_a_thousand_rotations_fit_and_what_stands_in_the_configuration_is_never_forgotten(
    place: Place,
) -> None:
    configured = configured_keys(place.settings)
    book = Book(v=1)
    guard = configured["guard"]
    first = Record(
        id="g" * 64, x=guard.x, root="g" * 64, root_x=guard.x, person=guard.x, replaced_by="y" * 64
    )
    book = book.with_record(first)
    for number in range(300):
        x = f"{number:043d}"
        book = book.with_record(
            first.model_copy(update={"x": x, "until": 1_700_000_000.123, "revoked": True})
        ).pruned(configured)
    assert len(book.records) == MOST_RECORDS
    assert book.of(guard.x) == first
    assert book.of(f"{299:043d}") is not None
    assert len(write_book(book)) < 65_536


def test_what_changed_outlives_the_process(tmp_path: Path) -> None:
    path, key = tmp_path / "events.db", Secret(bytes(32))
    first = Outbox(path, key, 1000)
    first.open()
    place = Place(first, ALL)
    assert place.rotate("chief", "guard", "guard-2", 0) == "done"
    place.desk.commands.close()
    first.close()
    second = Outbox(path, key, 1000)
    second.open()
    again = Place(second, ALL)
    again.keys |= place.keys
    assert again.unlock("guard") == "replaced_key"
    assert again.unlock("guard-2") == "done"
    again.desk.commands.close()
    second.close()


def test_what_else_is_signed_follows_the_same_keys(place: Place) -> None:
    from edged.mqtt.sign import sign_claims

    line = sign_claims(GUARD.private, "guard", {"x": 1}).encode()
    assert place.keyring.verified(line, "operator") == {"x": 1}
    found = place.keyring.verified(line, "operator", typ="edged-desired")
    assert isinstance(found, Refusal)
    assert found.reason == "wrong_type"
    place.revoke("chief", "guard")
    found = place.keyring.verified(line, "operator")
    assert isinstance(found, Refusal)
    assert found.reason == "revoked_key"
