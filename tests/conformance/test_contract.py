"""What a terminal and its site may rely on, on every broker."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.conformance.judge import judge
from tests.conformance.proxy import Proxy
from tests.wait import until

if TYPE_CHECKING:
    from tests.conformance.conftest import Place


def test_a_site_that_comes_later_sees_status_and_state_as_they_are(place: Place) -> None:
    with place.terminal() as terminal:
        terminal.link.set_state({"relay": False})
        terminal.online()
        terminal.link.set_state({"relay": True})
        with place.site() as first:
            until(lambda: any(s["relay"] for s in first.on("state", place.name)))
        with place.site(session="late") as late:
            until(lambda: late.on("status", place.name))
            assert late.on("status", place.name)[-1]["status"] == "online"
            assert until(lambda: late.on("state", place.name))[-1]["relay"] is True
            terminal.link.close()
            until(lambda: late.on("status", place.name)[-1]["status"] == "offline")


def test_a_terminal_that_vanishes_is_said_to_be_offline_by_the_broker(place: Place) -> None:
    with (
        Proxy(place.broker.port) as network,
        place.site() as site,
        place.terminal(network.port) as terminal,
    ):
        terminal.online()
        until(lambda: site.on("status", place.name))
        network.cut()
        until(lambda: _wills(site.on("status", place.name)))
        until(lambda: site.on("status", place.name)[-1]["status"] == "online")


def _wills(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in said if one.get("reason") == "connection lost"]


def test_events_arrive_once_in_order_and_leave_the_queue(place: Place) -> None:
    with place.site() as site, place.terminal() as terminal:
        terminal.online()
        terminal.happen(0, 300)
        terminal.delivered()
        until(lambda: len(site.numbers(name=place.name)) == 300)
        assert site.numbers("event", place.name) == list(range(300))
        assert len(site.events(name=place.name)) == 300
        judge(site.heard, terminal.identity.signing_public)


def test_what_happened_during_an_outage_arrives_as_history(place: Place) -> None:
    with place.site() as site:
        terminal = place.terminal()
        terminal.outbox.open()
        terminal.happen(0, 200)
        with terminal:
            terminal.online().delivered()
            terminal.happen(200, 50)
            until(lambda: len(site.numbers(name=place.name)) == 250)
        assert site.numbers("backlog", place.name) == list(range(200))
        assert site.numbers("event", place.name) == list(range(200, 250))
        assert all(e["historical"] for e in site.events("backlog", place.name))


def test_a_command_is_obeyed_once_and_answered_once(place: Place) -> None:
    with place.site() as site, place.terminal() as terminal:
        terminal.online()
        reply = site.command("door.unlock", {}, place.name)
        assert (reply["result"], reply["command"]) == ("ok", "door.unlock")
        path = terminal.topics.command("door.unlock").removeprefix(f"{terminal.topics.root}/")
        order = site.order("door.unlock", {}, place.name)
        for _ in range(2):
            site.send(path, order, place.name)
        answers = until(lambda: a if len(a := site.on(f"{path}/result", place.name)) == 3 else None)
        assert [answer["reason"] for answer in answers] == ["unlocked", "unlocked", "replayed"]
        assert terminal.unlocked == 2


def test_a_retained_command_never_outlives_its_moment(place: Place) -> None:
    with place.site() as site:
        first = place.terminal()
        path = first.topics.command("door.unlock").removeprefix(f"{first.topics.root}/")
        site.send(path, site.order("door.unlock", {}, place.name), place.name, retain=True)
        with first as terminal:
            terminal.online()
            site.command("door.unlock", {}, place.name)  # whatever was retained came before this
            assert terminal.unlocked == 1
        site.send(path, b"", place.name, retain=True)


def test_the_largest_event_arrives_whole(place: Place) -> None:
    with place.site() as site, place.terminal() as terminal:
        terminal.online()
        terminal.happen(0, 3, pad=65_000)
        terminal.delivered()
        until(lambda: site.numbers(name=place.name) == [0, 1, 2])
        assert all(len(e["data"]["pad"]) == 65_000 for e in site.events(name=place.name))
        judge(site.heard, terminal.identity.signing_public)


def test_names_with_dots_are_one_level_of_a_topic(place: Place) -> None:
    with place.site() as site, place.terminal() as terminal:
        terminal.online()
        terminal.happen(0)
        until(lambda: site.numbers(name=place.name) == [0])
        (heard,) = [m for m in site.heard if m.path.startswith("event/")]
        name = "access-granted" if place.manner.dash else "access.granted"
        assert heard.path == f"event/{name}"
        assert heard.content["type"] == "access.granted"


class Listener:
    """Hears what comes of the site's log."""

    def __init__(self) -> None:
        self.heard_: list[tuple[str, bytes]] = []
        self.up = threading.Event()

    def connected(self) -> None:
        self.up.set()

    def disconnected(self) -> None: ...

    def heard(self, kind: str, message: bytes) -> None:
        self.heard_.append((kind, message))


def test_large_binary_messages_of_the_sites_log_pass_both_ways(place: Place) -> None:
    listener = Listener()
    parcel = os.urandom(1_000_000)
    with place.site() as site, place.terminal(feed=listener) as terminal:
        terminal.online()
        until(lambda: terminal.link.publish_sync("pull", b"ask"))
        until(lambda: [m for m in site.heard if m.path == "sync/pull"])
        site.send("sync/chunk", parcel, place.name)
        until(lambda: listener.heard_)
        assert listener.heard_ == [("chunk", parcel)]
        assert terminal.link.publish_sync("offer", parcel)
        until(lambda: [m for m in site.heard if m.path == "sync/offer"])
        assert [m.payload for m in site.heard if m.path == "sync/offer"] == [parcel]


def test_a_day_of_disconnection_arrives_whole_and_in_order(place: Place) -> None:
    yesterday = time.time() - 86_400
    with place.site() as site:
        away = place.terminal(clock=lambda: yesterday)
        away.outbox.open()
        away.happen(0, 1000)
        away.outbox.close()
        with place.terminal() as terminal:
            terminal.online()
            terminal.happen(1000, 20)
            terminal.delivered(60)
            until(lambda: len(site.numbers(name=place.name)) == 1020, 60)
        assert site.numbers("backlog", place.name) == list(range(1000))
        assert site.numbers("event", place.name) == list(range(1000, 1020))
        judge(site.heard, terminal.identity.signing_public)
