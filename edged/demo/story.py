"""The demo: a terminal is watched from the site's side while somebody comes to the door."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edged.config.schema import Key
from edged.demo import scenes
from edged.errors import EdgedError
from edged.events.chain import verify
from edged.site.controller import Controller
from edged.vault.identity import Identity
from edged.vault.keys import create_key_file, load_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.demo.broker import Broker
    from edged.demo.scenes import Scene

PERSON = "eileen"
_KEY_ID = "demo-controller"
_ENROLMENT_S = 90.0


class StoryBroken(EdgedError):
    """Something that should have happened at the door did not."""


@dataclass
class Site:
    """The folder of the demo's terminal and the controller's key."""

    folder: Path
    broker: Broker
    private_pem: bytes = field(repr=False)

    @classmethod
    def make(cls, folder: Path, broker: Broker, camera: dict[str, Any]) -> Site:
        """Write the terminal's configuration and keys."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        create_key_file(folder / "secret.key")
        settings = {
            "site": "demo",
            "terminal": "front-door",
            "camera": camera,
            "key": {"file": "secret.key"},
            "gallery": {"path": "gallery.db"},
            "events": {"path": "events.db"},
            "door": {"driver": "simulated", "record": "door.jsonl", "pulse_s": 1},
            "decision": {"retake_after_s": 1.2, "gone_after_s": 0.5, "cool_down_s": 3},
            "mqtt": {
                "host": "127.0.0.1",
                "port": broker.port,
                "protocol": broker.protocol,
                "commands": {
                    "unsynced_clock": "accept",
                    "keys": [
                        {
                            "id": _KEY_ID,
                            "roles": ["operator", "enroller"],
                            "public_key": public.decode(),
                        }
                    ],
                },
            },
        }
        text = yaml.safe_dump(settings, sort_keys=False)
        (folder / "edged.yaml").write_text(text, encoding="utf-8")
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(folder, broker, pem)

    def door_record(self) -> list[str]:
        """What the relay did."""
        lines = (self.folder / "door.jsonl").read_text().splitlines()
        return [str(json.loads(line)["relay"]) for line in lines]


