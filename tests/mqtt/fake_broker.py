"""A broker of a few lines that misbehaves as told."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECT, CONNACK, PUBLISH, PUBACK = 0x10, 0x20, 0x30, 0x40
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x80, 0x90, 0xC0, 0xD0, 0xE0
QOS_1 = 0x02


def packet(kind: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def text(value: str) -> bytes:
    return struct.pack("!H", len(value.encode())) + value.encode()


def puback(mid: int, code: int = 0) -> bytes:
    return packet(PUBACK, struct.pack("!H", mid) + (bytes([code, 0]) if code else b""))


def command(topic: str, payload: bytes) -> bytes:
    """A PUBLISH to the terminal (MQTT 5)."""
    return packet(PUBLISH | QOS_1, text(topic) + struct.pack("!HB", 1, 0) + payload)


def limits(**named: int) -> bytes:
    """Properties of a CONNACK."""
    properties = Properties(PacketTypes.CONNACK)
    for name, value in named.items():
        setattr(properties, name, value)
    return bytes(properties.pack())


@dataclass
class Manners:
    """How the broker behaves in one connection.

    Attributes:
        answers: whether CONNECT is answered.
        code, session, limits: of the CONNACK.
        says: bytes that follow the CONNACK.
        orders: bytes that follow the SUBACK of the commands.
        suback: the code that every subscription gets.
        ack: what is sent for a message id; None for an ordinary PUBACK.
        takes: hangs up after so many messages, without a word on the last one.
        refuses: hangs up at an event with so many bytes or more.
        dislikes: hangs up at a topic that ends so.
        ends_with: is said before that.
        patience: acknowledges when so many messages wait for it.
    """

    answers: bool = True
    code: int = 0
    session: bool = False
    limits: bytes = b"\x00"
    says: bytes = b""
    orders: bytes = b""
    suback: int = 1
    ack: Callable[[int], bytes] | None = puback
    takes: int | None = None
    refuses: int | None = None
    dislikes: str | None = None
    ends_with: bytes = b""
    patience: int = 1


@dataclass
class Heard:
    """One PUBLISH of the terminal."""

    visit: int
    topic: str
    written: str  # the topic as it was in the packet: empty behind an alias
    retain: bool
    mid: int
    properties: Properties
    payload: bytes
    size: int

    @property
    def is_event(self) -> bool:
        return self.topic.split("/")[-2] in ("event", "backlog")

    @property
    def content(self) -> Any:
        return json.loads(self.payload)


@dataclass
class Visit:
    """One connection so far."""

    number: int
    will_retain: bool = False
    topics: dict[int, str] = field(default_factory=dict)  # by alias
    waiting: deque[int] = field(default_factory=deque)  # message ids without PUBACK
    messages: int = 0


class FakeBroker:
    """MQTT 5; the n-th connection gets the n-th of `manners`, and those after them the last."""

    def __init__(self, *manners: Manners) -> None:
        self._manners = list(manners) or [Manners()]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard: list[Heard] = []
        self.visits: list[Visit] = []
        self.subscribed: list[str] = []
        self.faults: list[BaseException] = []
        self.most_waiting = 0
        self._link: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._link is not None:
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        if self.faults:
            raise AssertionError("the terminal broke the protocol") from self.faults[0]

    @property
    def events(self) -> list[Heard]:
        return [one for one in list(self.heard) if one.is_event]

    def on(self, topic: str) -> list[Heard]:
        return [one for one in list(self.heard) if one.topic == topic]

    def behave(self, *manners: Manners) -> None:
        """From the next connection on."""
        self._manners[len(self.visits) :] = manners

    def hang_up(self) -> None:
        assert self._link is not None
        self._link.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self._link = link
                with link, contextlib.suppress(OSError, EOFError):
                    try:
                        self._visit(link)
                    except AssertionError as fault:
                        self.faults.append(fault)

    def _visit(self, link: socket.socket) -> None:
        number = len(self.visits)
        manners = self._manners[min(number, len(self._manners) - 1)]
        visit = Visit(number)
        self.visits.append(visit)
        for kind, flags, body, size in _packets(link):
            if kind == CONNECT:
                visit.will_retain = bool(body[7] & 0x20)
                if manners.answers:
                    said = bytes([manners.session, manners.code]) + manners.limits
                    link.sendall(packet(CONNACK, said) + manners.says)
                    if manners.code:
                        return
            elif kind == SUBSCRIBE:
                self.subscribed.append(_subscription(body))
                link.sendall(packet(SUBACK, body[:2] + b"\x00" + bytes([manners.suback])))
                if self.subscribed[-1].endswith("/cmd/+"):
                    link.sendall(manners.orders)
            elif kind == PINGREQ:
                link.sendall(packet(PINGRESP, b""))
            elif kind == PUBLISH:
                if not self._take(link, visit, manners, flags, body, size):
                    return
            elif kind == DISCONNECT:
                return

    def _take(
        self,
        link: socket.socket,
        visit: Visit,
        manners: Manners,
        flags: int,
        body: bytes,
        size: int,
    ) -> bool:
        heard = _published(visit, flags, body, size)
        assert heard.mid not in visit.waiting, "a message id is used twice"
        visit.messages += 1
        visit.waiting.append(heard.mid)
        self.most_waiting = max(self.most_waiting, len(visit.waiting))
        self.heard.append(heard)
        large = manners.refuses is not None and heard.is_event and size >= manners.refuses
        unnamed = manners.dislikes is not None and heard.topic.endswith(manners.dislikes)
        if large or unnamed or visit.messages == manners.takes:
            link.sendall(manners.ends_with)
            return False
        if manners.ack is not None and len(visit.waiting) >= manners.patience:
            link.sendall(b"".join(manners.ack(mid) for mid in visit.waiting))
            visit.waiting.clear()
        return True


def _packets(link: socket.socket) -> Iterator[tuple[int, int, bytes, int]]:
    """Kind, flags, body and size on the wire; until the peer hangs up."""
    while True:
        first = _exactly(link, 1)[0]
        length = shift = 0
        digits = 1
        while (digit := _exactly(link, 1)[0]) & 128:
            length |= (digit & 127) << shift
            shift += 7
            digits += 1
        length |= digit << shift
        yield first & 0xF0, first & 0x0F, _exactly(link, length), 1 + digits + length


def _exactly(link: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = link.recv(size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)


def _subscription(body: bytes) -> str:
    (length,) = struct.unpack("!H", body[3:5])
    return body[5 : 5 + length].decode()


def _published(visit: Visit, flags: int, body: bytes, size: int) -> Heard:
    assert flags & 0x06 == QOS_1, "not QoS 1"
    assert not flags & 0x08, "sent again by the library"
    (length,) = struct.unpack("!H", body[:2])
    written, body = body[2 : 2 + length].decode(), body[2 + length :]
    (mid,) = struct.unpack("!H", body[:2])
    properties = Properties(PacketTypes.PUBLISH)
    _, used = properties.unpack(body[2:])
    alias = getattr(properties, "TopicAlias", None)
    if alias is not None and written:
        visit.topics[alias] = written
    topic = written or visit.topics[alias]
    return Heard(
        visit.number, topic, written, bool(flags & 1), mid, properties, body[2 + used :], size
    )
