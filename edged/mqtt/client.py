"""The link to the site: connects, says who is there, and sends what happened, in order.

An unreachable broker is no error. The link tries again, waits longer each time, and says so
once when it is lost and once when it is back.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edged import __version__
from edged.errors import BrokerError, EdgedError
from edged.events.clock import clock_state
from edged.events.types import utc_text
from edged.mqtt.bucket import Bucket
from edged.mqtt.checkpoints import Checkpoints
from edged.mqtt.commands import Incoming
from edged.mqtt.connection import Connection, Unreachable
from edged.mqtt.credentials import password, tls_context
from edged.mqtt.flood import Flood
from edged.mqtt.message import Message, as_json
from edged.mqtt.sender import Sender
from edged.mqtt.suspect import Suspect
from edged.mqtt.topics import SYNC_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from paho.mqtt.client import MQTTMessage

    from edged.config.schema import Mqtt
    from edged.events.types import Clock
    from edged.mqtt.sender import Signer
    from edged.mqtt.streams import Source
    from edged.mqtt.topics import Topics

_log = logging.getLogger(__name__)
_FIRST_DELAY_S = 0.5
_GOODBYE_S = 3.0
_REPLY_EXPIRES_S = 60


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
        on_trouble: called on the link's thread when it changes what the broker does not take,
            with None when it takes everything.
        announcements: retained messages by topic, sent as they are on every connection.
        now: the clock that events bear, Unix seconds.
        subscriptions: other topics that are listened to, such as another terminal's, and who takes
            what comes on them; called on the network's thread, must not block. Nothing is kept
            for us while there is no connection.
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
        on_trouble: Callable[[str | None], None] = lambda _: None,
        announcements: Mapping[str, Mapping[str, Any]] | None = None,
        now: Callable[[], float] = time.time,
        subscriptions: Mapping[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        self._settings = settings
        self._subscriptions = dict(subscriptions or {})
        self._topics = topics
        self._outbox = outbox
        self._on_command = on_command
        self._about = about
        self._clock = clock
        self._feed = feed
        self._signer = signer
        self._on_desired = on_desired
        self._on_trouble = on_trouble
        self._announcements = dict(announcements or {})
        self._now = now
        self._sender: Sender | None = None
        self._retain = True
        self._suspect = Suspect()
        self._trouble: str | None = None
        self._state: dict[str, Any] | None = None
        self._complaints = Bucket(0.1, 3)
        self._hears = self._hears_desired = False
        self._deaf_until_s = float("-inf")
        self._desired_flood = Flood()
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
        sender = self._sender
        if sender is None:
            return False
        return sender.post(Message(self._topics.sync(kind), message, is_json=False))

    def publish(self, topic: str, message: bytes) -> bool:
        """Send on another topic, before all events; any thread. Whether it is on its way: it is
        not sent again."""
        sender = self._sender
        return sender is not None and sender.post(Message(topic, message, is_json=False))

    def set_state(self, state: Mapping[str, Any]) -> None:
        """What ``state`` shall say; sent when it differs from before, and on every connection.

        While the broker is slow only the newest state waits.
        """
        if dict(state) != self._state:
            self._state = dict(state)
            self._outbox.wake()

    def deafen(self, seconds: float) -> None:
        """Hear no commands for a while: the broker drops them. Any thread; returns at once."""
        self._deaf_until_s = time.monotonic() + seconds
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
        connection, sender = self._connect()
        where = f"broker {self._settings.host}:{self._settings.port_or_default}"
        try:
            checkpoints = self._greet(connection, sender)
            self._say_back()
            online = False
            while not (problem := connection.lost or sender.problem) and not self._stop.is_set():
                self._listen(connection)
                if not online and connection.listening:  # who is online hears commands
                    self._tell(sender, "online")
                    online = True
                self._facts_out(sender, checkpoints)
                sender.step()
                self._tell_trouble(sender)
                self._outbox.wait(sender.pause_s)
            if not problem:
                self._goodbye(sender, checkpoints)
                connection.close()
                return "stopped"
            sender.collect()
            sender.accuse()
            return f"{where}: {problem}"
        finally:
            self._sender = None
            if self._feed is not None:
                self._feed.disconnected()
            connection.abort()
            sender.collect()  # what was acknowledged last need not be sent again
            sender.settle(at_once=True)

    def _connect(self) -> tuple[Connection, Sender]:
        will = {"v": 1, "status": "offline", "reason": "connection lost"}
        topics, settings = self._topics, self._settings
        connection = Connection(
            settings,
            settings.client_id or f"edged-{topics.site}-{topics.terminal}",
            (topics.status, as_json(will)),
            self._take,
            self._outbox.wake,
            retain=self._retain,
        )
        try:
            connection.open(self._stop)
        finally:
            self._retain = connection.retains
        try:
            return connection, Sender(
                connection, topics, self._outbox, settings, self._signer, self._now, self._suspect
            )
        except EdgedError:
            connection.abort()
            raise

    def _greet(self, connection: Connection, sender: Sender) -> Checkpoints | None:
        """Listen. From here on the feed may hear and ask: it is told before a retained head
        arrives."""
        self._sender = sender
        self._hears = self._hears_desired = False
        self._listen(connection)
        if self._feed is not None:
            self._feed.connected()
            for kind in SYNC_IN:
                connection.subscribe(self._topics.sync(kind))
        for topic in self._subscriptions:
            connection.subscribe(topic)
        if self._signer is None:
            return None
        return Checkpoints(lambda: self._outbox.head, self._signer, self._stamp)

    def _listen(self, connection: Connection) -> None:
        """To commands, unless somebody wanted us deaf for a while, and to what is desired, unless
        there is a flood of it; what is retained comes again afterwards."""
        hears = time.monotonic() >= self._deaf_until_s
        if hears and not self._hears:
            connection.subscribe(self._topics.commands)
        elif self._hears and not hears:
            connection.unsubscribe(self._topics.commands)
        self._hears = hears
        hears = self._on_desired is not None and self._desired_flood.over
        if hears and not self._hears_desired:
            connection.subscribe(self._topics.desired)
        elif self._hears_desired and not hears:
            connection.unsubscribe(self._topics.desired)
        self._hears_desired = hears

    def _facts_out(
        self, sender: Sender, checkpoints: Checkpoints | None, *, last: bool = False
    ) -> None:
        """The retained ones."""
        if self._state is not None:
            sender.retain(self._topics.state, self._state, self._stamp)
        if not sender.works:
            return
        if self._announcements and sender.may_send(*self._announcements):
            for topic, content in self._announcements.items():
                sender.retain(topic, content, dict)
        if checkpoints is not None and (said := checkpoints.due(last=last)) is not None:
            audit = self._topics.audit
            if sender.may_send(audit):
                sender.send(audit, said)

    def _goodbye(self, sender: Sender, checkpoints: Checkpoints | None) -> None:
        deadline_s = time.monotonic() + _GOODBYE_S
        self._tell(sender, "stopping")
        self._facts_out(sender, checkpoints, last=True)
        sender.step()
        while not (sender.quiet or sender.problem) and time.monotonic() < deadline_s:
            self._outbox.wait(min(0.1, sender.pause_s))
            sender.step()
        self._tell(sender, "offline")
        sender.hurry()
        while not (sender.quiet or sender.problem) and time.monotonic() < deadline_s:
            self._outbox.wait(0.1)
            sender.collect()
            sender.hurry()

    def _tell(self, sender: Sender, status: str) -> None:
        facts = {"status": status, "software": __version__, **self._about()}
        sender.send(self._topics.status, {**self._stamp(), **facts})

    def _stamp(self) -> dict[str, Any]:
        return {"v": 1, "time": utc_text(int(self._now() * 1000)), "clock": self._clock()}

    def _take(self, message: MQTTMessage) -> None:
        """A message from paho's thread."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        payload, parsed = bytes(message.payload), self._topics.parse(topic)
        if (take := self._subscriptions.get(topic)) is not None:
            take(payload)
        elif parsed is not None and parsed.kind == "sync" and parsed.name in SYNC_IN:
            if self._feed is not None:
                self._feed.heard(parsed.name, payload)
        elif parsed is not None and parsed.kind == "desired":
            if self._on_desired is not None and payload and not self._floods(len(payload)):
                self._on_desired(payload)
        else:
            properties = message.properties
            self._on_command(
                Incoming(
                    topic,
                    payload,
                    message.retain,
                    self._answer,
                    getattr(properties, "ResponseTopic", None),
                    getattr(properties, "CorrelationData", None),
                )
            )

    def _floods(self, size: int) -> bool:
        """Whether a message on ``desired`` is one of far too many; on paho's thread."""
        if not self._desired_flood.over:
            return True
        pause_s = self._desired_flood.arrived(size)
        if pause_s:
            _log.warning("too many messages on desired: nobody listens for %g s", pause_s)
            self._outbox.wake()
        return pause_s > 0

    def _answer(self, to: str, reply: Mapping[str, Any], correlation: bytes | None) -> None:
        """From any thread: the reply, or what of it the broker takes."""
        sender = self._sender
        text = "the broker takes no packet as large as the whole reply"
        for content in (reply, {**reply, "data": {}, "text": text}):
            message = Message(
                to, as_json(content), correlation=correlation, expires_s=_REPLY_EXPIRES_S
            )
            if sender is not None and sender.post(message):
                return
        if self._complaints.take():  # in a flood of commands there are thousands
            _log.warning("a reply to a command could not be sent")

    def _tell_trouble(self, sender: Sender) -> None:
        trouble = "; ".join(sender.troubles.values()) or None
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble is not None:
                _log.error("%s", trouble)
            self._on_trouble(trouble)

    def _say_lost(self, problem: str) -> None:
        if self._status.connected or self._status.problem != problem:
            _log.warning("no link to the site: %s; trying again", problem)
        self._status = LinkStatus(connected=False, problem=problem)

    def _say_back(self) -> None:
        _log.info("linked to the site")
        self._status = LinkStatus(connected=True, problem=None)
