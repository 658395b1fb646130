"""A terminal without a camera (its real log, link and commands), and a site that listens."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.config.schema import Mqtt
from edged.events.outbox import Outbox
from edged.mqtt import Commands, Context, Link, Reply, Topics, sign_command
from edged.mqtt.auth import WallTime
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.mqtt.client import Feed

Protocol = Literal["5", "3.1.1"]
SITE = "hq"
_KEY = Ed25519PrivateKey.generate()
_KEY_ID = "controller"
_PRIVATE = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
CONTROLLER_PUBLIC = (
    _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)


@dataclass(frozen=True)
class Manner:
    """How a broker is to be spoken to."""

    protocol: Protocol = "5"
    dash: bool = False

    def topics(self, name: str) -> Topics:
        return Topics("edged", SITE, name, dash=self.dash)


def identity_of(name: str) -> Identity:
    """A terminal's, known to everybody by its name."""
    return Identity(_secret_of(name))


def _secret_of(name: str) -> Secret:
    return Secret(name.encode().ljust(32, b"\0")[:32])


class Terminal:
    """Opened by ``with``; its folder may be opened again later.

    Args:
        folder: holds the events.
        port: of the broker, on 127.0.0.1.
        manner: how to speak to it.
        feed: hears ``sync/…``.
        public_key: of the site's controller, in PEM form; this process's own if none is given.
        more: of the settings ``mqtt``.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        manner: Manner,
        name: str = "door-1",
        *,
        feed: Feed | None = None,
        public_key: str = CONTROLLER_PUBLIC,
        clock: Callable[[], float] | None = None,
        **more: Any,
    ) -> None:
        key = {"id": _KEY_ID, "public_key": public_key, "roles": ["operator", "auditor"]}
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "protocol": manner.protocol,
            "topic_dots": "dash" if manner.dash else "dot",
            "reconnect_max_s": 1,
            "backlog_hz": 100_000,
            "commands": {"keys": [key], "rate_hz": 1000},
        }
        self.settings = Mqtt.model_validate(settings | more)
        self.topics = manner.topics(name)
        secret = _secret_of(name)
        self.identity = identity_of(name)
        times = {} if clock is None else {"clock": clock}
        self.outbox = Outbox(folder / "events.db", secret, 1_000_000, **times)
        self.unlocked = 0
        handlers = {"door.unlock": self._unlock, "events.replay": self._replay}
        self.commands = Commands(
            self.settings.commands, self.topics, self.outbox, handlers, WallTime(lambda: "synced")
        )
        self.link = Link(
            self.settings,
            self.topics,
            self.outbox,
            self.commands.submit,
            feed=feed,
            signer=self.identity,
        )

    def __enter__(self) -> Self:
        self.outbox.open()
        self.commands.open()
        self.link.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()
        self.commands.close()
        self.outbox.close()

    def online(self) -> Self:
        """Connected; whether it hears commands yet is for its ``status`` to say."""
        until(lambda: self.link.status().connected)
        return self

    def happen(self, first: int, number: int = 1, pad: int = 0) -> None:
        """So many events with numbers in them."""
        for n in range(first, first + number):
            self.outbox.append("access.granted", {"n": n, "pad": "x" * pad} if pad else {"n": n})

    def delivered(self, within_s: float = 30) -> None:
        until(lambda: self.outbox.depth == 0, within_s)

    def _unlock(self, args: Any, context: Context) -> Reply:
        self.unlocked += 1
        return Reply("ok", "unlocked")

    def _replay(self, args: Any, context: Context) -> Reply:
        count = self.outbox.again(args.from_seq, args.to_seq or self.outbox.head.seq)
        return Reply("ok", "done", data={"count": count})


class Unanswered(AssertionError):
    """No reply to a command came in time."""


@dataclass
class Heard:
    """One message at the site; `path` is what follows the terminal's root."""

    terminal: str
    path: str
    payload: bytes
    retained: bool
    _content: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def content(self) -> dict[str, Any]:
        if self._content is None:
            self._content = json.loads(self.payload)
        return self._content


