"""The broker dies, in an orderly way and not, while a thousand events are under way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.conformance.judge import chained, judge
from tests.conformance.site import heal
from tests.wait import until

if TYPE_CHECKING:
    from tests.conformance.conftest import Place

NUMBER = 1000


def test_a_thousand_events_survive_the_brokers_death(place: Place) -> None:
    with place.site() as site, place.terminal() as terminal:
        terminal.online()
        place.broker.save()
        writer = threading.Thread(target=lambda: terminal.happen(0, NUMBER))
        writer.start()
        until(lambda: len(site.numbers(name=place.name)) > NUMBER / 5)
        place.broker.kill()
        writer.join()
        place.broker.start()
        terminal.delivered(120)
        until(site.client.is_connected)
        head = terminal.outbox.head.seq
        healed = heal(site, place.name, head)
        assert not healed or place.kind != "rabbitmq", "it confirms what it has written, only"
        assert set(site.numbers(name=place.name)) == set(range(NUMBER))
        if healed:
            chained(site.events(name=place.name), terminal.identity.signing_public)
        else:
            judge(site.heard, terminal.identity.signing_public)