class Terminal:
    """The real daemon, as its own process."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run ``edged run``; its log goes to the demo's folder."""
        argv = [sys.executable, "-m", "edged", "run", "-c", str(self._site.folder / "edged.yaml")]
        with (self._site.folder / "edged.log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)

    def check(self) -> None:
        """Raises StoryBroken when the daemon has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise StoryBroken(f"the terminal ended by itself:\n{self.log_tail()}")

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def log_tail(self) -> str:
        """The last lines of the daemon's log."""
        log = self._site.folder / "edged.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


class Story:
    """Tells what happens, and insists that it does.

    Args:
        show: changes what the synthetic camera sees; None with a real camera.
        say: takes lines for the person who watches.
    """

    def __init__(
        self,
        site: Site,
        show: Callable[[Scene], None] | None,
        say: Callable[[str], None],
        patience_s: float,
    ) -> None:
        self._site = site
        self._show_scene = show
        self._say = say
        self._patience_s = patience_s
        self._terminal = Terminal(site)
        self._started = time.monotonic()
        self._events: list[dict[str, Any]] = []
        self._controller = Controller(
            "127.0.0.1",
            site.broker.port,
            root="edged/demo/front-door",
            protocol=site.broker.protocol,
            key_id=_KEY_ID,
            private_pem=site.private_pem,
        )

    def run(self) -> dict[str, Any]:
        """The whole story; returns what came of it.

        Raises:
            StoryBroken: something that should have happened did not.
        """
        with self._controller:
            self._terminal.start()
            try:
                self._wait("terminal.started")
                lobby = " and sees an empty lobby" if self._show_scene else ""
                self._tell(f"The terminal is up{lobby}.")
                if self._show_scene is None:
                    self._with_a_camera()
                else:
                    self._with_scenes()
                self._let_in()
            finally:
                code = self._terminal.stop()
        if code != 0:
            raise StoryBroken(f"the terminal ended with code {code}:\n{self._terminal.log_tail()}")
        return self._account()

    def _with_scenes(self) -> None:
        for scene, what, reason in (
            (scenes.FAR, "Somebody stops two metres away.", "come_closer"),
            (scenes.DARK, "They stand at the door, in the dark.", "more_light"),
            (scenes.BLURRED, "The light is on, but the view is blurred.", "hold_still"),
        ):
            self._tell(what)
            self._show(scene)
            event = self._wait("capture.retake", reason=reason)
            self._hear(f"“{_WORDS[reason]}”", event)
            self._leave()
        self._tell("They stand still, near and well lit. Nobody has enrolled them.")
        self._show(scenes.NEAR)
        self._hear("refused: a stranger", self._wait("access.denied"))
        self._leave()

    def _with_a_camera(self) -> None:
        self._tell("Stand before the camera; you are a stranger to it.")
        self._hear("refused: a stranger", self._wait("access.denied"))

    def _let_in(self) -> None:
        self._tell("The site sends a signed command over MQTT: enrol whoever comes next.")
        reply = self._controller.command(
            "enrol.start",
            {
                "person_id": PERSON,
                "views": 3,
                "timeout_s": _ENROLMENT_S,
                "consent": {"basis": "agreed at the terminal"},
            },
        )
        if reply.get("result") != "ok":
            raise StoryBroken(f"the terminal refused to enrol: {reply}")
        side = reply["data"]["confirm"].removeprefix("turn_")
        who = "They are" if self._show_scene else "You are"
        self._tell(f"{who} asked to agree: turn the head to the {side}, and back.")
        self._show(scenes.LOOKING)
        event = self._wait("enrol.completed", confirmed="turn", patience_s=_ENROLMENT_S)
        kinds = ", ".join(event["data"]["kinds"])
        self._hear(f"three good views ({kinds}) are in the encrypted gallery", event)
        self._tell("They leave, and come back." if self._show_scene else "Leave, and come back.")
        self._leave()
        self._show(scenes.NEAR)
        event = self._wait("access.granted")
        if event["data"].get("person_id") != PERSON:
            raise StoryBroken(f"somebody else was let in: {event}")
        self._hear("welcome: the door opens", event)
        self._show(scenes.EMPTY)

    def _account(self) -> dict[str, Any]:
        relay = self._site.door_record()
        if relay.count("on") != 1 or relay[0] != "rest" or relay[-1] != "rest":
            raise StoryBroken(f"the relay should have pulsed once and rest at both ends: {relay}")
        numbers = [event["seq"] for event in self._events]
        if numbers != sorted(set(numbers)):
            raise StoryBroken(f"events out of order: {numbers}")
        key = Identity(load_key(Key(file=self._site.folder / "secret.key"))).signing_public
        if not verify(self._events, [key]).whole:
            raise StoryBroken("the events are not the terminal's, unaltered and without a hole")
        took = time.monotonic() - self._started
        self._tell(
            f"The relay pulsed once and is at rest; {len(numbers)} events came over MQTT "
            f"({self._site.broker.name}), in order."
        )
        self._tell("Each is signed by the terminal and chained to the one before: none is missing.")
        return {
            "ok": True,
            "seconds": round(took, 1),
            "broker": self._site.broker.name,
            "relay": relay,
            "events": self._events,
        }

    def _show(self, scene: Scene) -> None:
        if self._show_scene is not None:
            self._show_scene(scene)

    def _leave(self) -> None:
        """An empty lobby for long enough that the presentation is over."""
        self._show(scenes.EMPTY)
        time.sleep(1.2 if self._show_scene else 4.0)

    def _wait(self, kind: str, *, patience_s: float | None = None, **data: Any) -> dict[str, Any]:
        patience_s = patience_s or self._patience_s
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            self._terminal.check()
            event = self._controller.next_event(0.2)
            if event is None:
                continue
            self._events.append(event)
            fits = all(event["data"].get(name) == value for name, value in data.items())
            if event["type"] == kind and fits:
                return event
        wanted = f"{kind} {data or ''}".strip()
        seen = ", ".join(f"{e['type']} {e['data'].get('reason', '')}" for e in self._events[-5:])
        raise StoryBroken(
            f"waited {patience_s:.0f} s for {wanted}; came: {seen or 'nothing'}\n"
            f"{self._terminal.log_tail()}"
        )

    def _tell(self, text: str) -> None:
        self._say(f"{time.monotonic() - self._started:5.1f} s  {text}")

    def _hear(self, text: str, event: dict[str, Any]) -> None:
        data = event["data"]
        facts = [
            f"{label} {data[name]:.2f}"
            for name, label in (
                ("quality", "quality"),
                ("similarity", "similarity"),
                ("threshold", "needed"),
            )
            if data.get(name) is not None
        ]
        note = f"   [{event['type']}{': ' if facts else ''}{', '.join(facts)}]"
        self._say(f"{time.monotonic() - self._started:5.1f} s      → {text}{note}")


_WORDS = {
    "come_closer": "Please come closer.",
    "more_light": "More light, please.",
    "hold_still": "Please hold still.",
}
