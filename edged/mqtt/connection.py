"""One connection to the broker, from CONNECT to its end; a lost one is never used again.

paho would send unacknowledged messages again after a reconnect, as if they were news. So every
connection gets a paho client of its own, and what is sent again is decided by the outbox.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from edged.mqtt.credentials import password, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties

    from edged.config.schema import Mqtt
    from edged.mqtt.message import Message

_log = logging.getLogger(__name__)
_CONNACK_S = 10.0
_GOODBYE_S = 2.0
_LARGEST_PACKET = 2 * 1024 * 1024
_WINDOW = 20
# reason codes of MQTT 5
FORMAT_INVALID = 0x99
_RETAIN_NOT_SUPPORTED = 0x9A


class Unreachable(Exception):
    """There is no connection; the text says why and what to look at."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the broker does not take a message; `code` is a reason code of MQTT 5."""

    code: int
    text: str


class Connection:
    """A clean-start session.

    Args:
        settings: ``mqtt``.
        client_id: unique at the broker.
        will: topic and payload that the broker publishes, retained, when we vanish.
        on_message: called on paho's thread with each message; must not block.
        on_change: called on paho's thread after an acknowledgement and when the link is lost.
        retain: whether to ask the broker to keep anything, the will for instance.

    Attributes:
        acknowledged: message id and None, or why the broker refused it; oldest first.
        lost: why the connection ended, None while it lasts.
        window: how many messages the broker takes before it acknowledges one, at most 20.
        largest: the largest packet that the broker takes; None: any.
        retains: whether it keeps messages for who comes later.
    """

    def __init__(
        self,
        settings: Mqtt,
        client_id: str,
        will: tuple[str, bytes],
        on_message: Callable[[MQTTMessage], None],
        on_change: Callable[[], None],
        *,
        retain: bool = True,
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._on_message = on_message
        self._on_change = on_change
        self._client: Client | None = None
        self._answered = threading.Event()
        self._asked = self._heard = 0  # subscriptions, and answers to them
        self._refused: str | None = None
        self._retain = retain
        self.acknowledged: deque[tuple[int, Refused | None]] = deque()
        self._lost: str | None = None
        self._network: threading.Thread | None = None
        self.window = _WINDOW
        self.largest: int | None = None
        self.retains = retain
        self._most_aliases = 0
        self._aliases: dict[str, int] = {}

    @property
    def lost(self) -> str | None:
        if self._lost is None and not (self._network and self._network.is_alive()):
            return "the connection ended"
        return self._lost

    def open(self, stop: threading.Event) -> None:
        """Connect and wait for the broker's yes, or until `stop` is set.

        Raises:
            Unreachable: there is no broker, or it says no.
            BrokerError: password or certificates are unusable.
        """
        settings = self._settings
        client = self._client = self._make_client()
        where = f"{settings.host}:{settings.port_or_default}"
        try:
            client.connect(settings.host, settings.port_or_default, **self._connect_options())
        except ssl.SSLError as fault:
            why = getattr(fault, "verify_message", "") or fault.reason or str(fault)
            raise Unreachable(f"broker {where}: TLS failed: {why}; see mqtt.tls") from fault
        except OSError as fault:
            why = fault.strerror or str(fault)
            raise Unreachable(f"broker {where} cannot be reached: {why}") from fault
        self._start(client)
        deadline_s = time.monotonic() + _CONNACK_S
        answered = False
        while not (answered or stop.is_set()) and time.monotonic() < deadline_s:
            answered = self._answered.wait(0.2)
        if self._refused or self._lost or not answered:
            why = self._refused or self._lost or "no answer"
            self.close()
            raise Unreachable(f"broker {where} refuses the connection: {why}{_advice(why)}")

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe with QoS 1; a broker's refusal is logged and does not end the connection."""
        from paho.mqtt.subscribeoptions import SubscribeOptions

        assert self._client is not None  # noqa: S101
        self._asked += 1
        if self._modern:
            # the retained flag as published: a retained command is refused even when it is fresh
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            self._client.subscribe(topic_filter, options=options)
        else:
            self._client.subscribe(topic_filter, qos=1)

    @property
    def listening(self) -> bool:
        """Whether the broker has answered all that was subscribed to: from then on it delivers.

        Some brokers take a moment, and what is published meanwhile never arrives.
        """
        return self._heard >= self._asked

    def unsubscribe(self, topic_filter: str) -> None:
        """What still comes is what the broker had on its way."""
        assert self._client is not None  # noqa: S101
        self._client.unsubscribe(topic_filter)

    def fits(self, message: Message) -> bool:
        """Whether the broker takes a packet of that size; any thread."""
        return self.largest is None or message.size(self._modern) <= self.largest

    def publish(self, message: Message) -> int | None:
        """Send with QoS 1; one thread. The message id, or None if it was not taken.

        The caller keeps to `window` and sends what `fits`.
        """
        from paho.mqtt.client import MQTT_ERR_SUCCESS

        client = self._client
        if client is None or self.lost:
            return None
        topic, properties = message.topic, None
        if self._modern:
            topic, properties = self._shortened(message)
        sent = client.publish(
            topic,
            message.payload,
            qos=1,
            retain=message.retain and self.retains,
            properties=properties,
        )
        return sent.mid if sent.rc == MQTT_ERR_SUCCESS else None

    def _shortened(self, message: Message) -> tuple[str, Properties]:
        """An alias instead of the topic, where the broker knows one; else both, once."""
        topic, properties = message.topic, message.properties()
        if not message.recurs:
            return topic, properties
        if topic in self._aliases:
            properties.TopicAlias = self._aliases[topic]
            return "", properties
        if len(self._aliases) < self._most_aliases:
            properties.TopicAlias = self._aliases[topic] = len(self._aliases) + 1
        return topic, properties

    def close(self) -> None:
        """Say goodbye: the broker forgets the will. Safe twice and after a failed `open`."""
        if self._client is not None:
            self._client.disconnect()
            if self._network is not None:
                self._network.join(_GOODBYE_S)
        self.abort()

    def abort(self) -> None:
        """Hang up without a goodbye: the broker publishes the will. Safe twice."""
        client, self._client = self._client, None
        link = client.socket() if client is not None else None
        if link is not None:
            try:
                cast("socket.socket", link).shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("the connection was gone already")
        if self._network is not None:
            self._network.join(_CONNACK_S)

    def _start(self, client: Client) -> None:
        """Start paho's thread, and know it: paho itself does not tell when it dies."""
        before = set(threading.enumerate())
        client.loop_start()
        for thread in set(threading.enumerate()) - before:
            # the whole name: a process may hold many links, and open them at once
            if thread.name == f"paho-mqtt-client-{self._client_id}":
                self._network = thread

    @property
    def _modern(self) -> bool:
        return self._settings.protocol == "5"

    def _make_client(self) -> Client:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        settings, modern = self._settings, self._modern
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if modern else True,
            protocol=MQTTv5 if modern else MQTTv311,
            reconnect_on_failure=False,
        )
        secret = password(settings)
        if settings.username is not None or secret is not None:
            client.username_pw_set(settings.username or "", secret)
        if settings.tls is not None:
            client.tls_set_context(tls_context(settings.tls))
        client.will_set(*self._will, qos=1, retain=self._retain)
        client.max_inflight_messages_set(_WINDOW)
        client.on_socket_open = at_once
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.on_message = lambda _client, _data, message: self._on_message(message)
        return client

    def _connect_options(self) -> dict[str, Any]:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        options: dict[str, Any] = {"keepalive": self._settings.keepalive_s}
        if self._modern:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = _LARGEST_PACKET
            properties.ReceiveMaximum = 32
            options |= {"clean_start": True, "properties": properties}
        return options

    # paho calls these on its own thread, some of them with its locks held: no lock of ours here

    def _connected(self, _client: Client, _data: Any, flags: Any, code: Any, props: Any) -> None:
        if code.is_failure:
            self._refused = str(code)
            self.retains = self.retains and code.value != _RETAIN_NOT_SUPPORTED
        elif flags.session_present:
            self._refused = "it says that it kept a session of ours, and we have none"
        elif getattr(props, "MaximumQoS", 1) < 1:
            self._refused = "it acknowledges nothing (its maximum QoS is 0)"
        else:
            self.window = min(_WINDOW, getattr(props, "ReceiveMaximum", _WINDOW))
            self.largest = getattr(props, "MaximumPacketSize", None)
            self.retains = bool(getattr(props, "RetainAvailable", 1))
            self._most_aliases = getattr(props, "TopicAliasMaximum", 0)
        self._answered.set()

    def _disconnected(self, _client: Client, _data: Any, _flags: Any, code: Any, _p: Any) -> None:
        # paho's words for an end without a reason are no help
        text = str(code)
        self._lost = self._lost or ("hung up" if text == "Unspecified error" else text)
        self._answered.set()
        self._on_change()

    def _published(self, _client: Client, _data: Any, mid: int, code: Any, _props: Any) -> None:
        refused = Refused(code.value, str(code)) if code.is_failure else None
        self.acknowledged.append((mid, refused))
        self._on_change()

    def _subscribed(self, _client: Client, _data: Any, _mid: int, codes: Any, _props: Any) -> None:
        if any(code.is_failure for code in codes):
            _log.error("the broker does not let us listen (%s); see its access rules", codes[0])
        self._heard += 1
        self._on_change()


def at_once(_client: Client, _data: Any, link: Any) -> None:
    """A packet is sent when it is there: else each small one waits up to 40 ms for the answer to
    the one before."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _advice(why: str) -> str:
    lower = why.lower()
    if "user name" in lower or "authori" in lower:
        return "; check mqtt.username, mqtt.password_file and the broker's access rules"
    if "identifier" in lower:
        return "; check mqtt.client_id"
    if "hung up" in lower:
        return "; if it speaks TLS, does it want a client certificate? See mqtt.tls"
    if "protocol" in lower:
        return "; check mqtt.protocol"
    return ""
