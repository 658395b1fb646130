"""A site's controller, written from docs/asyncapi.json alone: no line of the project's code.

Topics, schemas and rules come out of the document; what is not in there is not known here.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

import jwt
from jsonschema import Draft7Validator
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.contract.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paho.mqtt.reasoncodes import ReasonCode

PATIENCE_S = 60.0
Json = dict[str, Any]


class Contract:
    """The document, and what can be asked of it."""

    def __init__(self, path: Path, *, dash: bool = False) -> None:
        self.document: Json = json.loads(path.read_text(encoding="utf-8"))
        self._dash = dash
        self._checks: dict[tuple[str, str], Draft7Validator] = {}

    def at(self, node: Json) -> Json:
        """What a reference stands for."""
        while "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def address(self, channel: str, **levels: str) -> str:
        """The topic, or with "+" the filter, of a channel."""
        made: str = self.document["channels"][channel]["address"]
        for name, value in levels.items():
            dotted = name in ("type", "command") and self._dash
            made = made.replace(f"{{{name}}}", value.replace(".", "-") if dotted else value)
        return made

    def payload(self, channel: str, name: str) -> Json:
        """The schema of a message."""
        message = self.at(self.document["channels"][channel]["messages"][name])
        found: Json = message["payload"]
        return found

    def names(self, channel: str) -> list[str]:
        """The messages of a channel."""
        return list(self.document["channels"][channel]["messages"])

    def binding(self, operation: str) -> Json:
        """How MQTT is used by an operation."""
        found: Json = self.document["operations"][operation]["bindings"]["mqtt"]
        return found

    def errors(self, channel: str, name: str, content: Any, part: str | None = None) -> list[str]:
        """What is wrong with a message, or with a part of a signed one."""
        schema = self.payload(channel, name)
        if part is not None:
            schema = schema[part]
        check = self._checks.setdefault(
            (channel, f"{name}/{part}"),
            Draft7Validator({"allOf": [schema], "components": self.document["components"]}),
        )
        return [error.message for error in check.iter_errors(content)]


class Controller:
    """Hears one terminal and commands it.

    Args:
        kid, private_pem: its Ed25519 key, which the terminal knows by this id.
        tls: the paths of the authority, and of its own certificate and key.
        replies: its own topic for replies; None: beside the commands.
    """

    def __init__(
        self,
        contract: Contract,
        port: int,
        tls: tuple[Path, Path, Path],
        *,
        levels: dict[str, str],
        kid: str,
        private_pem: bytes,
        replies: str | None = None,
    ) -> None:
        self._contract = contract
        self._port = port
        self._levels = levels
        self._kid = kid
        self._private_pem = private_pem
        self._replies = replies
        self._news = threading.Condition()
        self._heard: dict[str, list[Json]] = defaultdict(list)
        self._refused: list[str] = []
        self.wrong: list[str] = []
        client = self._client = Client(
            CallbackAPIVersion.VERSION2, f"controller-{secrets.token_hex(4)}", protocol=MQTTv5
        )
        authority, certificate, key = map(str, tls)
        client.tls_set(authority, certificate, key)
        client.on_message = self._take
        client.on_subscribe = self._subscribed
        client.on_connect = self._connected

    def __enter__(self) -> Self:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", self._port, clean_start=False, properties=session)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    # what it hears

    def heard(self, channel: str) -> list[Json]:
        """What came on a channel so far."""
        with self._news:
            return list(self._heard[channel])

    def wait(self, channel: str, wanted: Callable[[Json], bool]) -> Json:
        """The first message of a channel that is wanted, now or later."""
        return self._until(
            lambda: next((m for m in self._heard[channel] if wanted(m)), None), channel
        )

    def _until(self, there: Callable[[], Any], what: str) -> Any:
        deadline_s = time.monotonic() + PATIENCE_S
        with self._news:
            while not (found := there()):
                left_s = deadline_s - time.monotonic()
                assert left_s > 0, f"{what} did not come"
                self._news.wait(left_s)
            return found

    def all_of_log(self, seq: int) -> None:
        """Wait until every event of the newest log up to this one is here, from its beginning."""
        log = self.heard("audit")[-1]["log"]

        def there() -> bool:
            both = self._heard["event"] + self._heard["backlog"]
            return set(range(1, seq + 1)) <= {e["seq"] for e in both if e["log"] == log}

        self._until(there, f"all of {seq} events")

    def event(self, kind: str, *, late: bool = False, **data: Any) -> Json:
        """An event of this type that says this; with `late` also one that came afterwards."""
        channels = ("event", "backlog") if late else ("event",)

        def there() -> Json | None:
            for event in (event for channel in channels for event in self._heard[channel]):
                if event["type"] == kind and data.items() <= event["data"].items():
                    return event
            return None

        found: Json = self._until(there, f"{kind} {data}")
        return found

    def state(self, wanted: Callable[[Json], bool]) -> Json:
        """A state that is wanted, now or later."""
        return self.wait("state", wanted)

    def audit(self, terminal_pem: str) -> Proof:
        """What was captured of the log, and how far the terminal says that it goes."""
        schemas = self._contract.document["components"]["schemas"]
        captured = self.heard("event") + self.heard("backlog")
        return Proof(schemas, terminal_pem, captured, self.heard("audit"))

    # what it says

    def command(self, name: str, **args: Any) -> Json:
        """Send a command and wait for its one reply."""
        now_s = time.time()
        claims = {
            "aud": f"{self._levels['site']}/{self._levels['terminal']}",
            "iat": now_s,
            "exp": now_s + 30,
            "jti": secrets.token_urlsafe(16),
            "cmd": name,
            "args": args,
        }
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = 30
        if self._replies is not None:
            properties.ResponseTopic = self._replies
            properties.CorrelationData = claims["jti"].encode()
        topic = self._contract.address("command", **self._levels, command=name)
        self._say(
            topic, self._signed("command", name, claims), self._contract.binding(name), properties
        )
        return self.wait("result", lambda reply: reply["id"] == claims["jti"])

    def desire(self, revision: int, settings: Json) -> None:
        """Say how the terminal shall be set."""
        claims = {
            "aud": f"{self._levels['site']}/{self._levels['terminal']}",
            "iat": time.time(),
            "revision": revision,
            "settings": settings,
        }
        topic = self._contract.address("desired", **self._levels)
        token = self._signed("desired", "desired", claims)
        self._say(topic, token, self._contract.binding("obeyDesired"))

    def _signed(self, channel: str, name: str, claims: Json) -> str:
        """A compact JWS with the header and the claims that the document wants."""
        header = {"alg": "EdDSA", "kid": self._kid}
        wanted = self._contract.at(self._contract.payload(channel, name)["x-jws-header"])
        header |= {
            member: about["const"]
            for member, about in wanted["properties"].items()
            if member in wanted["required"] and "const" in about
        }
        for part, value in (("x-jws-header", header), ("x-jws-claims", claims)):
            errors = self._contract.errors(channel, name, value, part)
            assert not errors, errors
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(
            payload, self._private_pem, algorithm="EdDSA", headers={"typ": None, **header}
        )

    def _say(self, topic: str, token: str, mqtt: Json, properties: Any = None) -> None:
        retain = mqtt["retain"]
        sent = self._client.publish(topic, token, mqtt["qos"], retain, properties)
        sent.wait_for_publish(PATIENCE_S)

    # paho's thread

    def _connected(self, client: Client, _data: Any, _flags: Any, _code: Any, _props: Any) -> None:
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        channels = {name: {} for name in ("status", "state", "audit")}
        channels |= {name: {"type": "+"} for name in ("event", "backlog")}
        channels["result"] = {"command": "+"}
        topics = [
            self._contract.address(channel, **self._levels, **more)
            for channel, more in channels.items()
        ]
        if self._replies is not None:
            topics.append(self._replies)
        client.subscribe([(topic, options) for topic in topics])

    def _subscribed(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Any
    ) -> None:
        with self._news:
            self._refused += [str(code) for code in codes if code.is_failure]
            self._news.notify_all()

    def _take(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        content = json.loads(message.payload)
        channel, name = self._place(message.topic, content)
        errors = self._contract.errors(channel, name, content)
        with self._news:
            self.wrong += [f"{message.topic}: {error}" for error in errors]
            self._heard[channel].append(content)
            self._news.notify_all()

    def _place(self, topic: str, content: Json) -> tuple[str, str]:
        """The channel of a topic, and which of its messages came."""
        if topic == self._replies:
            return "result", content["command"]
        for channel in ("status", "state", "audit"):
            if topic == self._contract.address(channel, **self._levels):
                names = self._contract.names(channel)
                good = [n for n in names if not self._contract.errors(channel, n, content)]
                return channel, [*good, names[0]][0]
        for channel, key in (("event", "type"), ("backlog", "type"), ("result", "command")):
            levels = {**self._levels, key: str(content.get(key))}
            if topic == self._contract.address(channel, **levels):
                return channel, content[key]
        raise AssertionError(f"nobody told of {topic}")
