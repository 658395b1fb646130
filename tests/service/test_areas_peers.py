"""What another terminal says is taken once, and only if it said it; with a real broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import paho.mqtt.publish as publish
import pytest

from edged.config.access import Peer
from edged.config.schema import Mqtt
from edged.events.types import EVENT_TYP, Event
from edged.mqtt.topics import Topics
from edged.service.peers import Peers, Said
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.mosquitto import Mosquitto

LOBBY = Identity(Secret(bytes(range(32))))
STRANGER = Identity(Secret(bytes(range(32, 64))))
ROOT = "edged/hq/lobby-2"
DATA = {"person_id": "ada", "direction": "in", "area": "lab", "groups": [], "passback": False}


def passage(seq: int, key: Identity = LOBBY, kind: str = "access.passed") -> bytes:
    event = Event(
        f"{seq:032x}",
        seq,
        kind,
        "2026-03-01T08:00:00.000Z",
        "synced",
        {**DATA, "order": seq},
        "5ca1ab1e0ddba11f",
    )
    return json.dumps(
        event.to_message(False, key.sign_detached(event.canonical(), EVENT_TYP))
    ).encode()


class Ear:
    """Peers, and what they took."""

    def __init__(self, broker: Mosquitto) -> None:
        self.broker = broker
        self.said: list[Said] = []
        self.now_s = 100.0
        settings = Mqtt(host="127.0.0.1", port=broker.port, reconnect_max_s=1)
        peers = (Peer(terminal="lobby-2", public_key=LOBBY.signing_public),)
        here = Topics("edged", "hq", "lobby-1")
        self.peers = Peers(settings, here, peers, self.said.append, monotonic=lambda: self.now_s)

    def says(self, topic: str, payload: bytes, retain: bool = False) -> None:
        publish.single(f"{ROOT}/{topic}", payload, 1, retain=retain, port=self.broker.port)

    def hears(self, there: bool) -> None:
        wait(lambda: self.peers.heard() == {"lobby-2": there})

    def took(self, *seqs: int) -> None:
        wait(lambda: len(self.said) >= len(seqs))
        assert [one.data["order"] for one in self.said] == list(seqs)


@pytest.fixture
def make_ear(mosquitto: Mosquitto) -> Iterator[Callable[[], Ear]]:
    made: list[Ear] = []

    def make() -> Ear:
        made.append(Ear(mosquitto))
        made[-1].peers.open()
        return made[-1]

    yield make
    for ear in made:
        ear.peers.close()
        ear.peers.close()


@pytest.fixture
def ear(make_ear: Callable[[], Ear]) -> Ear:
    ear = make_ear()
    ear.says("status", b'{"status": "online"}', retain=True)
    ear.hears(True)
    return ear


def test_what_is_live_and_what_comes_late_is_taken_once(ear: Ear) -> None:
    ear.says("event/access.passed", passage(5))
    ear.took(5)
    ear.said[0].done()
    ear.says("event/access.passed", passage(5))
    ear.says("backlog/access.passed", passage(3))
    ear.took(5, 3)
    assert (ear.said[1].terminal, ear.said[1].kind) == ("lobby-2", "access.passed")
    assert ear.peers.refused == {"repeated": 1}
    assert ear.peers.problem is None


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (passage(9, STRANGER), "forged"),
        (passage(9).replace(b'"lab"', b'"lob"'), "forged"),
        (passage(9, kind="area.changed"), "on another's topic"),
        (b"[]", "malformed"),
        (b"\xff{", "malformed"),
        (b"", "malformed"),
        (b"[" * 100_000, "malformed"),
        (passage(9).replace(b'"v": 1', b'"v": 2'), "malformed"),
        (b" " * 200_000 + passage(9), "malformed"),
    ],
)
def test_what_it_did_not_say_is_refused_and_told(ear: Ear, payload: bytes, why: str) -> None:
    ear.says("event/access.passed", payload)
    wait(lambda: ear.peers.refused[why] == 1)
    assert ear.peers.problem is not None
    assert why in ear.peers.problem
    ear.peers.tick()
    ear.says("event/access.passed", passage(10))
    ear.took(10)
    ear.now_s += 601
    ear.peers.tick()
    assert ear.peers.problem is None


def test_an_event_that_was_taken_away_says_nothing_and_is_no_forgery(ear: Ear) -> None:
    event = Event("0" * 32, 4, "access.passed", "2026-03-01T08:00:00.000Z", "synced", {}, "a" * 16)
    gone: Any = Event(**{n: getattr(event, n) for n in event.__slots__} | {"redacted": "A" * 43})
    sig = LOBBY.sign_detached(gone.canonical(), EVENT_TYP)
    ear.says("event/access.passed", json.dumps(gone.to_message(False, sig)).encode())
    ear.says("event/access.passed", passage(5))
    ear.took(5)
    assert not ear.peers.refused


def test_a_terminal_that_goes_is_silent_after_a_moment(ear: Ear) -> None:
    ear.says("status", b'{"status": "offline"}', retain=True)
    wait(lambda: not ear.peers._peers["lobby-2"].online)
    assert ear.peers.heard() == {"lobby-2": True}
    ear.now_s += 6
    assert ear.peers.heard() == {"lobby-2": False}
    ear.says("status", b'{"status": "online"}', retain=True)
    ear.hears(True)
    ear.says("status", b"[garbage", retain=True)
    wait(lambda: not ear.peers._peers["lobby-2"].online)


def test_one_that_was_never_there_is_silent(make_ear: Callable[[], Ear]) -> None:
    ear = make_ear()
    wait(lambda: ear.peers._client.connected)
    assert ear.peers.heard() == {"lobby-2": False}


def test_without_a_broker_everybody_is_silent_and_what_was_not_done_comes_again(
    ear: Ear, make_ear: Callable[[], Ear], mosquitto: Mosquitto
) -> None:
    ear.says("event/access.passed", passage(5))
    ear.took(5)  # and is not kept before the end
    mosquitto.save()
    ear.peers.close()
    mosquitto.kill()
    late = make_ear()
    assert late.peers.heard() == {"lobby-2": False}
    late.now_s += 6
    assert late.peers.heard() == {"lobby-2": False}
    mosquitto.start()
    late.took(5)
    late.said[0].done()
    late.hears(True)
    mosquitto.kill()
    wait(lambda: not late.peers._client.connected)
    assert late.peers.heard() == {"lobby-2": True}
    late.now_s += 6
    assert late.peers.heard() == {"lobby-2": False}
    mosquitto.start()
    late.hears(True)
