"""What takes two people is done when both have asked for the same, each with a key of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edged.mqtt import Reply
from edged.mqtt.auth import Keyring, Refusal, Sender
from edged.mqtt.rotation import Rotation
from edged.mqtt.sign import prove_key
from edged.mqtt.two_person import Approved, Awaiting, Request, TwoPerson
from tests.mqtt.conftest import TOPICS, key_pair
from tests.mqtt.conftest import settings as mqtt_settings
from tests.mqtt.desk import AUDIENCE, Desk, good

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.events.outbox import Outbox

ANNA, BERT, CLEO = key_pair(), key_pair(), key_pair()
KEYS = {"anna": ANNA, "bert": BERT, "cleo": CLEO}
WIPE = TOPICS.command("gallery.wipe")


class Place:
    """A desk whose maintainers are two or three."""

    def __init__(self, outbox: Outbox, **more: Any) -> None:
        keys = [
            {"id": name, "public_key": pair.public, "roles": ["maintainer"]}
            for name, pair in KEYS.items()
        ]
        commands = {"keys": keys, "two_person": ["gallery.wipe"]} | more
        self.settings = mqtt_settings(1883, commands=commands).commands
        self.wiped: list[Any] = []
        self.keyring = Keyring(self.settings)
        self.outbox = outbox
        self.desk = Desk(outbox, handlers={}, keyring=self.keyring, **commands)
        rotation = Rotation(self.keyring, self.settings, AUDIENCE, outbox, self.desk.watch)
        rotation.open()
        self.desk.commands._handlers.update(rotation.handlers())
        self.desk.commands._handlers["gallery.wipe"] = self._wipe

    def _wipe(self, args: Any, context: Any) -> Reply:
        self.wiped.append(context.key_id)
        return Reply(data={"people": 3})

    def order(self, who: str, command: str = "gallery.wipe", **args: Any) -> str:
        args = args or {"confirm": AUDIENCE}
        return good(command, args, key=KEYS[who], kid=who)

    def ask(self, who: str, command: str = "gallery.wipe", **args: Any) -> dict[str, Any]:
        return self.desk.ask(self.order(who, command, **args), TOPICS.command(command))

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [e.data for e in self.outbox.pending(limit=1000) if e.type == kind]


@pytest.fixture
def make_place(outbox: Outbox) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(**more: Any) -> Place:
        made.append(Place(outbox, **more))
        return made[-1]

    yield make
    for place in made:
        place.desk.commands.close()


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()


def test_the_first_waits_and_the_second_tells_what_came_of_it(place: Place) -> None:
    first = place.ask("anna")
    assert (first["result"], first["reason"]) == ("ok", "awaiting_second")
    assert place.wiped == []
    (waiting,) = place.events("command.awaiting_second")
    assert waiting == {
        "command": "gallery.wipe",
        "id": first["id"],
        "key": "anna",
        "expires": first["data"]["expires"],
    }
    second = place.ask("bert")
    assert (second["result"], second["data"]) == ("ok", {"people": 3})
    assert place.wiped == ["bert"]
    (approved,) = place.events("command.approved")
    assert approved == {
        "command": "gallery.wipe",
        "ids": [first["id"], second["id"]],
        "keys": ["anna", "bert"],
    }


def test_it_is_done_once_and_a_third_begins_anew(place: Place) -> None:
    place.ask("anna")
    place.ask("bert")
    assert place.ask("cleo")["reason"] == "awaiting_second"
    assert place.wiped == ["bert"]


def test_the_same_key_twice_is_one_person(place: Place) -> None:
    place.ask("anna")
    assert place.ask("anna")["reason"] == "same_person"
    assert place.wiped == []
    assert place.ask("bert")["result"] == "ok"


def test_a_replay_of_the_first_is_no_second(place: Place) -> None:
    order = place.order("anna")
    place.desk.ask(order, WIPE)
    assert place.desk.ask(order, WIPE)["reason"] == "replayed"
    assert place.wiped == []


def test_other_arguments_are_another_thing(place: Place) -> None:
    place.ask("anna")
    assert place.ask("bert", confirm="hq/door-2")["reason"] == "other_arguments"
    assert place.wiped == []
    assert place.ask("bert")["reason"] == "done"


def test_a_restart_forgets_the_first(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.ask("anna")
    place.desk.commands.close()
    again = make_place()
    assert again.ask("bert")["reason"] == "awaiting_second"
    assert again.wiped == []


def test_somebody_without_the_role_is_no_second(outbox: Outbox, place: Place) -> None:
    place.ask("anna")
    reply = place.desk.ask(good("gallery.wipe", {"confirm": AUDIENCE}, kid="operator"), WIPE)
    assert reply["reason"] == "unknown_key"
    assert place.wiped == []


def test_keys_change_by_two_people_then_and_a_successor_is_the_same_person(place: Place) -> None:
    pair = KEYS["anna-2"] = key_pair()
    args = {
        "id": "anna",
        "new_id": "anna-2",
        "public_key": pair.public,
        "proof": prove_key(pair.private, AUDIENCE, "anna-2", "anna"),
        "overlap_s": 0.0 if not place.desk.watch.trusted else 600.0,
    }
    assert place.ask("anna", "keys.rotate", **args)["reason"] == "awaiting_second"
    assert place.ask("anna", "keys.rotate", **args)["reason"] == "same_person"
    assert place.ask("bert", "keys.rotate", **args)["reason"] == "done"
    place.ask("anna")
    assert place.ask("anna-2")["reason"] == "same_person"
    assert place.wiped == []
    assert place.ask("bert")["reason"] == "done"


def test_the_word_of_a_key_that_was_revoked_meanwhile_does_not_count(place: Place) -> None:
    place.ask("anna")
    place.ask("bert", "keys.revoke", id="anna")
    assert place.ask("cleo", "keys.revoke", id="anna")["reason"] == "done"
    assert place.ask("bert")["reason"] == "awaiting_second"
    assert place.wiped == []


def test_what_is_unsigned_is_nobody(make_place: Callable[..., Place]) -> None:
    import json

    from tests.mqtt.desk import claims

    place = make_place(allow_unsigned=True)
    content = claims(cmd="gallery.wipe", args={"confirm": AUDIENCE})
    assert place.desk.ask(json.dumps(content), WIPE)["reason"] == "unsigned"


def test_one_person_is_enough_where_nothing_else_is_asked_for(
    make_place: Callable[..., Place],
) -> None:
    place = make_place(two_person=[])
    assert place.ask("anna")["reason"] == "done"
    assert place.ask("anna", "keys.revoke", id="cleo")["reason"] == "done"


def test_the_second_may_come_too_late() -> None:
    now = [0.0]
    two = TwoPerson({"gallery.wipe"}, 300, lambda _: True, lambda: now[0])

    def ask(person: str) -> object:
        sender = Sender(person, frozenset(), person)
        return two.ask(Request("gallery.wipe", "{}", f"id-{person}", sender))

    assert ask("a") == Awaiting()
    now[0] = 301
    late = ask("b")
    assert isinstance(late, Refusal)
    assert late.reason == "second_too_late"
    assert ask("b") == Awaiting()
    now[0] = 602
    assert ask("b") == Awaiting()  # the same one asks again
    now[0] = 900
    assert isinstance(ask("a"), Approved)
