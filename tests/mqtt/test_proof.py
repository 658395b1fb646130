"""Events are signed and chained on the wire, and the log's end is said from time to time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edged.events.types import CHECKPOINT_TYP, EVENT_TYP, Event, checkpoint
from edged.mqtt.checkpoints import Checkpoints
from edged.vault.identity import signed_detached
from tests.mqtt.conftest import SIGNER, TOPICS, Site, connected
from tests.wait import until

if TYPE_CHECKING:
    from edged.events.outbox import Outbox
    from edged.events.types import Head
    from tests.mosquitto import Mosquitto

KEY = SIGNER.signing_public
SIGNED = {"signer": SIGNER}


def as_event(message: dict[str, Any]) -> Event:
    kept = ("id", "seq", "type", "time", "clock", "data", "log", "prev")
    return Event(**{name: message[name] for name in kept})


def proves(message: dict[str, Any], head: Head) -> bool:
    signed = checkpoint(message["log"], message["seq"], message["hash"], message["time"])
    said = (message["log"], message["seq"], message["hash"])
    return said == (head.log, head.seq, head.hash) and signed_detached(
        message["sig"], signed, KEY, CHECKPOINT_TYP
    )


def test_every_event_says_what_came_before_it_and_is_signed(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox
) -> None:
    for number in range(5):
        outbox.append("access.granted", {"n": number})
    connected(make_link(mosquitto.port, parts=SIGNED))
    for number in range(5):
        outbox.append("access.granted", {"n": number})
    heard = until(lambda: (found := site.below(TOPICS.root)) and events_of(found, 10))
    heard.sort(key=lambda message: message["seq"])
    prev = ""
    for message in heard:
        event = as_event(message)
        assert signed_detached(message["sig"], event.canonical(), KEY, EVENT_TYP)
        assert message["prev"] == prev
        prev = event.hash
    altered = as_event(heard[0] | {"data": {"n": 7}})
    assert not signed_detached(heard[0]["sig"], altered.canonical(), KEY, EVENT_TYP)


def events_of(messages: list[Any], count: int) -> list[Any]:
    found = [message for message in messages if "prev" in message]
    return found if len(found) == count else []


def test_without_a_signer_nothing_is_signed_and_no_checkpoint_made(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox
) -> None:
    link = connected(make_link(mosquitto.port))
    outbox.append("access.granted", {})
    (message,) = until(lambda: site.on(TOPICS.event("access.granted")))
    assert "sig" not in message
    link.close()
    until(lambda: len(site.on(TOPICS.status)) == 3)
    assert site.on(TOPICS.audit) == []


def test_the_end_of_the_log_is_said_on_connect_and_at_the_end_and_is_kept_by_the_broker(
    mosquitto: Mosquitto, site: Site, make_link: Any, make_site: Any, outbox: Outbox
) -> None:
    outbox.append("access.granted", {})
    first = outbox.head
    link = connected(make_link(mosquitto.port, parts=SIGNED))
    until(lambda: site.on(TOPICS.audit))
    outbox.append("access.granted", {})
    until(lambda: outbox.depth == 0)
    link.close()
    until(lambda: len(site.on(TOPICS.audit)) == 2)
    assert proves(site.on(TOPICS.audit)[0], first)
    assert proves(site.on(TOPICS.audit)[1], outbox.head)
    late = make_site()
    (kept,) = until(lambda: late.on(TOPICS.audit))
    assert kept == site.on(TOPICS.audit)[1]
    assert kept.keys() == {"v", "time", "clock", "log", "seq", "hash", "sig"}


def test_a_checkpoint_for_another_purpose_is_none() -> None:
    signed = checkpoint("0" * 16, 1, "x", "2025-01-01T00:00:00.000Z")
    as_an_event = SIGNER.sign_detached(signed, EVENT_TYP)
    assert not signed_detached(as_an_event, signed, KEY, CHECKPOINT_TYP)
    assert not signed_detached("", signed, KEY, CHECKPOINT_TYP)
    assert not signed_detached("a..b", signed, KEY, CHECKPOINT_TYP)
    assert not signed_detached("\u00e9..\u00e9", signed, KEY, CHECKPOINT_TYP)


@pytest.fixture
def points(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> Checkpoints:
    monkeypatch.setattr("edged.mqtt.checkpoints._LOOK_S", 0.0)
    stamp = {"v": 1, "time": "2025-01-01T00:00:00.000Z", "clock": "synced"}
    return Checkpoints(lambda: outbox.head, SIGNER, lambda: stamp)


def test_an_empty_log_has_an_end_too(points: Checkpoints, outbox: Outbox) -> None:
    said = points.due()
    assert said is not None
    assert (said["seq"], said["hash"]) == (0, "")
    assert proves(said, outbox.head)


def test_it_is_said_again_after_a_minute_if_the_log_went_on(
    points: Checkpoints, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert points.due()
    outbox.append("access.granted", {})
    assert points.due() is None
    monkeypatch.setattr("edged.mqtt.checkpoints._EVERY_S", 0.0)
    said = points.due()
    assert said is not None
    assert said["seq"] == 1
    assert points.due() is None


def test_it_is_said_again_after_many_events(
    points: Checkpoints, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.mqtt.checkpoints._EVERY_EVENTS", 3)
    assert points.due()
    for _ in range(2):
        outbox.append("access.granted", {})
        assert points.due() is None
    outbox.append("access.granted", {})
    assert points.due()


def test_at_the_end_only_news_is_said(points: Checkpoints, outbox: Outbox) -> None:
    assert points.due(last=True)
    assert points.due(last=True) is None
    outbox.append("access.granted", {})
    assert points.due(last=True)