class Site:
    """A client with a lasting session that hears whatever the terminals of its site say.

    Args:
        session: the client id; the same one again goes on where it was.
        hears: called on the network thread with each message.
    """

    def __init__(
        self,
        port: int,
        manner: Manner,
        terminals: tuple[str, ...] = ("door-1",),
        session: str = "site",
        hears: Callable[[Heard], None] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.heard: list[Heard] = []
        self.seqs: dict[str, set[int]] = defaultdict(set)  # by terminal: what came, on any stream
        self.manner = manner
        self._host = host
        self._terminals = terminals
        self._hears = hears or self._keep
        self._port = port
        self._subscribed = threading.Event()
        modern = manner.protocol == "5"
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            f"{session}-{'-'.join(terminals)[:60]}",
            clean_session=None if modern else False,
            protocol=MQTTv5 if modern else MQTTv311,
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._take

    def __enter__(self) -> Self:
        options: dict[str, Any] = {}
        if self.manner.protocol == "5":
            lasting = Properties(PacketTypes.CONNECT)
            lasting.SessionExpiryInterval = 86_400
            options = {"clean_start": False, "properties": lasting}
        self.client.connect(self._host, self._port, **options)
        self.client.loop_start()
        assert self._subscribed.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def events(self, stream: str = "", name: str = "door-1") -> list[dict[str, Any]]:
        """What came as ``event``, ``backlog`` or, by default, either; duplicates too."""
        streams = (f"{stream}/",) if stream else ("event/", "backlog/")
        return [
            one.content
            for one in list(self.heard)
            if one.terminal == name and one.path.startswith(streams)
        ]

    def numbers(self, stream: str = "", name: str = "door-1") -> list[int]:
        """The numbers of `Terminal.happen` in the order of their first arrival."""
        return list(dict.fromkeys(e["data"]["n"] for e in self.events(stream, name)))

    def on(self, path: str, name: str = "door-1") -> list[dict[str, Any]]:
        return [m.content for m in list(self.heard) if (m.terminal, m.path) == (name, path)]

    def send(self, path: str, payload: bytes, name: str = "door-1", retain: bool = False) -> None:
        root = self.manner.topics(name).root
        self.client.publish(f"{root}/{path}", payload, qos=1, retain=retain).wait_for_publish(20)

    def order(self, command: str, args: dict[str, Any], name: str = "door-1") -> bytes:
        """A signed command."""
        return sign_command(_PRIVATE, _KEY_ID, f"{SITE}/{name}", command, args).encode()

    def command(
        self, command: str, args: dict[str, Any], name: str = "door-1", within_s: float = 20
    ) -> dict[str, Any]:
        """Send a signed command to a terminal that has said it is online; its reply.

        Raises:
            Unanswered: none came.
        """
        until(lambda: [m["status"] for m in self.on("status", name)[-1:]] == ["online"])
        topics = self.manner.topics(name)
        path = topics.command(command).removeprefix(f"{topics.root}/")
        order = self.order(command, args, name)
        number = json.loads(urlsafe_b64decode(order.split(b".")[1] + b"=="))["jti"]
        self.send(path, order, name)
        answers = f"{path}/result"
        try:
            return until(
                lambda: [m for m in self.on(answers, name) if m["id"] == number], within_s
            )[0]
        except AssertionError:
            raise Unanswered(f"{name} does not answer {command}") from None

    def filters(self) -> list[str]:
        """What to hear. No two of them overlap: a broker may send a message once for each."""
        # retained messages come for exact topics only where a broker keeps them without an index
        below = ("status", "state", "audit", "event/+", "backlog/+", "cmd/+/result")
        below += ("sync/pull", "sync/offer")
        roots = [self.manner.topics(name).root for name in self._terminals]
        return [f"{root}/{what}" for root in roots for what in below]

    def _connected(self, client: Client, *_: object) -> None:
        client.subscribe([(topic, 1) for topic in self.filters()])

    def _keep(self, heard: Heard) -> None:
        self.heard.append(heard)
        if heard.path.startswith(("event/", "backlog/")):
            self.seqs[heard.terminal].add(heard.content["seq"])

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        _, _, terminal, path = message.topic.split("/", 3)
        self._hears(Heard(terminal, path, bytes(message.payload), message.retain))
