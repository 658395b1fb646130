"""Commands without a network: a desk to hand them in at, and every way to write one."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from edged.errors import DoorError
from edged.mqtt import Commands, Incoming, Reply, sign_command
from tests.mqtt.conftest import OPERATOR, TOPICS
from tests.mqtt.conftest import settings as mqtt_settings
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping

UNLOCK = TOPICS.command("door.unlock")
AUDIENCE = TOPICS.audience


@dataclass
class Watch:
    """A time that a test sets: the wall clock and what is known for certain."""

    trusted: bool = True
    ahead_s: float = 0.0
    floor: float | None = None

    def now(self) -> float:
        return max(time.time() + self.ahead_s, self.floor or 0.0)

    def earliest(self) -> float:
        return self.now() if self.trusted else self.floor or 0.0


class Desk:
    """Commands with handlers that note what they were told, and the replies that were given."""

    def __init__(self, outbox: Any, **more: Any) -> None:
        self.done: list[tuple[str, Any, Any]] = []
        self.replies: list[tuple[str, dict[str, Any], bytes | None]] = []
        self.watch = more.pop("watch", None) or Watch()
        self.hold = threading.Event()
        self.hold.set()
        self.outbox = outbox
        handlers: Mapping[str, Any] = more.pop("handlers", None) or {
            "door.unlock": self._handle,
            "enrol.start": self._handle,
        }
        extra = {name: more.pop(name) for name in ("keyring", "deafen", "on_flood") if name in more}
        config = mqtt_settings(1883, commands=more).commands
        self.commands = Commands(config, TOPICS, outbox, handlers, self.watch, **extra)
        self.commands.open()

    def _handle(self, args: Any, context: Any) -> Reply:
        self.hold.wait(20)
        if args.model_dump().get("cause") == "jam":
            raise DoorError("the relay does not obey")
        if args.model_dump().get("cause") == "bug":
            raise ZeroDivisionError
        if args.model_dump().get("cause") == "no json":
            return Reply(data={"x": object()})
        self.done.append((context.command, args, context))
        return Reply("ok", "done", "unlocked", {"pulse_s": 3})

    def put(self, payload: str | bytes, topic: str = UNLOCK, **more: Any) -> None:
        raw = payload.encode() if isinstance(payload, str) else payload
        retained = more.pop("retained", False)
        self.commands.submit(Incoming(topic, raw, retained, self._answer, **more))

    def _answer(self, topic: str, reply: Any, correlation: bytes | None) -> None:
        self.replies.append((topic, json.loads(json.dumps(reply)), correlation))

    def ask(self, payload: str | bytes, topic: str = UNLOCK, **more: Any) -> dict[str, Any]:
        count = len(self.replies)
        self.put(payload, topic, **more)
        until(lambda: len(self.replies) > count)
        return self.replies[-1][1]


def good(command: str = "door.unlock", args: dict[str, Any] | None = None, **more: Any) -> str:
    key = more.pop("key", OPERATOR)
    kid = more.pop("kid", "operator")
    audience = more.pop("audience", AUDIENCE)
    return sign_command(key.private, kid, audience, command, args or {}, **more)


def claims(**more: Any) -> dict[str, Any]:
    now = time.time()
    base = {"aud": AUDIENCE, "iat": now, "exp": now + 30, "jti": "nonce-0123456789"}
    changed = base | {"cmd": "door.unlock", "args": {}} | more
    return {name: value for name, value in changed.items() if value is not ...}


def signed(content: Any, header: dict[str, Any] | None = None) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"kid": "operator"} | (header or {})
    return jwt.PyJWS().encode(raw, OPERATOR.private, algorithm="EdDSA", headers=headers)


def part(data: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def tampered() -> str:
    head, _, signature = good(args={"duration_s": 1}).split(".")
    return f"{head}.{part(claims(args={'duration_s': 60}))}.{signature}"


def confused_hs256() -> str:
    """Signed with the public key as if it were a shared secret."""
    import hashlib
    import hmac

    text = f"{part({'alg': 'HS256', 'kid': 'operator'})}.{part(claims())}"
    mac = hmac.new(OPERATOR.public.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
