"""A day without the broker, and then all at once: what happens now goes first.

EDGED_WAITING says how many events wait; 100000 take some minutes.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edged.events.outbox import Outbox
from edged.vault.secret import Secret
from tests.mqtt.conftest import SIGNER, TOPICS, Site, connected, settings
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto

WAITING = int(os.environ.get("EDGED_WAITING", "1500"))
PATIENCE_S = 60 + WAITING / 100
YESTERDAY = 1_750_000_000.0


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Outbox]:
    """So many events of yesterday."""
    path, key = tmp_path / "events.db", Secret(bytes(32))
    before = Outbox(path, key, 1_000_000, clock=lambda: YESTERDAY)
    before.open()
    # nothing is to outlive a power cut while it is filled
    before._database._opened().execute("PRAGMA synchronous = OFF")
    for number in range(WAITING):
        before.append("access.granted", {"n": number})
    before.close()
    outbox = Outbox(path, key, 1_000_000)
    outbox.open()
    yield outbox
    outbox.close()


def test_after_a_day_without_the_broker_everything_arrives_once_and_live_ones_overtake(
    mosquitto: Mosquitto, site: Site, waiting: Outbox
) -> None:
    from edged.mqtt import Link

    fast = settings(mosquitto.port, backlog_hz=1000)
    link = Link(fast, TOPICS, waiting, lambda _: None, signer=SIGNER)
    link.open()
    try:
        connected(link)
        done = threading.Event()
        recorded: list[str] = []

        def live() -> None:
            while not done.wait(0.1):
                recorded.append(waiting.append("access.denied", {}).id)

        writer = threading.Thread(target=live)
        writer.start()
        late = TOPICS.event("access.granted", historical=True)
        until(lambda: sum(m.topic == late for m in list(site.seen)) >= WAITING, PATIENCE_S)
        done.set()
        writer.join()
        until(lambda: waiting.depth == 0, PATIENCE_S)
    finally:
        link.close()
    backlog, now = site.on(late), site.on(TOPICS.event("access.denied"))
    until(lambda: len(site.on(TOPICS.event("access.denied"))) == len(recorded))
    now = site.on(TOPICS.event("access.denied"))
    assert [message["seq"] for message in backlog] == list(range(1, WAITING + 1))
    assert [message["id"] for message in now] == recorded
    assert not any(message["historical"] for message in now)
    order = [m.topic for m in list(site.seen) if m.topic in (late, TOPICS.event("access.denied"))]
    overtook = order.index(TOPICS.event("access.denied"))
    assert overtook < WAITING / 2, "a live one waited for the backlog"


def test_delivered_events_are_sent_again_late_when_the_site_wants_them(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox
) -> None:
    connected(make_link(mosquitto.port, parts={"signer": SIGNER}))
    events = [outbox.append("access.granted", {"n": number}) for number in range(40)]
    until(lambda: outbox.depth == 0)
    assert outbox.again(11, 20) == 10
    outbox.wake()
    late = TOPICS.event("access.granted", historical=True)
    again = until(lambda: len(site.on(late)) == 10 and site.on(late))
    assert [message["id"] for message in again] == [event.id for event in events[10:20]]
    once = {m["seq"]: m for m in site.on(TOPICS.event("access.granted"))}
    for message in again:
        assert message["historical"]
        assert message | {"historical": False} == once[message["seq"]]
    new = outbox.append("access.granted", {"n": 40})
    until(lambda: site.on(TOPICS.event("access.granted"))[-1]["id"] == new.id)
    until(lambda: outbox.depth == 0)
