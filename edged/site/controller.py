"""The site's side of the contract: hears a terminal's events, sends it signed commands."""

from __future__ import annotations

import json
import queue
import time
from typing import TYPE_CHECKING, Any, Literal

import jwt

from edged.errors import BrokerError
from edged.mqtt.sign import sign_command

if TYPE_CHECKING:
    from typing import Self

    from paho.mqtt.client import Client, MQTTMessage

_CONNECT_S = 10.0


class Controller:
    """One controller for one terminal; for scripts, the demo and tests.

    Args:
        root: ``<prefix>/<site>/<terminal>``.
        key_id: the id of our public key in the terminal's ``mqtt.commands.keys``.
        private_pem: our Ed25519 private key.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        root: str,
        key_id: str,
        private_pem: bytes,
        protocol: Literal["5", "3.1.1"] = "5",
    ) -> None:
        self._address = (host, port)
        self._root = root
        self._key_id = key_id
        self._private_pem = private_pem
        self._protocol = protocol
        self._client: Client | None = None
        self._ready: queue.Queue[bool] = queue.Queue()
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._replies: queue.Queue[dict[str, Any]] = queue.Queue()

    def __enter__(self) -> Self:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        version = MQTTv5 if self._protocol == "5" else MQTTv311
        client = self._client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        client.on_connect = lambda c, *_: c.subscribe(f"{self._root}/#", qos=1)
        client.on_subscribe = lambda *_: self._ready.put(True)
        client.on_message = self._take
        try:
            client.connect(*self._address)
            client.loop_start()
            self._ready.get(timeout=_CONNECT_S)
        except (OSError, queue.Empty) as fault:
            self.__exit__()
            where = f"{self._address[0]}:{self._address[1]}"
            raise BrokerError(
                f"broker {where} cannot be reached: {fault or 'no answer'}"
            ) from fault
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def next_event(self, timeout_s: float) -> dict[str, Any] | None:
        """The next event, live or from the backlog; None when none comes in time."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def command(self, name: str, args: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
        """Send a signed command and wait for its one reply.

        Raises:
            BrokerError: no reply in time; the command may have been obeyed all the same.
        """
        if self._client is None:
            raise BrokerError("the controller is not connected")
        audience = "/".join(self._root.split("/")[-2:])
        token = sign_command(self._private_pem, self._key_id, audience, name, args)
        nonce = jwt.decode(token, options={"verify_signature": False})["jti"]
        self._client.publish(f"{self._root}/cmd/{name}", token, qos=1)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                reply = self._replies.get(timeout=left)
            except queue.Empty:
                break
            if reply.get("id") == nonce:
                return reply
        raise BrokerError(f"no reply to {name} within {timeout_s:g} s; is the terminal online?")

    def _take(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        kind = message.topic.removeprefix(f"{self._root}/").split("/")
        try:
            document = json.loads(message.payload)
        except ValueError:
            return
        if kind[0] in {"event", "backlog"}:
            self._events.put(document)
        elif kind[0] == "cmd" and kind[-1] == "result":
            self._replies.put(document)
