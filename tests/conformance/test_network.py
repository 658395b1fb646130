"""A bad network between a terminal and its broker: late, twice, but never lost or mixed up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.conformance.judge import judge
from tests.conformance.proxy import Proxy
from tests.wait import until

if TYPE_CHECKING:
    from tests.conformance.conftest import Place


def test_what_arrives_twice_is_the_same_event(place: Place) -> None:
    with (
        Proxy(place.broker.port) as network,
        place.site() as site,
        place.terminal(network.port) as terminal,
    ):
        terminal.online()
        until(lambda: site.on("status", place.name))
        network.deaf = True  # acknowledgements are lost
        terminal.happen(0, 60)
        until(lambda: site.numbers(name=place.name))
        network.heal()
        terminal.delivered()
        until(lambda: len(site.numbers(name=place.name)) == 60)
        events = site.events(name=place.name)
        assert len(events) > 60, "nothing came twice"
        assert len({event["id"] for event in events}) == 60
        judge(site.heard, terminal.identity.signing_public)


def test_a_partition_in_mid_burst_loses_nothing(place: Place) -> None:
    with (
        Proxy(place.broker.port) as network,
        place.site() as site,
        place.terminal(network.port) as terminal,
    ):
        terminal.online()
        writer = threading.Thread(target=lambda: terminal.happen(0, 600))
        writer.start()
        for share in (0.1, 0.3, 0.5):
            until(lambda s=share: len(site.numbers(name=place.name)) > 600 * s)
            network.swallow = True
            until(lambda: not writer.is_alive() or terminal.outbox.depth > 20)
            network.heal()
            terminal.online()
        writer.join()
        terminal.delivered(60)
        until(lambda: len(site.numbers(name=place.name)) == 600)
        judge(site.heard, terminal.identity.signing_public)


def test_a_broker_that_freezes_and_thaws_gets_everything(place: Place) -> None:
    with place.site() as site, place.terminal() as terminal:
        terminal.online()
        terminal.happen(0, 50)
        until(lambda: site.numbers(name=place.name))
        place.broker.freeze()
        try:
            terminal.happen(50, 300)
            assert terminal.outbox.depth >= 250
        finally:
            place.broker.thaw()
        terminal.delivered(60)
        until(lambda: len(site.numbers(name=place.name)) == 350)
        judge(site.heard, terminal.identity.signing_public)
