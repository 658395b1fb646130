"""A terminal to be run as a process of its own: its folder, its camera, its site."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.config.load import load
from edged.events.outbox import Outbox
from edged.gallery.store import make_gallery
from edged.mqtt.sign import sign_command
from edged.vault.keys import load_key
from tests.contract.reading import problems
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edged.gallery.store import Gallery
    from edged.types import Floats

ROOT = "edged/hq/door-1"
AUDIENCE = "hq/door-1"
PERSON = "eileen"
SECRET = "c0ffee" * 10 + "1234"
PATIENCE_S = 40.0

_PRIVATE = Ed25519PrivateKey.generate()
PRIVATE_PEM = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC_PEM = (
    _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)


def wait(thing: Callable[[], Any]) -> Any:
    """What `thing` gives as soon as that is true, on a busy machine too."""
    return until(thing, PATIENCE_S)


@dataclass(frozen=True)
class Views:
    """Frames of each scene, drawn once, and what the networks make of the person in them."""

    scenes: dict[str, list[Path]]
    embeddings: list[Floats]
    model: str


class Stage:
    """What the replay camera sees: a folder of links to frames, exchanged one by one."""

    def __init__(self, folder: Path, views: Views) -> None:
        self._folder = folder
        self._views = views
        folder.mkdir()
        self.show("empty")

    def show(self, scene: str) -> None:
        for number, frame in enumerate(self._views.scenes[scene]):
            link = self._folder / "next"
            link.symlink_to(frame)
            link.replace(self._folder / f"{number}.jpg")

    def unplug(self) -> None:
        """Nothing to be seen any more, until the next `show`."""
        for link in self._folder.iterdir():
            link.unlink()


def film(folder: Path, views: Views, *scenes: tuple[str, int]) -> Path:
    """A recording: so many frames of each scene, one after the other."""
    folder.mkdir()
    number = 0
    for scene, frames in scenes:
        drawn = views.scenes[scene]
        for _ in range(frames):
            (folder / f"{number}.jpg").symlink_to(drawn[number % len(drawn)])
            number += 1
    return folder


def written(folder: Path, port: int | None = None, **changes: Any) -> Path:
    """Write a terminal's configuration and key; dictionaries in `changes` are merged."""
    key = folder / "secret.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(SECRET)
    settings: dict[str, Any] = {
        "site": "hq",
        "terminal": "door-1",
        "camera": {"driver": "replay", "source": "stage", "rate_hz": 15, "loop": True},
        "model": {"runtime": "onnxruntime", "threads": 1},
        "key": {"file": "secret.key"},
        "gallery": {"path": "gallery.db", "enrolment_confirm": "none"},
        "events": {"path": "events.db"},
        "door": {"driver": "simulated", "record": "door.jsonl", "pulse_s": 0.8},
        "decision": {"retake_after_s": 0.7, "gone_after_s": 0.3, "cool_down_s": 60},
        "log_level": "debug",
    }
    if port is not None:
        keys = [{"id": "site", "roles": ["operator", "enroller"], "public_key": PUBLIC_PEM}]
        settings["mqtt"] = {
            "host": "127.0.0.1",
            "port": port,
            "reconnect_max_s": 1,
            "commands": {"unsynced_clock": "accept", "keys": keys, "rate_hz": 100},
        }
    for name, change in changes.items():
        merge = isinstance(change, dict) and "driver" not in change
        settings[name] = settings.get(name, {}) | change if merge else change
    path = folder / "edged.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


class Terminal:
    """The daemon as a process, with its folder; systemd's side of the notify protocol is ours."""

    def __init__(self, folder: Path, port: int | None = None, **changes: Any) -> None:
        self.folder = folder
        self.config = written(folder, port, **changes)
        self.program = [sys.executable, "-m", "edged"]
        self.told: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._ear: socket.socket | None = None

    def start(self, **environment: str) -> Terminal:
        self._listen()
        environment.setdefault("WATCHDOG_USEC", "10000000")
        argv = [*self.program, "run", "-c", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                stdout=log,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": f"@{self._name}", **environment},
            )
        return self

    def ready(self) -> Terminal:
        wait(lambda: self._alive() and "READY=1" in self.told)
        return self

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def ended(self) -> int:
        """The exit code, once it has ended by itself."""
        assert self.process
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """kill -9; safe twice."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def relay(self) -> list[str]:
        """What the relay did, as the simulated door wrote it."""
        return [entry["relay"] for entry in self.door_record() if "relay" in entry]

    def door_record(self) -> list[dict[str, Any]]:
        record = self.folder / "door.jsonl"
        whole = record.read_text().rpartition("\n")[0] if record.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def phase(self) -> str:
        """What the person at the door was last shown."""
        shown = re.findall(r"display phase=(\w+)", self.log)
        return shown[-1] if shown else "idle"

    def gallery(self) -> AbstractContextManager[Gallery]:
        config = load(self.config)
        return _opened(make_gallery(config.gallery, load_key(config.key)))

    def outbox(self) -> AbstractContextManager[Outbox]:
        config = load(self.config)
        return _opened(Outbox(config.events.path, load_key(config.key), 1000))

    def enrol(self, views: Views, person_id: str = PERSON, name: str | None = None) -> None:
        with self.gallery() as gallery:
            for embedding in views.embeddings:
                gallery.add(
                    person_id,
                    embedding,
                    model=views.model,
                    quality=0.99,
                    source="photo",
                    limit=5,
                    name=name,
                )

    def _alive(self) -> bool:
        assert self.process
        assert self.process.poll() is None, f"the daemon ended:\n{self.log[-3000:]}"
        return True

    def _listen(self) -> None:
        if self._ear is not None:
            self._ear.close()
        self._name = f"edged-test-{uuid.uuid4().hex}"
        self.told = told = []
        ear = self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        ear.bind("\0" + self._name)

        def hear() -> None:
            try:
                while message := ear.recv(4096):
                    told.append(message.decode())
            except OSError:
                return

        threading.Thread(target=hear, daemon=True).start()


class _opened:  # noqa: N801  # reads as a function
    """Open a store for a block."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __enter__(self) -> Any:
        self._store.open()
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


