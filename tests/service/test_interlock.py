"""A mantrap of two terminals: the real daemons, a real broker, buttons and contacts by files."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt import publish

from edged.mqtt.contract.interlock import TYP
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.service.kit import Site, film, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto
    from tests.service.kit import Terminal, Views

SECRETS = {"door-1": bytes(range(32)), "door-2": bytes(range(32, 64))}
IDENTITIES = {name: Identity(Secret(secret)) for name, secret in SECRETS.items()}


class Room:
    """One of the two: a terminal whose button, contact and fire input are files."""

    def __init__(self, terminal: Terminal, site: Site) -> None:
        self.terminal, self.site = terminal, site
        self.ajar, self.fire = terminal.folder / "ajar", terminal.folder / "fire"
        self._button = terminal.folder / "button"

    def press(self) -> None:
        """Press the button, and let it go when that was seen."""
        seq = self.site.seq
        self._button.touch()
        self.site.event("door.exit", after=seq)
        self._button.unlink()

    def unlock(self) -> dict[str, Any]:
        return self.site.command("door.unlock", duration_s=0.5)

    @property
    def unlocked(self) -> bool:
        return self.terminal.relay[-1] == "on"

    def opens(self) -> None:
        """As soon as the other one lets it, the site can open this door."""
        wait(lambda: self.unlock()["result"] == "ok" and (self.unlocked or None))

    def shuts(self) -> None:
        wait(lambda: not self.unlocked)

    def told_unheard(self) -> bool:
        """While there is no broker."""
        with self.terminal.outbox() as outbox:
            told = [event.data for event in outbox.pending() if event.type == "door.interlocked"]
        return {"reason": "unheard", "asking": "exit"} in told

    def interlocked(self, after: int) -> str:
        return str(self.site.event("door.interlocked", after=after)["data"]["reason"])


@pytest.fixture
def mantrap(
    tmp_path: Path,
    mosquitto: Mosquitto,
    views: Views,
    make_terminal: Callable[..., Terminal],
) -> Iterator[tuple[Room, Room]]:
    rooms = []
    with ExitStack() as stack:
        for name, other in (("door-1", "door-2"), ("door-2", "door-1")):
            folder = tmp_path / name
            folder.mkdir()
            key = folder / "secret.key"
            key.touch(mode=0o600)
            key.write_text(SECRETS[name].hex())
            film(folder / "stage", views, ("empty", 1))
            terminal = make_terminal(
                folder,
                mosquitto.port,
                terminal=name,
                peers=[{"terminal": other, "public_key": IDENTITIES[other].signing_public}],
                door={
                    "contact": {"file": "ajar"},
                    "exit_button": {"file": "button"},
                    "fire": {"file": "fire"},
                    "interlock": {"peer": other, "timeout_s": 2},
                },
            )
            site = stack.enter_context(Site(mosquitto.port, root=f"edged/hq/{name}"))
            rooms.append(Room(terminal.start(), site))
        for room in rooms:
            room.terminal.ready()
            room.site.status("online")
        yield rooms[0], rooms[1]


def test_the_second_door_stays_shut_while_the_first_is_open_and_while_nobody_can_ask(
    mantrap: tuple[Room, Room], mosquitto: Mosquitto
) -> None:
    one, two = mantrap
    one.opens()
    one.ajar.touch()
    one.site.event("door.opened")
    one.shuts()  # the pulse is over, the door stands open

    seq = two.site.seq
    two.press()
    assert two.interlocked(seq) in ("other_passing", "other_open")
    assert (two.unlock()["result"], two.unlock()["reason"]) == ("refused", "interlock")
    forged = {"aud": "hq/door-2", "iss": "hq/door-1", "boot": "A" * 22, "number": 1, "echo": None}
    forged |= {"shut": True, "claim": None, "holds": False, "yields": None, "fire": False}
    word = IDENTITIES["door-2"].sign(forged, TYP)
    publish.single("edged/hq/door-1/interlock", word, 1, port=mosquitto.port)
    assert two.unlock()["reason"] == "interlock"
    assert "on" not in two.terminal.relay

    one.ajar.unlink()
    one.site.event("door.closed")
    two.opens()
    assert one.unlock()["reason"] == "interlock"
    two.shuts()
    one.opens()
    one.shuts()

    mosquitto.kill()
    wait(lambda: "terminal door-2 does not answer" in one.terminal.log)
    wait(lambda: "terminal door-1 does not answer" in two.terminal.log)
    before = [list(room.terminal.relay) for room in mantrap]
    for room in mantrap:
        room._button.touch()
        wait(room.told_unheard)
        room._button.unlink()
    mosquitto.start()
    assert [list(room.terminal.relay) for room in mantrap] == before
    wait(lambda: one.site.connected and two.site.connected)
    two.opens()


def test_after_a_crash_with_the_door_open_the_other_waits_and_fire_opens_both(
    mantrap: tuple[Room, Room],
) -> None:
    one, two = mantrap
    one.opens()
    one.ajar.touch()
    one.site.event("door.opened")
    one.terminal.kill()
    wait(lambda: "terminal door-1 does not answer" in two.terminal.log)
    assert two.unlock()["reason"] == "interlock"
    one.terminal.start().ready()
    seq = two.site.seq
    two.press()
    two.interlocked(seq)
    wait(lambda: not two.site.state["degraded"])  # it answers, and its door is open
    assert two.unlock()["reason"] == "interlock"
    assert "on" not in two.terminal.relay
    one.ajar.unlink()
    two.opens()

    two.ajar.touch()
    two.site.event("door.opened")
    one.fire.touch()
    wait(lambda: one.unlocked)  # although the other one is open
    two.fire.touch()
    wait(lambda: two.unlocked)
