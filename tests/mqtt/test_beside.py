"""What goes beside a message in MQTT 5, and what the broker keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.mosquitto import Mosquitto
from tests.mqtt.conftest import SIGNER, TOPICS, Site, connected
from tests.mqtt.fake_broker import FakeBroker, Manners, limits
from tests.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from paho.mqtt.client import MQTTMessage

    from edged.events.outbox import Outbox

UNLOCK = TOPICS.command("door.unlock")


def first(site: Site, topic: str) -> MQTTMessage:
    return until(lambda: [m for m in list(site.seen) if m.topic == topic])[0]


def beside(message: MQTTMessage) -> dict[str, Any]:
    assert message.properties is not None
    found = message.properties.json()
    found.pop("SubscriptionIdentifier", None)
    return found


def test_an_event_can_be_told_apart_without_reading_it(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox
) -> None:
    old = outbox.append("access.granted", {})
    connected(make_link(mosquitto.port))
    new = outbox.append("access.denied", {})
    for event, historical in ((old, "true"), (new, "false")):
        message = first(site, TOPICS.event(event.type, historical == "true"))
        assert beside(message) == {
            "PayloadFormatIndicator": 1,
            "ContentType": "application/json",
            "UserProperty": [
                ("id", event.id),
                ("log", event.log),
                ("seq", str(event.seq)),
                ("historical", historical),
            ],
        }


def test_what_is_retained_says_that_it_is_json_and_does_not_expire(
    mosquitto: Mosquitto, site: Site, make_link: Any
) -> None:
    link = connected(make_link(mosquitto.port, parts={"signer": SIGNER}))
    link.set_state({"relay": False})
    for topic in (TOPICS.status, TOPICS.state, TOPICS.audit):
        assert beside(first(site, topic)) == {
            "PayloadFormatIndicator": 1,
            "ContentType": "application/json",
        }


def test_a_reply_expires_after_a_minute(mosquitto: Mosquitto, site: Site, make_link: Any) -> None:
    def answered(incoming: Any) -> None:
        incoming.answer(TOPICS.result("door.unlock"), {"v": 1}, b"\x01")

    connected(make_link(mosquitto.port, answered))
    until(lambda: site.on(TOPICS.status))
    site.send(UNLOCK, b"x")
    properties = first(site, TOPICS.result("door.unlock")).properties
    assert properties is not None
    assert properties.CorrelationData == b"\x01"
    assert 0 < properties.MessageExpiryInterval <= 60


def test_binary_messages_do_not_say_that_they_are_json(
    mosquitto: Mosquitto, site: Site, make_link: Any
) -> None:
    link = connected(make_link(mosquitto.port))
    assert link.publish_sync("pull", b"\x00\xff")
    assert beside(first(site, TOPICS.sync("pull"))) == {}


def expiring(site: Site, payload: bytes, seconds: int) -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = seconds
    sent = site.client.publish(UNLOCK, payload, qos=1, retain=True, properties=properties)
    sent.wait_for_publish(20)


def kept(port: int) -> list[bytes]:
    """What the broker has for who comes now."""
    heard: list[bytes] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_message = lambda _client, _data, message: heard.append(bytes(message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    until(client.is_connected)
    client.subscribe([(UNLOCK, 1), ("fence", 1)])
    client.publish("fence", b"fence", qos=1)
    until(lambda: b"fence" in heard)
    client.disconnect()
    client.loop_stop()
    return heard[: heard.index(b"fence")]


def test_an_expired_command_never_arrives(mosquitto: Mosquitto, site: Site, make_link: Any) -> None:
    heard: list[bytes] = []
    expiring(site, b"stale", 1)
    until(lambda: not kept(mosquitto.port))
    connected(make_link(mosquitto.port, lambda incoming: heard.append(incoming.payload)))
    until(lambda: site.on(TOPICS.status))
    site.send(UNLOCK, b"after")
    until(lambda: heard)
    assert heard == [b"after"]


def test_a_topic_that_recurs_is_sent_once_where_the_broker_remembers_it(
    make_link: Any, outbox: Outbox
) -> None:
    with FakeBroker(Manners(limits=limits(TopicAliasMaximum=2))) as broker:
        for number in range(9):
            outbox.append(f"access.{'abc'[number % 3]}", {})
        connected(make_link(broker.port, backlog_hz=10_000))
        until(lambda: outbox.depth == 0)
        written = [one.written for one in broker.events]
        a, b, c = (TOPICS.event(f"access.{name}", historical=True) for name in "abc")
        assert written == [a, b, c, "", "", c, "", "", c]
        assert [one.topic for one in broker.events] == [a, b, c] * 3
        assert all(one.written for one in broker.heard if not one.is_event)


@pytest.mark.parametrize("manners", [Manners(), Manners(limits=limits(TopicAliasMaximum=0))])
def test_no_alias_where_the_broker_wants_none(
    make_link: Any, outbox: Outbox, manners: Manners
) -> None:
    with FakeBroker(manners) as broker:
        for _ in range(4):
            outbox.append("access.granted", {})
        connected(make_link(broker.port, backlog_hz=10_000))
        until(lambda: outbox.depth == 0)
        assert all(one.written for one in broker.heard)


def test_whole_topics_arrive_through_a_real_broker(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox
) -> None:
    connected(make_link(mosquitto.port))
    for number in range(60):  # Mosquitto remembers ten
        outbox.append(f"test.t{number % 15}", {"n": number})
    until(lambda: len(site.below(f"{TOPICS.root}/event")) == 60)
    for message in list(site.seen):
        parsed = TOPICS.parse(message.topic)
        assert parsed is not None
        if parsed.kind == "event":
            assert site.on(message.topic)[0]["type"] == parsed.name


@pytest.mark.parametrize(
    "limit", ["message_size_limit 5000", "max_packet_size 5500"], ids=["payload", "packet"]
)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_event_too_large_for_mosquitto_does_not_keep_the_others_waiting(
    tmp_path: Path,
    make_link: Any,
    outbox: Outbox,
    limit: str,
    protocol: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edged.mqtt.client._FIRST_DELAY_S", 0.001)
    broker = Mosquitto(tmp_path, extra=limit)
    broker.start()
    outbox.append("access.granted", {"pad": "x" * 9000})
    for _ in range(5):
        outbox.append("access.granted", {})
    make_link(broker.port, protocol=protocol)
    silently = limit.startswith("message_size") and protocol == "3.1.1"
    until(lambda: outbox.depth == (0 if silently else 1), 60)
    broker.kill()


def test_a_mosquitto_that_keeps_nothing_is_asked_to_keep_nothing(
    tmp_path: Path, make_link: Any, outbox: Outbox
) -> None:
    broker = Mosquitto(tmp_path, extra="retain_available false")
    broker.start()
    outbox.append("access.granted", {})
    link = make_link(broker.port)
    link.set_state({"relay": False})
    until(lambda: outbox.depth == 0)
    assert link.status().connected
    broker.kill()
