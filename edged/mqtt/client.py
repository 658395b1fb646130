"""The link to the site: connects, says who is there, and sends what happened, in order.

An unreachable broker is no error. The link tries again, waits longer each time, and says so
once when it is lost and once when it is back.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from edged import __version__
from edged.errors import BrokerError, EdgedError, StorageError
from edged.events.clock import clock_state
from edged.events.types import utc_now
from edged.mqtt.commands import Incoming
from edged.mqtt.connection import Connection, Unreachable
from edged.mqtt.credentials import password, tls_context
from edged.mqtt.topics import SYNC_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from paho.mqtt.client import MQTTMessage

    from edged.config.schema import Mqtt
    from edged.events.types import Clock, Event
    from edged.mqtt.topics import Topics

_log = logging.getLogger(__name__)
_PAGE = 100
_IDLE_S = 1.0
_FIRST_DELAY_S = 0.5
_GOODBYE_S = 3.0
_UNACKNOWLEDGED_S = 30.0
_SETTLE_AGAIN_S = 5.0
_SPARE = 4  # of the window, for status, state and replies


class Source(Protocol):
    """What the link needs of the outbox."""

    def pending(self, after_seq: int = 0, limit: int = 100) -> list[Event]: ...

    def acknowledge(self, seqs: Iterable[int]) -> None: ...

    @property
    def depth(self) -> int: ...

    def wait(self, timeout_s: float | None = None) -> bool: ...

    def wake(self) -> None: ...


class Signer(Protocol):
    """What the link needs of the terminal's `Identity`."""

    def sign_detached(self, payload: bytes, typ: str) -> str: ...


