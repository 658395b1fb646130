"""kill -9 of terminals and of the broker at random moments: nothing is lost, nothing unordered.

$EDGED_KILLS kills instead of 100; $EDGED_SEED another run.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

from tests.conformance.documented import mosquitto_settings
from tests.conformance.judge import chained, in_order
from tests.conformance.nursery import Nursery
from tests.conformance.parties import CONTROLLER_PUBLIC, Manner, Site, identity_of
from tests.conformance.site import heal, quiet
from tests.mosquitto import Mosquitto
from tests.wait import until

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("EDGED_KILLS", "100"))
SEED = int(os.environ.get("EDGED_SEED", "0"))
NAMES = ("door-1", "door-2", "door-3")
LONGEST_LIFE_S = 0.3


def test_nothing_is_lost_or_unordered_at_a_hundred_kills(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    manner = Manner("5")
    broker = Mosquitto(tmp_path, extra=mosquitto_settings())
    broker.start()
    try:
        with (
            Nursery(tmp_path, broker.port, manner, CONTROLLER_PUBLIC) as nursery,
            Site(broker.port, manner, NAMES) as site,
        ):
            site.client.reconnect_delay_set(0.05, 0.2)
            for name in NAMES:
                nursery.start(name)
            killed = {"terminal": 0, "broker": 0}
            while sum(killed.values()) < KILLS:
                time.sleep(dice.random() * LONGEST_LIFE_S)  # a life, not a wait for something
                if dice.random() < 0.6:
                    name = dice.choice(NAMES)
                    nursery.kill(name)
                    nursery.start(name)
                    killed["terminal"] += 1
                else:
                    broker.kill()
                    time.sleep(dice.random() * LONGEST_LIFE_S / 2)
                    broker.start()
                    killed["broker"] += 1
            for name in NAMES:
                nursery.kill(name)
                nursery.start(name, records=False)
            lost = sum(_settle(nursery, site, name) for name in NAMES)
    finally:
        broker.kill()
    promised = sum(len(nursery.oracle(name)) for name in NAMES)
    print(f"{promised} events, {killed}, {lost} asked for again")
    assert promised > 10 * KILLS


def _settle(nursery: Nursery, site: Site, name: str) -> int:
    """Let one terminal send what it has; how many events the broker had lost."""
    promised = nursery.oracle(name)
    head = until(
        lambda: [
            said["seq"] for said in site.on("audit", name)[-1:] if said["seq"] >= len(promised)
        ]
    )[0]
    quiet(site)
    live, late = site.events("event", name), site.events("backlog", name)
    in_order(live)
    in_order(late)
    lost = heal(site, name, head)
    came = chained(site.events(name=name), identity_of(name).signing_public)
    assert promised.items() <= {seq: event["id"] for seq, event in came.items()}.items()
    return lost
