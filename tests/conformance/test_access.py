"""The access rules of docs/brokers.md: enough for a terminal, and nothing of another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from tests.conformance.conftest import MANNERS, Place
from tests.conformance.documented import block
from tests.conformance.parties import Site, Terminal
from tests.mosquitto import PROGRAM, Mosquitto
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("door-1", "door-2", "controller")


@pytest.fixture(params=list(MANNERS))
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A broker with the rules of the page; everybody's password is their name."""
    kind = str(request.param)
    if kind == "rabbitmq":
        broker = request.getfixturevalue("rabbitmq")
        yield Place(broker, MANNERS[kind], kind, "door-1", tmp_path)
        return
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    rules, passwords = tmp_path / "acl", tmp_path / "passwords"
    rules.write_text(block("acl"))
    rules.chmod(0o600)
    passwords.write_text("".join(f"{name}:{_hashed(name)}\n" for name in NAMES))
    passwords.chmod(0o600)
    extra = f"allow_anonymous false\nacl_file {rules}\npassword_file {passwords}"
    own = Mosquitto(tmp_path, extra=extra)
    try:
        own.start()
        yield Place(own, MANNERS[kind], kind, "door-1", tmp_path)
    finally:
        own.kill()


def _hashed(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    import base64
    import hashlib

    salt, rounds = bytes(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def terminal(place: Place, name: str, user: str | None = None) -> Terminal:
    user = user or name
    secret = place.folder / f"{user}.password"
    secret.write_text(f"{user}\n")
    secret.chmod(0o600)
    folder = place.folder / name
    folder.mkdir(exist_ok=True)
    more: dict[str, Any] = {"username": user, "password_file": secret}
    return Terminal(folder, place.broker.port, place.manner, name, **more)


def controller(place: Place) -> Site:
    site = Site(place.broker.port, place.manner, ("door-1", "door-2"), session="guarded")
    site.client.username_pw_set("controller", "controller")
    return site


def test_the_documented_rules_let_a_terminal_and_its_site_do_everything(guarded: Place) -> None:
    with controller(guarded) as site, terminal(guarded, "door-1") as door:
        door.online()
        door.happen(0, 5)
        door.delivered()
        until(lambda: site.numbers() == [0, 1, 2, 3, 4])
        assert site.command("door.unlock", {})["result"] == "ok"
        door.link.set_state({"relay": True})
        until(lambda: site.on("state"))
        assert site.on("status")[-1]["status"] == "online"


def test_another_terminals_events_cannot_be_forged_and_the_forger_keeps_them(
    guarded: Place,
) -> None:
    with controller(guarded) as site, terminal(guarded, "door-2", user="door-1") as forger:
        forger.happen(0, 3)
        if guarded.kind == "mosquitto-3.1.1":  # acknowledges what it throws away
            forger.delivered()
        else:
            until(lambda: forger.link.status().problem)
            assert forger.outbox.depth == 3
        assert site.events(name="door-2") == []
        assert site.on("status", "door-2") == []


def test_another_terminals_door_cannot_be_opened(guarded: Place) -> None:
    with controller(guarded) as site, terminal(guarded, "door-2") as door:
        door.online()
        modern = guarded.manner.protocol == "5"
        thief = Client(
            CallbackAPIVersion.VERSION2, "thief", protocol=MQTTv5 if modern else MQTTv311
        )
        thief.username_pw_set("door-1", "door-1")
        heard: list[str] = []
        thief.on_message = lambda _c, _d, message: heard.append(message.topic)
        thief.connect("127.0.0.1", guarded.broker.port)
        thief.loop_start()
        until(thief.is_connected)
        thief.subscribe(f"{door.topics.root}/event/+", qos=1)
        thief.publish(door.topics.command("door.unlock"), site.order("door.unlock", {}, "door-2"))
        assert site.command("door.unlock", {}, "door-2")["result"] == "ok"
        door.happen(0)
        until(lambda: site.numbers(name="door-2") == [0])
        thief.disconnect()
        thief.loop_stop()
        assert door.unlocked == 1, "a door was opened by its neighbour"
        assert heard == [], "a door heard its neighbour"