class Feed(Protocol):
    """What the link needs of whoever follows the site's log; each call returns at once."""

    def connected(self) -> None: ...

    def disconnected(self) -> None: ...

    def heard(self, kind: str, message: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How the link is; `problem` says why it is not connected and what to look at."""

    connected: bool
    problem: str | None


class Link:
    """Keeps one terminal connected to its site.

    Args:
        settings: ``mqtt``.
        topics: this terminal's.
        outbox: events are taken from here and acknowledged.
        on_command: called with each message on ``cmd/…``; must not block.
        about: goes into ``status``, for instance the model's and the gallery's version.
        clock: whether the wall clock is to be trusted.
        feed: takes what comes of the site's log; None: it is not listened to.
        signer: signs events and checkpoints; None: they go unsigned, and no checkpoints.
        on_desired: called with each message on ``desired``; must not block. None: it is not
            listened to.
    """

    def __init__(
        self,
        settings: Mqtt,
        topics: Topics,
        outbox: Source,
        on_command: Callable[[Incoming], None],
        about: Callable[[], Mapping[str, Any]] = dict,
        clock: Callable[[], Clock] = clock_state,
        feed: Feed | None = None,
        *,
        signer: Signer | None = None,
        on_desired: Callable[[bytes], None] | None = None,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._outbox = outbox
        self._on_command = on_command
        self._about = about
        self._clock = clock
        self._feed = feed
        self._signer = signer
        self._on_desired = on_desired
        self._connection: Connection | None = None
        self._state: dict[str, Any] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._status = LinkStatus(connected=False, problem=None)

    def open(self) -> None:
        """Start to connect, in the background.

        Raises:
            BrokerError: password or certificates are unusable.
        """
        if self._thread is not None:
            return
        password(self._settings)
        if self._settings.tls is not None:
            tls_context(self._settings.tls)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="mqtt-link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say ``stopping``, send what can be sent in a moment, say ``offline``; safe twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        self._outbox.wake()
        thread.join()

    def status(self) -> LinkStatus:
        """How the link is at this moment."""
        return self._status

    def publish_sync(self, kind: str, message: bytes) -> bool:
        """Send on ``sync/<kind>``; any thread. Whether it is on its way: it is not sent again."""
        connection = self._connection
        if connection is None:
            return False
        return connection.publish(self._topics.sync(kind), message) is not None

    def set_state(self, state: Mapping[str, Any]) -> None:
        """What ``state`` shall say; sent when it differs from before, and on every connection.

        While the broker is slow only the newest state waits.
        """
        if dict(state) != self._state:
            self._state = dict(state)
            self._outbox.wake()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                problem = self._serve()
            except (Unreachable, BrokerError) as fault:
                problem = str(fault)
            except EdgedError as fault:
                problem = f"events cannot be read: {fault}"
            except Exception:  # noqa: BLE001  # the edge of the thread
                _log.exception("the link failed in a way that nobody foresaw")
                problem = "internal failure, see the log"
            if self._stop.is_set():
                break
            self._say_lost(problem)
            longest_s = self._settings.reconnect_max_s
            failures = 0 if time.monotonic() - began_s > longest_s else failures + 1
            delay_s = min(longest_s, _FIRST_DELAY_S * 2 ** min(failures, 16))
            self._stop.wait(delay_s * random.SystemRandom().uniform(0.5, 1))
        self._status = LinkStatus(connected=False, problem=None)

    def _serve(self) -> str:
        """Live through one connection; why it ended."""
        will = {"v": 1, "status": "offline", "reason": "connection lost"}
        topics, settings = self._topics, self._settings
        connection = Connection(
            settings,
            settings.client_id or f"edged-{topics.site}-{topics.terminal}",
            (topics.status, _json(will)),
            lambda message: self._take(connection, message),
            self._outbox.wake,
        )
        connection.open(self._stop)
        sender = _Sender(connection, topics, self._outbox, settings.live_within_s)
        try:
            connection.subscribe(topics.commands)
            if self._on_desired is not None:
                connection.subscribe(topics.desired)
            self._tell(sender, "online")
            self._follow(connection)
            self._say_back()
            while not (problem := connection.lost or sender.problem) and not self._stop.is_set():
                self._state_out(sender)
                sender.step()
                self._outbox.wait(_IDLE_S)
            if not problem:
                self._goodbye(sender)
                connection.close()
                return "stopped"
            return f"broker {settings.host}:{settings.port_or_default}: {problem}"
        finally:
            self._connection = None
            if self._feed is not None:
                self._feed.disconnected()
            connection.abort()
            sender.collect()  # what was acknowledged last need not be sent again

    def _follow(self, connection: Connection) -> None:
        """From here on the feed may hear and ask; it is told before a retained head arrives."""
        self._connection = connection
        if self._feed is not None:
            self._feed.connected()
            for kind in SYNC_IN:
                connection.subscribe(self._topics.sync(kind))

    def _state_out(self, sender: _Sender) -> None:
        if self._state is not None:
            sender.retain(self._topics.state, self._state, self._stamp)

    def _goodbye(self, sender: _Sender) -> None:
        deadline_s = time.monotonic() + _GOODBYE_S
        self._tell(sender, "stopping")
        self._state_out(sender)
        sender.step()
        while not (sender.quiet or sender.problem) and time.monotonic() < deadline_s:
            self._outbox.wait(0.1)
            sender.step()
        self._tell(sender, "offline")
        while not (sender.quiet or sender.problem) and time.monotonic() < deadline_s:
            sender.collect()
            self._outbox.wait(0.1)
        sender.settle(at_once=True)

    def _tell(self, sender: _Sender, status: str) -> None:
        sender.send(
            self._topics.status,
            {"status": status, "software": __version__, **self._about()},
            self._stamp,
        )

    def _stamp(self) -> dict[str, Any]:
        return {"v": 1, "time": utc_now(), "clock": self._clock()}

    def _take(self, connection: Connection, message: MQTTMessage) -> None:
        """A message from paho's thread."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        parsed = self._topics.parse(topic)
        if parsed is not None and parsed.kind == "sync" and parsed.name in SYNC_IN:
            if self._feed is not None:
                self._feed.heard(parsed.name, bytes(message.payload))
            return
        if parsed is not None and parsed.kind == "desired":
            if self._on_desired is not None and message.payload:
                self._on_desired(bytes(message.payload))
            return

        def answer(to: str, reply: Mapping[str, Any], correlation: bytes | None) -> None:
            if connection.publish(to, _json(reply), correlation=correlation) is None:
                _log.warning("a reply to a command could not be sent")

        properties = message.properties
        self._on_command(
            Incoming(
                topic,
                bytes(message.payload),
                message.retain,
                answer,
                getattr(properties, "ResponseTopic", None),
                getattr(properties, "CorrelationData", None),
            )
        )

    def _say_lost(self, problem: str) -> None:
        if self._status.connected or self._status.problem != problem:
            _log.warning("no link to the site: %s; trying again", problem)
        self._status = LinkStatus(connected=False, problem=problem)

    def _say_back(self) -> None:
        _log.info("linked to the site")
        self._status = LinkStatus(connected=True, problem=None)


class _Sender:
    """What is on its way over one connection; used by the link's thread alone."""

    def __init__(
        self, connection: Connection, topics: Topics, outbox: Source, live_within_s: float
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._outbox = outbox
        self._live_within_s = live_within_s
        self._old = outbox.depth  # what waited before this connection is history
        self._page: deque[Event] = deque()
        self._cursor = 0
        self._events: dict[int, tuple[int, float]] = {}  # message id: seq, sent at
        self._done: list[int] = []  # delivered, and still in the outbox
        self._settle_from_s = 0.0
        self._others: dict[int, str] = {}  # message id: topic of a status or a state
        self._retained: dict[str, dict[str, Any]] = {}
        self.problem: str | None = None

    @property
    def quiet(self) -> bool:
        """Whether nothing is on its way."""
        return not self._events and not self._others

    def step(self) -> None:
        """Collect acknowledgements and send as many events as the window lets through."""
        self.collect()
        window = self._connection.window
        room = min(max(1, window - _SPARE), window - len(self._others)) - len(self._events)
        while room > 0 and not self.problem:
            if not self._page:
                self._page.extend(self._outbox.pending(self._cursor, _PAGE))
            if not self._page or not self._publish(self._page[0]):
                return
            self._cursor = self._page.popleft().seq
            room -= 1

    def retain(
        self, topic: str, content: dict[str, Any], stamp: Callable[[], dict[str, Any]]
    ) -> None:
        """Send a retained message if it says something new, and the one before has arrived."""
        if self._retained.get(topic) == content or topic in self._others.values():
            return
        if self.send(topic, content, stamp):
            self._retained[topic] = content

    def send(
        self, topic: str, content: dict[str, Any], stamp: Callable[[], dict[str, Any]]
    ) -> bool:
        """Send a retained message; whether it is on its way."""
        mid = self._connection.publish(topic, _json({**stamp(), **content}), retain=True)
        if mid is not None:
            self._others[mid] = topic
        return mid is not None

    def collect(self) -> None:
        """Take acknowledged events out of the outbox; notice a broker that refuses or sleeps."""
        acknowledged = self._connection.acknowledged
        while acknowledged:
            mid, refusal = acknowledged.popleft()
            topic = self._others.pop(mid, None)
            seq, _ = self._events.pop(mid, (None, 0.0))
            if refusal and (topic or seq is not None):
                what = topic or "events"
                self.problem = f"it refuses {what}: {refusal}; see its access rules"
            elif seq is not None:
                self._done.append(seq)
        self.settle()
        oldest_s = min((sent_s for _, sent_s in self._events.values()), default=None)
        if oldest_s is not None and time.monotonic() - oldest_s > _UNACKNOWLEDGED_S:
            self.problem = "it takes events but does not acknowledge them"

    def settle(self, *, at_once: bool = False) -> None:
        """Take delivered events out of the outbox; a disk without room is asked again later,
        and nothing else waits for it."""
        now_s = time.monotonic()
        if not self._done or (now_s < self._settle_from_s and not at_once):
            return
        try:
            self._outbox.acknowledge(self._done)
        except StorageError as fault:
            if self._settle_from_s == 0.0:
                _log.warning("delivered events cannot be taken out of the outbox yet: %s", fault)
            self._settle_from_s = now_s + _SETTLE_AGAIN_S
        else:
            self._done.clear()
            self._settle_from_s = 0.0

    def _publish(self, event: Event) -> bool:
        fresh = is_fresh(event, datetime.now(UTC), self._live_within_s)
        historical = self._old > 0 or not fresh
        topic = self._topics.event(event.type, historical)
        mid = self._connection.publish(topic, _json(event.to_message(historical)))
        if mid is None:
            return False
        self._old = max(0, self._old - 1)
        self._events[mid] = (event.seq, time.monotonic())
        return True


def is_fresh(event: Event, now: datetime, live_within_s: float) -> bool:
    """Live is what happened just now; a clock that was set meanwhile proves nothing."""
    try:
        age_s = (now - datetime.fromisoformat(event.time)).total_seconds()
    except ValueError:
        return False
    return abs(age_s) <= live_within_s


def _json(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
