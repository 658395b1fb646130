from __future__ import annotations

import json
import queue
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.config.schema import Mqtt
from edged.events.outbox import Outbox
from edged.mqtt import Link, Topics
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto

TOPICS = Topics("edged", "hq", "door-1")


@dataclass(frozen=True)
class KeyPair:
    private: str
    public: str


def key_pair() -> KeyPair:
    key = Ed25519PrivateKey.generate()
    return KeyPair(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


OPERATOR, ENROLLER, STRANGER = key_pair(), key_pair(), key_pair()


def settings(port: int, **more: Any) -> Mqtt:
    keys = [
        {"id": "operator", "public_key": OPERATOR.public, "roles": ["operator"]},
        {"id": "enroller", "public_key": ENROLLER.public, "roles": ["enroller"]},
    ]
    commands = {"keys": keys, "rate_hz": 1000} | more.pop("commands", {})
    base = {"host": "127.0.0.1", "port": port, "reconnect_max_s": 1, "commands": commands}
    return Mqtt.model_validate(base | more)


SIGNER = Identity(Secret(bytes(range(32))))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(32)), 100_000)
    outbox.open()
    yield outbox
    outbox.close()


@pytest.fixture
def make_link(outbox: Outbox) -> Iterator[Callable[..., Link]]:
    """Links to the broker at a port; `parts` are arguments of `Link`, the rest is its settings."""
    made: list[Link] = []

    def make(
        port: int, on_command: Any = None, parts: dict[str, Any] | None = None, **more: Any
    ) -> Link:
        about = {"model": "rts-1", "gallery": 7}
        link = Link(
            settings(port, **more),
            TOPICS,
            outbox,
            on_command or (lambda _: None),
            lambda: about,
            **(parts or {}),
        )
        made.append(link)
        link.open()
        return link

    yield make
    for link in made:
        link.close()


def connected(link: Link) -> Link:
    until(lambda: link.status().connected)
    return link


def numbers(messages: list[Any]) -> list[int]:
    return [message["data"]["n"] for message in messages if "n" in message.get("data", {})]


class Site:
    """A site's MQTT 5 client with a lasting session: sees everything, says what it likes."""

    def __init__(self, port: int) -> None:
        self.seen: list[MQTTMessage] = []
        self._subscribed: queue.Queue[bool] = queue.Queue()
        client = Client(CallbackAPIVersion.VERSION2, f"site-{uuid.uuid4().hex}", protocol=MQTTv5)
        client.reconnect_delay_set(1, 1)
        client.on_message = lambda _client, _data, message: self.seen.append(message)
        client.on_subscribe = lambda *_: self._subscribed.put(True)
        self.client = client
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", port, clean_start=False, properties=lasting)
        client.loop_start()
        until(client.is_connected)
        client.subscribe("#", qos=1)
        self._subscribed.get(timeout=20)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def on(self, topic: str) -> list[Any]:
        """What was published there, parsed."""
        return [json.loads(m.payload) for m in list(self.seen) if m.topic == topic]

    def below(self, topic: str) -> list[Any]:
        start = f"{topic}/"
        return [json.loads(m.payload) for m in list(self.seen) if m.topic.startswith(start)]

    def send(
        self,
        topic: str,
        payload: str | bytes,
        reply_to: str | None = None,
        correlation: bytes | None = None,
        retain: bool = False,
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if reply_to is not None:
            properties.ResponseTopic = reply_to
        if correlation is not None:
            properties.CorrelationData = correlation
        sent = self.client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        sent.wait_for_publish(20)


@pytest.fixture
def make_site(mosquitto: Mosquitto) -> Iterator[Callable[[], Site]]:
    made: list[Site] = []

    def make() -> Site:
        made.append(Site(mosquitto.port))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[[], Site]) -> Site:
    return make_site()
