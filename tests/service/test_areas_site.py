"""One area, three terminals of the site: the real daemons, a real broker, cards by pipes."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import paho.mqtt.publish as publish
import pytest

from edged.events.types import EVENT_TYP, Event
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.service.kit import Site, film, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto
    from tests.service.kit import Terminal, Views

OFFLINE = {"lobby-1": "soft", "lobby-2": "hard", "lobby-3": "deny"}
SECRETS = {name: bytes(range(number, number + 32)) for number, name in enumerate(OFFLINE, 1)}
IDENTITIES = {name: Identity(Secret(secret)) for name, secret in SECRETS.items()}
CARDS = {"ada": "10000001", "bob": "10000002"}


@dataclass
class Lobby:
    """One terminal with a reader for each way, and the site that hears it."""

    name: str
    terminal: Terminal
    site: Site

    def shows(self, person: str, way: str = "in") -> tuple[str, dict[str, Any]]:
        """Somebody holds up their card; what became of it, as it is recorded."""
        before = self.last
        pipe = os.open(self.terminal.folder / way, os.O_WRONLY)
        os.write(pipe, f"card {CARDS[person]}\n".encode())
        os.close(pipe)

        def answered() -> Event | None:
            return next((event for event in self.decisions() if event.seq > before), None)

        event = wait(answered)
        return event.type, event.data

    def goes(self, person: str, way: str = "in") -> dict[str, Any]:
        """Somebody is let in, and passes."""
        kind, data = self.shows(person, way)
        assert kind == "access.granted", data
        wait(lambda: self.passages() and self.passages()[-1].data["person_id"] == person)
        return data

    def refuses(self, person: str) -> str:
        """Why somebody is not let in."""
        kind, data = self.shows(person)
        assert kind == "access.denied", data
        return str(data["reason"])

    def passages(self) -> list[Event]:
        return [event for event in self.events() if event.type == "access.passed"]

    def decisions(self) -> list[Event]:
        return [e for e in self.events() if e.type in ("access.granted", "access.denied")]

    def events(self) -> list[Event]:
        with self.terminal.outbox() as outbox:
            return list(outbox.events())

    @property
    def last(self) -> int:
        return self.events()[-1].seq

    @property
    def area(self) -> dict[str, Any]:
        return self.site.state.get("area", {})

    def hears(self, *, others: bool) -> None:
        """Wait until it hears all the others, or none of them."""
        word = "heard" if others else "silent"
        wait(lambda: set(self.area.get("peers", {}).values()) == {word})

    def counts(self, inside: int) -> None:
        wait(lambda: self.area.get("inside") == inside)


@pytest.fixture
def lobbies(
    tmp_path: Path, mosquitto: Mosquitto, views: Views, make_terminal: Callable[..., Terminal]
) -> Iterator[list[Lobby]]:
    made = []
    with ExitStack() as stack:
        for name, offline in OFFLINE.items():
            folder = tmp_path / name
            folder.mkdir()
            key = folder / "secret.key"
            key.touch(mode=0o600)
            key.write_text(SECRETS[name].hex())
            film(folder / "stage", views, ("empty", 1))
            passback = {"mode": "hard", "offline": offline}
            terminal = make_terminal(
                folder,
                mosquitto.port,
                terminal=name,
                camera={"driver": "replay", "source": "stage", "rate_hz": 5, "loop": True},
                peers=[
                    {"terminal": other, "public_key": identity.signing_public}
                    for other, identity in IDENTITIES.items()
                    if other != name
                ],
                access={"factors": [["card"]], "area": {"name": "lab", "passback": passback}},
                readers={
                    "in": {"driver": "simulated", "pipe": "in"},
                    "out": {"driver": "simulated", "pipe": "out", "direction": "out"},
                },
            )
            give_cards(terminal, views)
            site = stack.enter_context(Site(mosquitto.port, root=f"edged/hq/{name}"))
            made.append(Lobby(name, terminal.start(), site))
        for lobby in made:
            lobby.terminal.ready()
            lobby.hears(others=True)
        yield made


def give_cards(terminal: Terminal, views: Views) -> None:
    random = np.random.default_rng(5)
    with terminal.gallery() as gallery:
        for name, card in CARDS.items():
            template = random.normal(size=len(views.embeddings[0])).astype(np.float32)
            template /= np.linalg.norm(template)
            gallery.add(name, template, model=views.model, quality=0.9, source="photo", limit=5)
            profile = gallery.profile(name)
            gallery.set_profile(name, profile.model_copy(update={"cards": (card,)}))


def forged(lobby: str, key: Identity, area: str, **changes: Any) -> bytes:
    """A passage of ada in the name of a terminal, signed by whomever."""
    data = {
        "person_id": "ada",
        "direction": "in",
        "area": area,
        "groups": [],
        "passback": False,
        "order": 5_000_000_000_000,
    }
    event = Event(
        "0" * 32, 9_000, "access.passed", "2026-03-01T08:00:00.000Z", "synced", data, "a" * 16
    )
    message = event.to_message(False, key.sign_detached(event.canonical(), EVENT_TYP))
    return json.dumps(message | changes).encode()


def test_who_is_inside_is_known_at_every_door_also_after_an_outage_and_a_kill(
    lobbies: list[Lobby], mosquitto: Mosquitto
) -> None:
    one, two, three = lobbies

    one.goes("ada")
    for lobby in lobbies:
        lobby.counts(1)
    assert two.refuses("ada") == "anti_passback"
    two.goes("ada", "out")
    for lobby in lobbies:
        lobby.counts(0)
    one.goes("ada")
    for lobby in lobbies:
        lobby.counts(1)

    mosquitto.save()
    mosquitto.kill()
    for lobby in lobbies:
        wait(lambda lobby=lobby: lobby.terminal.log.count("is not heard") == 2)
    assert one.goes("ada")["passback"]
    assert two.refuses("ada") == "anti_passback"
    assert three.refuses("bob") == "site_unheard"
    two.goes("bob")
    one.goes("ada", "out")
    one.terminal.kill()  # nothing of that was delivered yet
    mosquitto.start()
    one.terminal.start().ready()
    for lobby in lobbies:
        lobby.hears(others=True)
        lobby.counts(1)
    assert one.refuses("bob") == "anti_passback"
    three.goes("ada")
    two.counts(2)

    reply = one.site.command("area.set", everybody=True)
    assert reply["result"] == "ok"
    for lobby in lobbies:
        lobby.counts(0)
    two.goes("bob")


def test_nobody_is_moved_by_what_another_did_not_sign(
    lobbies: list[Lobby], mosquitto: Mosquitto
) -> None:
    one, two, _ = lobbies
    one.goes("ada")
    two.counts(1)
    topic = "edged/hq/lobby-1/event/access.passed"
    stranger = Identity(Secret(bytes(range(99, 131))))
    good = one.passages()[0]
    old = good.to_message(False, IDENTITIES["lobby-1"].sign_detached(good.canonical(), EVENT_TYP))
    moved = {**old, "data": {**good.data, "area": "outside", "order": good.data["order"] + 9}}
    for payload in (
        forged("lobby-1", stranger, "outside"),
        forged("lobby-1", IDENTITIES["lobby-2"], "outside"),
        forged("lobby-1", IDENTITIES["lobby-1"], "outside", seq=9_001),
        json.dumps(moved).encode(),
        json.dumps({**old, "sig": ""}).encode(),
    ):
        publish.single(topic, payload, 1, port=mosquitto.port)
    wait(lambda: "refused" in two.site.state["degraded"].get("peers", ""))
    publish.single(topic, json.dumps(old).encode(), 1, port=mosquitto.port)  # a replay
    two.goes("bob")
    assert two.refuses("ada") == "anti_passback"
    two.counts(2)
    two.site.undescribed.clear()  # what we sent ourselves is described nowhere
    one.site.undescribed.clear()
