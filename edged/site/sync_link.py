"""The site's side of the log on MQTT: answers every terminal's pulls, takes their offers."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Literal

from edged.config.schema import Mqtt
from edged.errors import BrokerError, EdgedError
from edged.site.client import SiteClient

if TYPE_CHECKING:
    from typing import Self

    from edged.site.client import Heard
    from edged.sync.site import SiteLog

_log = logging.getLogger(__name__)
_WAITING = 1000


class SiteLink:
    """One site's log for all of its terminals; a context. For scripts, tests, and small sites.

    Args:
        root: ``<prefix>/<site>``.
        log: open; may be appended to by any thread, then `announce`.
        client: an open one that others use, too; None: one of its own for `host` and `port`.

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
        client: SiteClient | None = None,
        protocol: Literal["5", "3.1.1"] = "5",
    ) -> None:
        broker = Mqtt(host=host, port=port, protocol=protocol)
        self._root = root
        self._site = log
        self._client = client or SiteClient(broker)
        self._ours = client is None
        self._asked: queue.Queue[tuple[str, str, bytes] | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self.sent_bytes = 0

    def __enter__(self) -> Self:
        if self._ours:
            self._client.open()
        try:
            self._client.hear(
                [f"{self._root}/+/sync/pull", f"{self._root}/+/sync/offer"], self._take
            )
        except BrokerError:
            self._close_client()
            raise
        self._client.on_back = self.announce  # a broker that was killed may have forgotten it
        self._thread = threading.Thread(target=self._work, name="site", daemon=True)
        self._thread.start()
        self.announce()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()
            self._thread = None
        self._close_client()

    def _close_client(self) -> None:
        if self._ours:
            self._client.close()

    def announce(self) -> None:
        """Tell every terminal how far the log is: after each change of it. Retained, so that
        whoever connects later sees it."""
        for terminal in self._site.terminals:
            self._publish(terminal, "head", self._site.head(terminal))

    def _take(self, heard: Heard) -> None:
        """From the network's thread: a flood of questions is let fall, and asked again."""
        try:
            terminal, _, kind = heard.topic.removeprefix(f"{self._root}/").split("/")
            self._asked.put_nowait((terminal, kind, heard.payload))
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
        topic = f"{self._root}/{terminal}/sync/{kind}"
        try:
            self._client.publish(topic, message, retain=kind == "head", wait_s=0)
        except BrokerError:  # it is asked for again, and told again
            return
        self.sent_bytes += len(message)
