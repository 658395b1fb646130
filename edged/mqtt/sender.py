"""What is on its way over one connection: what goes first, what arrived, what is refused."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edged.errors import StorageError
from edged.events.types import EVENT_TYP
from edged.mqtt.connection import FORMAT_INVALID
from edged.mqtt.message import Message, as_json
from edged.mqtt.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.schema import Mqtt
    from edged.events.types import Event
    from edged.mqtt.connection import Connection
    from edged.mqtt.streams import Source
    from edged.mqtt.suspect import Suspect
    from edged.mqtt.topics import Topics

_log = logging.getLogger(__name__)
_UNACKNOWLEDGED_S = 30.0
_SETTLE_EVERY_S = 0.05
_SETTLE_AT = 100
_SETTLE_AGAIN_S = 5.0
_SPARE = 4  # of the window, for status, state and replies
_URGENT = 64  # may wait for room in the window
_LEFT_OUT = "left out"
_POISON = (
    "an event ended the connection whenever it was sent; it waits, and is tried again later; see "
    "how large a message the broker takes"
)


class Signer(Protocol):
    """What the link needs of the terminal's `Identity`."""

    def sign_detached(self, payload: bytes, typ: str) -> str: ...


@dataclass(frozen=True, slots=True)
class _Sent:
    topic: str
    at_s: float
    size: int
    seq: int | None = None
    historical: bool = False


