"""A lock's button in Home Assistant: plain presses in, signed commands out, on a real broker."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import Mqtt
from edged.errors import BrokerError
from edged.events.outbox import Outbox
from edged.mqtt import Commands, Link, Reply, Topics
from edged.site.bridge import Bridge
from edged.site.client import Heard, SiteClient
from edged.site.orders import Orders
from edged.site.settings import SiteSettings
from edged.vault.secret import Secret
from tests.mqtt.conftest import OPERATOR, Site, settings
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto

TOPICS = Topics("edged", "hq", "door-1")
BUTTON = f"{TOPICS.root}/bridge/lock"


class World:
    """A terminal without a camera, and somebody who presses the button."""

    def __init__(self, port: int) -> None:
        self.site = Site(port)
        self.settings = SiteSettings(broker=Mqtt(host="127.0.0.1", port=port), site="hq")
        self.opened: list[Any] = []
        self.told: list[str] = []
        self.now_s = 100.0

    def unlock(self, args: Any, context: Any) -> Reply:
        self.opened.append((args.cause, context.key_id))
        return Reply()

    def press(self, payload: bytes = b"UNLOCK", **how: Any) -> None:
        self.site.send(BUTTON, payload, **how)

    def settled(self) -> None:
        """A press of its own: everything that was published before it was heard, too."""
        done = len(self.told)
        self.now_s += 2
        self.press()
        until(lambda: len(self.told) >= done + 2)

    @contextmanager
    def bridge(self, told: list[str]) -> Iterator[None]:
        stop = threading.Event()
        private = OPERATOR.private.encode()
        with SiteClient(self.settings.broker) as client:
            orders = Orders(client, self.settings.broker, "hq", "operator", private)
            bridge = Bridge(
                client, self.settings, orders, ["door-1"], told.append, lambda: self.now_s
            )
            thread = threading.Thread(target=bridge.run, args=(stop,))
            thread.start()
            until(lambda: "listening for door-1" in told)
            try:
                yield
            finally:
                stop.set()
                thread.join()


@pytest.fixture
def world(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[World]:
    world = World(mosquitto.port)
    mqtt = settings(mosquitto.port, commands={"unsynced_clock": "accept"})
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(32)), 1000)
    outbox.open()
    commands = Commands(mqtt.commands, TOPICS, outbox, {"door.unlock": world.unlock})
    commands.open()
    link = Link(mqtt, TOPICS, outbox, commands.submit)
    link.open()
    try:
        until(lambda: link.status().connected)
        with world.bridge(world.told):
            yield world
    finally:
        world.site.close()
        link.close()
        commands.close()
        outbox.close()


def test_a_press_becomes_a_signed_command_and_the_answer_is_told(world: World) -> None:
    world.press()
    until(lambda: len(world.told) == 3)
    assert world.opened == [("home automation", "operator")]
    assert world.told[1:] == ["door-1: pressed", "door-1: ok done"]


@pytest.mark.parametrize("payload", [b"LOCK", b"", b"unlock", b"\xff", b"UNLOCK" * 1000])
def test_anything_else_than_a_press_is_passed_over(world: World, payload: bytes) -> None:
    world.press(payload)
    world.settled()
    assert len(world.opened) == 1  # that of `settled`


def test_a_retained_press_is_not_obeyed_when_it_is_delivered_again(world: World) -> None:
    world.press(retain=True)  # fresh, and not told from any other by the broker
    until(lambda: len(world.opened) == 1)
    late: list[str] = []
    with world.bridge(late):
        world.settled()
        until(lambda: len(late) == 3)
    assert late == ["listening for door-1", "door-1: pressed", "door-1: ok done"]
    world.press(b"", retain=True)


def test_presses_within_a_second_are_one(world: World) -> None:
    world.settled()
    for _ in range(5):
        world.press()
    world.settled()
    assert len(world.opened) == 2


def test_a_press_that_waited_too_long_is_not_obeyed() -> None:
    times = iter([100.0])
    told: list[str] = []
    stop = threading.Event()

    class Site:
        """Its only press is heard at once, and looked at late."""

        def hear(self, filters: Any, take: Any) -> None:
            take(Heard(BUTTON, b"UNLOCK", retained=False, correlation=None, mark=(0, 0)))

        def listen(self, terminals: Any) -> None:
            """Nothing comes."""

    def tell(line: str) -> None:
        told.append(line)
        if "pressed" in line:
            stop.set()

    site: Any = Site()
    ours = SiteSettings(broker=Mqtt(host="127.0.0.1"), site="hq")
    Bridge(site, ours, site, ["door-1"], tell, clock=lambda: next(times, 106.0)).run(stop)
    assert told == ["listening for door-1", "door-1: pressed, too long ago"]


def test_what_the_terminal_does_not_answer_is_told() -> None:
    class Site:
        def hear(self, filters: Any, take: Any) -> None:
            take(Heard(BUTTON, b"UNLOCK", retained=False, correlation=None, mark=(0, 0)))

        def listen(self, terminals: Any) -> None:
            """Nothing comes."""

        def send(self, *_: Any) -> Any:
            raise BrokerError("no reply to door.unlock within 10 s; is the terminal online?")

    told: list[str] = []
    stop = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        if "no reply" in line:
            stop.set()

    site: Any = Site()
    ours = SiteSettings(broker=Mqtt(host="127.0.0.1"), site="hq")
    Bridge(site, ours, site, ["door-1"], tell).run(stop)
    assert told[1:] == [
        "door-1: pressed",
        "door-1: no reply to door.unlock within 10 s; is the terminal online?",
    ]


def test_a_door_that_does_not_answer_keeps_the_buttons_of_others_from_nothing(
    mosquitto: Mosquitto, world: World
) -> None:
    told: list[str] = []
    stop = threading.Event()
    with SiteClient(world.settings.broker) as client:
        orders = Orders(client, world.settings.broker, "hq", "operator", OPERATOR.private.encode())
        bridge = Bridge(client, world.settings, orders, ["away", "door-1"], told.append)
        thread = threading.Thread(target=bridge.run, args=(stop,))
        thread.start()
        try:
            until(lambda: any("listening" in line for line in told))
            world.site.send(BUTTON.replace("door-1", "away"), b"UNLOCK")
            until(lambda: "away: pressed" in told)
            world.site.send(BUTTON, b"UNLOCK")
            until(lambda: "door-1: ok done" in told)
            assert not any("no reply" in line for line in told)
        finally:
            stop.set()
            thread.join()
