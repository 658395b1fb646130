"""A door to press a button for: plain messages of Home Assistant become signed commands."""

from __future__ import annotations

import logging
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from edged.errors import BrokerError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from edged.site.client import Heard, SiteClient
    from edged.site.orders import Orders
    from edged.site.settings import SiteSettings

_log = logging.getLogger(__name__)
PRESSED = b"UNLOCK"
CAUSE = "home automation"
_WAITING = 16
_EVERY_S = 1.0
_LOOK_S = 0.5
_STALE_S = 5.0


class Bridge:
    """Hears ``…/bridge/lock`` of a site's terminals and orders ``door.unlock``.

    Whoever may publish there opens doors; the broker's access rules decide who that is. A
    retained message, anything but `PRESSED`, a second press within a second, and a press that
    waited for five are passed over.

    Args:
        client: open.
        terminals: whose buttons are heard.
        told: called with a line for each press, and for what became of it; from any thread.
    """

    def __init__(
        self,
        client: SiteClient,
        settings: SiteSettings,
        orders: Orders,
        terminals: list[str],
        told: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._settings = settings
        self._orders = orders
        self._by_topic = {f"{settings.topics(name).root}/bridge/lock": name for name in terminals}
        self._told = told
        self._clock = clock
        self._pressed: queue.Queue[tuple[float, str]] = queue.Queue(_WAITING)
        self._last_s: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises:
            BrokerError: the broker does not let us hear the buttons.
        """
        self._orders.listen(self._by_topic.values())
        self._client.hear(self._by_topic, self._take)
        self._told(f"listening for {', '.join(self._by_topic.values())}")
        # beside each other: a door that does not answer keeps no other shut
        with ThreadPoolExecutor(_WAITING, "unlocking") as pool:
            while not stop.is_set():
                try:
                    pressed_s, terminal = self._pressed.get(timeout=_LOOK_S)
                except queue.Empty:
                    continue
                pool.submit(self._answer, pressed_s, terminal)

    def _take(self, heard: Heard) -> None:
        """From the network's thread."""
        now_s, terminal = self._clock(), self._by_topic.get(heard.topic)
        if terminal is None or heard.retained or heard.payload != PRESSED:
            _log.warning("passed over on %s: not a press of the button", heard.topic)
            return
        if now_s - self._last_s.get(terminal, float("-inf")) < _EVERY_S:
            return
        self._last_s[terminal] = now_s
        try:
            self._pressed.put_nowait((now_s, terminal))
        except queue.Full:
            _log.warning("too many presses at once; one is passed over")

    def _answer(self, pressed_s: float, terminal: str) -> None:
        if self._clock() - pressed_s > _STALE_S:
            self._told(f"{terminal}: pressed, too long ago")
            return
        self._told(f"{terminal}: pressed")
        self._told(f"{terminal}: {self._unlock(terminal)}")

    def _unlock(self, terminal: str) -> str:
        try:
            reply = self._orders.send(
                terminal, "door.unlock", {"cause": CAUSE}, self._settings.timeout_s
            )
        except BrokerError as fault:
            return str(fault)
        text = f": {reply['text']}" if reply.get("text") else ""
        return f"{reply.get('result')} {reply.get('reason')}{text}"
