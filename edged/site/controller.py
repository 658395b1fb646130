"""The site's side of the contract: hears a terminal's events, sends it signed commands."""

from __future__ import annotations

import json
import queue
from typing import TYPE_CHECKING, Any, Literal

from edged.config.schema import Mqtt
from edged.errors import BrokerError
from edged.site.client import SiteClient
from edged.site.orders import Orders

if TYPE_CHECKING:
    from typing import Self

    from edged.site.client import Heard

_WAITING = 100_000


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
        prefix, site, self._terminal = root.rsplit("/", 2)
        broker = Mqtt(host=host, port=port, protocol=protocol, prefix=prefix)
        self._root = root
        self._client = SiteClient(broker)
        self._orders = Orders(self._client, broker, site, key_id, private_pem)
        self._events: queue.Queue[dict[str, Any]] = queue.Queue(_WAITING)

    def __enter__(self) -> Self:
        self._client.open()
        try:
            self._client.hear([f"{self._root}/event/+", f"{self._root}/backlog/+"], self._take)
            self._orders.listen([self._terminal])
        except BrokerError:
            self._client.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

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
        return self._orders.send(self._terminal, name, args, timeout_s)

    def _take(self, heard: Heard) -> None:
        try:
            document = json.loads(heard.payload)
        except (ValueError, RecursionError):
            return
        if isinstance(document, dict) and not self._events.full():
            self._events.put(document)
