"""A terminal without a camera: its real log, link, commands and upkeep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from edged.config.schema import Mqtt
from edged.events.outbox import Outbox
from edged.mqtt import Commands, Link, Topics
from edged.mqtt.auth import WallTime
from edged.service.upkeep import Upkeep
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.mqtt.catalogue import Reply


class Virtual:
    """Opened by ``with``; its folder may be opened again later."""

    def __init__(
        self,
        folder: Path,
        port: int,
        public_key: str,
        name: str = "door-1",
        handlers: dict[str, Callable[[Any, Any], Reply]] | None = None,
        **more: Any,
    ) -> None:
        folder.mkdir(exist_ok=True)
        roles = ["operator", "enroller", "maintainer", "auditor"]
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "reconnect_max_s": 1,
            "backlog_hz": 100_000,
            "commands": {
                "keys": [{"id": "office", "public_key": public_key, "roles": roles}],
                "rate_hz": 1000,
            },
        }
        mqtt = Mqtt.model_validate(settings | more)
        secret = Secret(name.encode().ljust(32, b"\0")[:32])
        self.name = name
        self.identity = Identity(secret)
        self.topics = Topics(mqtt.prefix, "hq", name, dash=mqtt.topic_dots == "dash")
        self.outbox = Outbox(folder / "events.db", secret, 100_000)
        self.asked: list[tuple[str, Any]] = []
        known = Upkeep(self.outbox, {"events": folder}, {}).handlers() | (handlers or {})
        noted = {command: self._noting(command, work) for command, work in known.items()}
        self.commands = Commands(
            mqtt.commands, self.topics, self.outbox, noted, WallTime(lambda: "synced")
        )
        self.link = Link(mqtt, self.topics, self.outbox, self.commands.submit, signer=self.identity)

    def __enter__(self) -> Self:
        self.outbox.open()
        self.commands.open()
        self.link.open()
        until(lambda: self.link.status().connected)
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()
        self.commands.close()
        self.outbox.close()

    def happen(self, number: int = 1, kind: str = "access.granted") -> None:
        """So many events, recorded and taken by the broker."""
        for n in range(number):
            self.outbox.append(kind, {"n": n})
        until(lambda: self.outbox.depth == 0)

    def _noting(self, command: str, work: Callable[[Any, Any], Reply]) -> Any:
        def handle(args: Any, context: Any) -> Reply:
            self.asked.append((command, args))
            return work(args, context)

        return handle