class Sender:
    """Sends over one connection; used by the link's thread alone, but for `post`.

    Attributes:
        problem: why this connection is of no use; None while it is.
        works: whether something was acknowledged.
        troubles: what the broker does not take, and why; the keys are of no meaning outside.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        outbox: Source,
        settings: Mqtt,
        signer: Signer | None,
        now: Callable[[], float],
        suspect: Suspect,
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._outbox = outbox
        self._signer = signer
        self._on_way: dict[int, _Sent] = {}  # by message id
        self._suspect = suspect
        self._left_out: set[int] = set()
        self._held: set[int] = set()  # on their way, or delivered and still in the outbox, or stuck
        self._streams = Streams(
            outbox, self._held, settings.live_within_s, settings.backlog_hz, now
        )
        self._done: list[int] = []  # delivered, and still in the outbox
        self._settle_from_s = 0.0
        self._unsettled = False
        self._urgent: deque[Message] = deque()
        self._retained: dict[str, Mapping[str, Any]] = {}
        self._largest_stuck = 0
        self._refusing = False
        self._extras: set[str] = set()  # topics that can be done without
        self.troubles: dict[str, str] = {}
        self.problem: str | None = None
        self.works = False

    @property
    def quiet(self) -> bool:
        """Whether nothing is on its way."""
        return not self._on_way and not self._urgent

    @property
    def pause_s(self) -> float:
        """How long the thread may sleep if nobody wakes it."""
        pause_s = self._streams.pause_s
        return min(pause_s, _SETTLE_EVERY_S) if self._done else pause_s

    def post(self, message: Message) -> bool:
        """Send before all events; any thread. False: too many are waiting already."""
        if len(self._urgent) >= _URGENT or not self._connection.fits(message):
            return False
        self._urgent.append(message)
        self._outbox.wake()
        return True

    def step(self) -> None:
        """Collect acknowledgements and send as much as the window lets through."""
        self.collect()
        self.hurry()
        self._leave_out()
        self._streams.look()
        while not self.problem and self._room() > 0:
            if (event := self._streams.live()) is not None:
                self._send_event(event, historical=False)
            elif self._old_room() > 0 and (event := self._streams.backlog()) is not None:
                self._send_event(event, historical=True)
            else:
                return

    def hurry(self) -> None:
        """Send what was posted, and what is retained."""
        while self._urgent and len(self._on_way) < self._connection.window and not self.problem:
            self._publish(self._urgent.popleft())

    def retain(
        self, topic: str, content: Mapping[str, Any], stamp: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Send a retained message if it says something new, and the one before has arrived."""
        if self._retained.get(topic) != content and not self._busy(topic):
            self._retained[topic] = content
            self.send(topic, {**stamp(), **content})

    def may_send(self, *topics: str) -> bool:
        """Whether to send, now or later, what the link can do without: some brokers hang up at a
        topic that their rules do not name. All of these or none. Ask only once it `works`."""
        for topic in topics:
            if self._suspect.muted(topic):
                self.troubles[topics[0]] = (
                    f"the broker hung up whenever {topic} was sent; it is tried again later; see "
                    "its access rules"
                )
                return False
        self._extras.update(topics)
        return True

    def send(self, topic: str, content: Mapping[str, Any]) -> None:
        """Send a retained message before all events."""
        message = Message(topic, as_json(content), retain=True)
        if self._connection.fits(message):
            self.troubles.pop(topic, None)
            self._urgent.append(message)
        else:
            self._does_not_fit(topic, f"{topic} does not fit")

    def collect(self) -> None:
        """Take acknowledged events out of the outbox; notice a broker that refuses or sleeps."""
        acknowledged = self._connection.acknowledged
        while acknowledged:
            mid, refusal = acknowledged.popleft()
            sent = self._on_way.pop(mid, None)
            if sent is None:
                continue
            self.works = True
            if sent.topic in self._extras:
                self._suspect.heard_out(sent.topic)
            if refusal is not None:
                self._refused(sent, refusal.code, refusal.text)
            elif sent.seq is not None:
                self._done.append(sent.seq)
                if sent.historical:
                    self._suspect.passed(sent.seq)
        self.settle()
        oldest_s = min((sent.at_s for sent in self._on_way.values()), default=None)
        if oldest_s is not None and time.monotonic() - oldest_s > _UNACKNOWLEDGED_S:
            self.problem = "it takes messages but does not acknowledge them"

    def accuse(self) -> None:
        """The connection broke, or nothing is acknowledged: an event may be why. One that was
        live comes as backlog next time, so that it shows there."""
        oldest = next(iter(self._on_way.values()), None)
        if oldest is not None and self.works and oldest.topic in self._extras:
            self._suspect.hung_up(oldest.topic)
        waiting = [sent for sent in self._on_way.values() if sent.seq is not None]
        waiting.sort(key=lambda sent: (not sent.historical, -sent.size))
        if waiting and not self._refusing and (seq := waiting[0].seq) is not None:
            alone = self.works and len(self._on_way) == 1 and waiting[0].historical
            self._suspect.ended(seq, waiting[0].size, alone=alone)

    def settle(self, *, at_once: bool = False) -> None:
        """Take delivered events out of the outbox, several at a time; a disk without room is
        asked again later, and nothing else waits for it."""
        now_s = time.monotonic()
        many = len(self._done) >= _SETTLE_AT and not self._unsettled
        if not self._done or not (at_once or many or now_s >= self._settle_from_s):
            return
        try:
            self._outbox.acknowledge(self._done)
        except StorageError as fault:
            if not self._unsettled:
                _log.warning("delivered events cannot be taken out of the outbox yet: %s", fault)
            self._unsettled = True
            self._settle_from_s = now_s + _SETTLE_AGAIN_S
        else:
            self._held.difference_update(self._done)
            self._done.clear()
            self._unsettled = False
            self._settle_from_s = now_s + _SETTLE_EVERY_S

    def _leave_out(self) -> None:
        """For a while, what ended one connection after the other."""
        left_out = self._suspect.left_out()
        if left_out != self._left_out:
            self._held.difference_update(self._left_out)
            self._held.update(left_out)
            self._left_out = left_out
            self.troubles.pop(_LEFT_OUT, None)
            if left_out:
                self.troubles[_LEFT_OUT] = _POISON

    def _room(self) -> int:
        """How many more events may go."""
        if self._suspect.careful and any(sent.historical for sent in self._on_way.values()):
            return 0
        window = self._connection.window
        events = sum(sent.seq is not None for sent in self._on_way.values())
        return min(max(1, window - _SPARE) - events, window - len(self._on_way))

    def _old_room(self) -> int:
        """How many more of the backlog: a part of the window stays free for what happens now."""
        most = max(1, (self._connection.window - _SPARE) * 3 // 4)
        if self._suspect.careful:
            most = int(self.works)
        return most - sum(sent.historical for sent in self._on_way.values())

    def _busy(self, topic: str) -> bool:
        return any(sent.topic == topic for sent in self._on_way.values()) or any(
            message.topic == topic for message in list(self._urgent)
        )

    def _send_event(self, event: Event, *, historical: bool) -> None:
        message = self._message(event, historical)
        self._held.add(event.seq)
        if self._connection.fits(message):
            self._publish(message, event.seq, historical)
        else:
            self._stuck(event.seq, len(message.payload))

    def _message(self, event: Event, historical: bool) -> Message:
        sig = self._signer.sign_detached(event.canonical(), EVENT_TYP) if self._signer else ""
        user = (
            ("id", event.id),
            ("log", event.log),
            ("seq", str(event.seq)),
            ("historical", "true" if historical else "false"),
        )
        payload = as_json(event.to_message(historical, sig))
        topic = self._topics.event(event.type, historical)
        return Message(topic, payload, user=user, recurs=True)

    def _publish(self, message: Message, seq: int | None = None, historical: bool = False) -> None:
        mid = self._connection.publish(message)
        if mid is None:
            self.problem = self._connection.lost or "it does not take a message"
            return
        size = len(message.payload)
        self._on_way[mid] = _Sent(message.topic, time.monotonic(), size, seq, historical)

    def _refused(self, sent: _Sent, code: int, text: str) -> None:
        if sent.seq is None:
            self.troubles[sent.topic] = (
                f"the broker refuses {sent.topic}: {text}; see its access rules"
            )
        elif code == FORMAT_INVALID:
            self._stuck(sent.seq, sent.size, text)
        else:
            self._refusing = True
            self.problem = f"it refuses events: {text}; see its access rules"

    def _stuck(self, seq: int, size: int, text: str = "") -> None:
        """The event stays in the outbox, for another connection; those after it go on."""
        _log.debug("event %d with %d bytes does not fit", seq, size)
        self._held.add(seq)
        if size > self._largest_stuck:
            self._largest_stuck = size
            what = f"events of up to {size} bytes do not fit and wait"
            self._does_not_fit("events", f"{what} ({text})" if text else what)

    def _does_not_fit(self, key: str, what: str) -> None:
        limit = self._connection.largest
        known = f"the broker takes no packet of more than {limit} bytes" if limit else "too large"
        self.troubles[key] = f"{known}: {what}; raise its limit"