@dataclass
class Message:
    """What came from the terminal; `topic` without its root."""

    topic: str
    retained: bool
    content: dict[str, Any]


@dataclass
class Site:
    """The site's client with a session that outlives the broker: hears all, commands.

    Whatever it hears is held against docs/asyncapi.json, to the letter.
    """

    port: int
    heard: list[Message] = field(default_factory=list)
    listens: tuple[str, ...] = ("#",)
    undescribed: list[str] = field(default_factory=list)
    root: str = ROOT

    def __enter__(self) -> Self:
        client = self._client = Client(
            CallbackAPIVersion.VERSION2, f"site-{uuid.uuid4().hex}", protocol=MQTTv5
        )
        subscribed: queue.Queue[bool] = queue.Queue()
        client.on_message = self._take
        filters = [(f"{self.root}/{levels}", 1) for levels in self.listens]
        client.on_connect = lambda c, *_: c.subscribe(filters)
        client.on_subscribe = lambda *_: subscribed.put(True)
        client.reconnect_delay_set(1, 1)
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", self.port, clean_start=False, properties=lasting)
        client.loop_start()
        subscribed.get(timeout=PATIENCE_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if kind is None:
            self.check_contract()

    def check_contract(self) -> None:
        """Nothing was heard that docs/asyncapi.json does not describe."""
        assert self.undescribed == [], "see edged/mqtt/contract"

    def _take(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.undescribed += problems(message.topic, message.payload, message.properties)
        topic = message.topic.removeprefix(f"{self.root}/")
        if topic.startswith("sync/") or topic in (
            "desired",
            "interlock",
        ):  # signed bytes, for somebody else
            return
        if not topic.startswith("cmd/") or topic.endswith("/result"):
            content = json.loads(message.payload or b"{}")
            self.heard.append(Message(topic, message.retain, content))

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    def on(self, topic: str) -> list[dict[str, Any]]:
        return [m.content for m in list(self.heard) if m.topic == topic]

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Events in the order of their arrival, live or late, of one type or of all."""
        return [
            m.content
            for m in list(self.heard)
            if m.topic.startswith(("event/", "backlog/")) and kind in (None, m.content["type"])
        ]

    def event(self, kind: str, after: int = 0, **data: Any) -> dict[str, Any]:
        """Wait for an event of this type and content with a greater sequence number."""

        def there() -> dict[str, Any] | None:
            for event in self.events(kind):
                if event["seq"] > after and data.items() <= event["data"].items():
                    return event
            return None

        found: dict[str, Any] = wait(there)
        return found

    @property
    def seq(self) -> int:
        """The greatest sequence number heard so far."""
        return max((event["seq"] for event in self.events()), default=0)

    @property
    def state(self) -> dict[str, Any]:
        """The last `state`."""
        return (self.on("state") or [{}])[-1]

    def status(self, expected: str) -> dict[str, Any]:
        """Wait until the last `status` is the expected one."""
        wait(lambda: (self.on("status") or [{}])[-1].get("status") == expected)
        return self.on("status")[-1]

    def publish(self, name: str, payload: str | bytes, retain: bool = False) -> None:
        sent = self._client.publish(f"{self.root}/cmd/{name}", payload, qos=1, retain=retain)
        sent.wait_for_publish(PATIENCE_S)

    def forget(self, name: str) -> None:
        """Take a retained command away from the broker."""
        self.publish(name, b"", retain=True)

    def signed(self, name: str, args: dict[str, Any]) -> str:
        return sign_command(PRIVATE_PEM, "site", self.root.removeprefix("edged/"), name, args)

    def replies(self, name: str, nonce: str | None = None) -> list[dict[str, Any]]:
        found = self.on(f"cmd/{name}/result")
        return [reply for reply in found if nonce is None or reply.get("id") == nonce]

    def command(self, name: str, /, **args: Any) -> dict[str, Any]:
        """Send a signed command and wait for the reply."""
        token = self.signed(name, args)
        nonce = jwt.decode(token, options={"verify_signature": False})["jti"]
        self.publish(name, token)
        reply: dict[str, Any] = wait(lambda: self.replies(name, nonce))[0]
        return reply


@dataclass
class Door:
    """A running terminal with a camera whose scene can be changed and a site that listens."""

    terminal: Terminal
    stage: Stage
    site: Site

    def leave(self) -> int:
        """The lobby is empty and the terminal has noticed; the last sequence number."""
        self.stage.show("empty")
        wait(lambda: self.terminal.phase == "idle")
        return self.site.seq

    def at_rest(self) -> None:
        """Wait until a pulse is over."""
        wait(lambda: self.terminal.relay[-1] in {"off", "rest"})

    def people(self, number: int) -> None:
        """Wait until the terminal says how many people it knows."""
        wait(lambda: self.site.state.get("gallery", {}).get("people") == number)


def running(terminals: list[Terminal]) -> Generator[Callable[..., Terminal], None, None]:
    """A maker of terminals that leaves no process behind and shows what it logged."""

    def make(folder: Path, port: int | None = None, **changes: Any) -> Terminal:
        terminals.append(Terminal(folder, port, **changes))
        return terminals[-1]

    try:
        yield make
    finally:
        for terminal in terminals:
            terminal.kill()
            if (terminal.folder / "log").exists():
                print(f"--- {terminal.folder}\n{terminal.log[-4000:]}")
