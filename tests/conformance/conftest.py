"""Each test of this folder runs on every broker that a site may choose here."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.brokers import RabbitMQ, missing
from tests.conformance.documented import rabbitmq_users
from tests.conformance.parties import Manner, Site, Terminal
from tests.mosquitto import PROGRAM, Mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Broker(Protocol):
    """What the tests do to a broker."""

    port: int

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def save(self) -> None: ...

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...


@dataclass(frozen=True)
class Place:
    """A broker, how it is spoken to, and a terminal's name that nobody else has there."""

    broker: Broker
    manner: Manner
    kind: str
    name: str
    folder: Path

    def terminal(self, port: int | None = None, **more: Any) -> Terminal:
        return Terminal(self.folder, port or self.broker.port, self.manner, self.name, **more)

    def site(self, **more: Any) -> Site:
        return Site(self.broker.port, self.manner, (self.name,), **more)


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """One node for all tests, because it takes ten seconds to start."""
    if why := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), rabbitmq_users())
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture(scope="session")
def lasting_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One broker for all tests, with the settings that docs/brokers.md wants."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    from tests.conformance.documented import mosquitto_settings

    broker = Mosquitto(tmp_path_factory.mktemp("broker"), extra=mosquitto_settings())
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


MANNERS = {
    "mosquitto": Manner("5"),
    "mosquitto-3.1.1": Manner("3.1.1"),
    "rabbitmq": Manner("3.1.1", dash=True),
}


@pytest.fixture(params=list(MANNERS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A broker and a terminal's name at it."""
    kind = str(request.param)
    fixture = "rabbitmq" if kind == "rabbitmq" else "lasting_mosquitto"
    name = f"door-{uuid.uuid4().hex[:12]}"
    return Place(request.getfixturevalue(fixture), MANNERS[kind], kind, name, tmp_path)


@pytest.fixture
def make_place(tmp_path: Path) -> Callable[..., Place]:
    """A place at a broker of the test's own."""

    def make(broker: Broker, kind: str, name: str = "door-1") -> Place:
        return Place(broker, MANNERS[kind], kind, name, tmp_path)

    return make
