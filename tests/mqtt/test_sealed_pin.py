"""PINs on their way: for one terminal, one person, one field; nobody else learns anything."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from edged.gallery.pins import WeakPin
from edged.mqtt.catalogue import CATALOGUE, Context, EnrolPhoto, Reply, SetPerson, StartEnrolment
from edged.mqtt.sealed_pin import seal_pin, with_pins_opened
from edged.vault.identity import Identity, seal, sealing_key
from edged.vault.secret import Secret

DOOR, OTHER = Identity(Secret(b"\x01" * 32)), Identity(Secret(b"\x02" * 32))
HERE = "hq/door-1"
CONTEXT = Context("gallery.set", "nonce", "site")


class Desk:
    """Handlers that note what they are given."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        names = ("gallery.set", "enrol.start", "enrol.photo", "gallery.remove")
        handlers = dict.fromkeys(names, self._take)
        self.handlers = with_pins_opened(handlers, DOOR, HERE)

    def _take(self, args: Any, _context: Context) -> Reply:
        self.given.append(args)
        return Reply()

    def order(self, name: str, **args: Any) -> tuple[str, str]:
        reply = self.handlers[name](CATALOGUE[name].args.model_validate(args), CONTEXT)
        return reply.result, reply.reason


def sealed(pin: str = "5093", to: Identity = DOOR, **of: Any) -> str:
    place = {"audience": HERE, "person_id": "a", "field": "pin"} | of
    return seal_pin(pin, sealing_key(to.sealing_public), **place)


def anything(content: bytes) -> str:
    info = f"edged/v1/pin/{HERE}/a/pin".encode()
    key = sealing_key(DOOR.sealing_public)
    return base64.b64encode(seal(content, key, info)).decode()


def test_what_was_sealed_for_a_person_reaches_the_handler_as_digits() -> None:
    desk = Desk()
    forced = sealed("60718", field="duress_pin")
    assert desk.order("gallery.set", person_id="a", pin=sealed(), duress_pin=forced) == (
        "ok",
        "done",
    )
    args = desk.given[0]
    assert isinstance(args, SetPerson)
    assert args.changes == {"pin": "5093", "duress_pin": "60718"}
    assert desk.order("enrol.start", person_id="a", pin=sealed()) == ("ok", "done")
    assert desk.order("enrol.photo", person_id="a", image="x", pin=sealed()) == ("ok", "done")
    assert [type(args) for args in desk.given[1:]] == [StartEnrolment, EnrolPhoto]
    assert [args.profile for args in desk.given[1:]] == [{"pin": "5093"}] * 2


def test_what_holds_no_pin_passes_as_it_is() -> None:
    desk = Desk()
    desk.order("gallery.set", person_id="a", groups=["x"])
    desk.order("gallery.set", person_id="a", pin=None)
    desk.order("gallery.remove", person_id="a")
    assert desk.given[0].changes == {"groups": ["x"]}
    assert desk.given[1].changes == {"pin": None}
    assert desk.given[2].person_id == "a"


def test_one_that_is_meant_to_be_weak_says_so() -> None:
    desk = Desk()
    desk.order("gallery.set", person_id="a", pin=sealed(WeakPin("1234")))
    desk.order("gallery.set", person_id="a", pin=sealed("1234"))
    assert [isinstance(args.pin, WeakPin) for args in desk.given] == [True, False]


def test_every_pin_has_one_length_and_never_the_same_seal() -> None:
    texts = {sealed("5093"), sealed("5093"), sealed(WeakPin("1" * 16)), sealed("1" * 16)}
    assert len(texts) == 4
    assert len({len(text) for text in texts}) == 1


@pytest.mark.parametrize(
    "text",
    [
        sealed(to=OTHER),
        sealed(audience="hq/door-2"),
        sealed(person_id="b"),
        sealed(field="duress_pin"),
        sealed()[:-8] + "AAAAAAAA",
        "A" * 200,
        anything(b""),
        anything(b"5093"),
        anything(b"null"),
        anything(b"[" * 5000)[:396] + "====",
        anything(b'{"pin": 5093}'),
        anything(b'{"pin": "12345678901234567"}'),
        anything(b'{"pin": "12a4"}'),
        anything(b'{"pin": "' + "١٢٣٤".encode() + b'"}'),
        anything(b"\xff\xfe"),
    ],
    ids=range(15),
)
def test_what_was_not_sealed_for_this_is_refused(text: str) -> None:
    desk = Desk()
    args = SetPerson.model_construct(person_id="a", pin=text, duress_pin=None)
    reply = desk.handlers["gallery.set"](args, CONTEXT)
    assert (reply.result, reply.reason) == ("refused", "bad_pin")
    assert "5093" not in reply.text
    assert desk.given == []


@pytest.mark.parametrize("pin", ["5093", "1" * 16, "$scrypt$ln=12,r=8,p=1$x$y", 5093, ["5093"]])
@pytest.mark.parametrize("name", ["gallery.set", "enrol.start"])
def test_a_pin_in_clear_is_no_argument(name: str, pin: Any) -> None:
    with pytest.raises(ValueError, match="pin"):
        CATALOGUE[name].args.model_validate({"person_id": "a", "pin": pin})


@pytest.mark.parametrize(
    "cards", [["1" * 101], [""], ["12;3"], ["ab\x00"], "1234", [1234], ["1"] * 21, {"1": 2}]
)
def test_cards_that_cannot_be_are_no_argument(cards: Any) -> None:
    with pytest.raises(ValueError, match="cards"):
        SetPerson.model_validate({"person_id": "a", "cards": cards})


def test_what_is_sealed_is_what_the_page_says() -> None:
    content = DOOR.open_sealed(
        base64.b64decode(sealed(WeakPin("1234"))), b"edged/v1/pin/hq/door-1/a/pin"
    )
    assert content is not None
    assert json.loads(content) == {"pin": "1234", "weak": True}
    assert len(content) == 48
