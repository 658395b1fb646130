"""The site's side of the log on MQTT: answers every terminal's pulls, takes their offers."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Literal

from edged.errors import BrokerError, EdgedError

if TYPE_CHECKING:
    from typing import Self

    from paho.mqtt.client import Client, MQTTMessage

    from edged.sync.site import SiteLog

_log = logging.getLogger(__name__)
_CONNECT_S = 10.0
_WAITING = 1000


class SiteLink:
    """One site's log for all of its terminals; a context. For scripts, tests, and small sites.

    Args:
        root: ``<prefix>/<site>``.
        log: open; may be appended to by any thread, then `announce`.

    Attributes:
        sent_bytes: how much was published.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        root: str,
        log: SiteLog,
        protocol: Literal["5", "3.1.1"] = "5",
    ) -> None:
        self._address = (host, port)
        self._root = root
        self._site = log
        self._protocol = protocol
        self._client: Client | None = None
        self._ready: queue.Queue[bool] = queue.Queue()
        self._asked: queue.Queue[tuple[str, str, bytes] | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self.sent_bytes = 0

    def __enter__(self) -> Self:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        version = MQTTv5 if self._protocol == "5" else MQTTv311
        client = self._client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        topics = [(f"{self._root}/+/sync/pull", 1), (f"{self._root}/+/sync/offer", 1)]
        client.on_connect = lambda c, *_: c.subscribe(topics)
        client.on_subscribe = lambda *_: self._ready.put(True)
        client.on_message = self._take
        client.reconnect_delay_set(1, 30)
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
        self._thread = threading.Thread(target=self._work, name="site", daemon=True)
        self._thread.start()
        self.announce()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()
            self._thread = None
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def announce(self) -> None:
        """Tell every terminal how far the log is: after each change of it. Retained, so that
        whoever connects later sees it."""
        for terminal in self._site.terminals:
            self._publish(terminal, "head", self._site.head(terminal))

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        """From paho's thread: a flood of questions is let fall, and asked again."""
        try:
            terminal, _, kind = message.topic.removeprefix(f"{self._root}/").split("/")
            self._asked.put_nowait((terminal, kind, bytes(message.payload)))
        except (ValueError, queue.Full):
            return

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            terminal, kind, message = asked
            try:
                self._answer(terminal, kind, message)
            except EdgedError as fault:
                _log.error("%s cannot be answered: %s", terminal, fault)
            except Exception:  # noqa: BLE001  # the edge of the thread
                _log.exception("%s cannot be answered, in a way that nobody foresaw", terminal)

    def _answer(self, terminal: str, kind: str, message: bytes) -> None:
        if kind == "offer":
            if self._site.take_offer(terminal, message) is not None:
                self.announce()
        elif (answer := self._site.answer(terminal, message)) is not None:
            self._publish(terminal, *answer)

    def _publish(self, terminal: str, kind: str, message: bytes) -> None:
        if self._client is not None:
            topic = f"{self._root}/{terminal}/sync/{kind}"
            self.sent_bytes += len(message)
            self._client.publish(topic, message, qos=1, retain=kind == "head")
