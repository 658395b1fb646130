"""The site's connection to the broker: one for everything that the site's side does."""

from __future__ import annotations

import logging
import queue
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edged.errors import BrokerError
from edged.mqtt.connection import at_once
from edged.mqtt.credentials import password, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties

    from edged.config.schema import Mqtt

    Take = Callable[["Heard"], None]

_log = logging.getLogger(__name__)
_CONNECT_S = 10.0
_QUEUED = 1000
_LARGEST_PACKET = 2 * 1024 * 1024


class Forbidden(BrokerError):
    """The broker does not let us publish on one topic."""


class Unusable(BrokerError):
    """A password or certificate of ours cannot be used; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message from the broker.

    Attributes:
        mark: what `SiteClient.acknowledge` needs of it.
    """

    topic: str
    payload: bytes
    retained: bool
    correlation: bytes | None
    mark: tuple[int, int]


class SiteClient:
    """A client that stays connected. Any thread may call; takers run on the network's thread
    and must not block for long.

    Args:
        broker: what a terminal's ``mqtt`` says of the connection.
        client_id: unless ``broker.client_id`` names one; empty: the broker chooses.
        session_s: how long the broker keeps what is not yet acknowledged while we are away;
            more than 0 needs a client id.
        manual: every message is acknowledged by `acknowledge`, else as soon as it was taken.
        window: how many messages the broker sends before it must wait (MQTT 5).
    """

    def __init__(
        self,
        broker: Mqtt,
        *,
        client_id: str = "",
        session_s: int = 0,
        manual: bool = False,
        window: int = 100,
    ) -> None:
        self._broker = broker
        self._client_id = broker.client_id or client_id
        self._session_s = session_s
        self._manual = manual
        self._window = window
        self._client: Client | None = None
        self._takers: dict[str, Take] = {}
        self._subscribed: dict[int, queue.SimpleQueue[str | None]] = {}
        self._refused: dict[int, str] = {}
        self._answered = threading.Event()
        self._refusal: str | None = None
        self._life = 0
        self._closing = False
        self.on_back: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def where(self) -> str:
        """The broker's address, for people."""
        return f"{self._broker.host}:{self._broker.port_or_default}"

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected()

    def open(self) -> None:
        """Connect, and stay connected from then on.

        Raises:
            Unusable: password or certificates are.
            BrokerError: the broker cannot be reached or says no.
        """
        self._closing = False
        self._answered.clear()
        client = self._client = self._make_client()
        try:
            client.connect(self._broker.host, self._broker.port_or_default, **self._options())
        except ssl.SSLError as fault:
            self._client = None
            why = getattr(fault, "verify_message", "") or fault.reason or str(fault)
            raise BrokerError(f"broker {self.where}: TLS failed: {why}; see broker.tls") from fault
        except OSError as fault:
            self._client = None
            why = fault.strerror or str(fault)
            raise BrokerError(f"broker {self.where} cannot be reached: {why}") from fault
        client.loop_start()
        answered = self._answered.wait(_CONNECT_S)
        if not answered or self._refusal is not None:
            self.close()
            why = self._refusal or f"no answer{self._ended()}"
            raise BrokerError(
                f"broker {self.where} refuses the connection: {why}; "
                "see broker.username, password_file and tls, and the broker's access rules"
            )

    def close(self) -> None:
        """Safe twice, and after a failed `open`."""
        self._closing = True
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def expect(self, filters: Iterable[str], take: Take) -> None:
        """Before `open`: what the broker kept for our session may come before any subscription."""
        for one in filters:
            self._takers[one] = take

    def hear(self, filters: Iterable[str], take: Take) -> None:
        """Subscribe, now and after each reconnection. Messages are taken from the return on, and
        may be before.

        Raises:
            BrokerError: the broker does not let us, or is gone.
        """
        wanted = list(filters)
        self.expect(wanted, take)
        client = self._alive()
        for one in wanted:
            client.message_callback_add(one, self._calls(take))
        answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        try:
            refusal = self._subscribe(client, wanted, answer).get(timeout=_CONNECT_S)
        except queue.Empty:
            raise BrokerError(f"broker {self.where} does not answer a subscription") from None
        if refusal is not None:
            raise BrokerError(
                f"broker {self.where} does not let us hear {wanted[0]}: {refusal}; "
                "see its access rules"
            )

    def publish(
        self,
        topic: str,
        payload: bytes | str,
        *,
        retain: bool = False,
        expires_s: float | None = None,
        correlation: bytes | None = None,
        wait_s: float = _CONNECT_S,
    ) -> None:
        """Send with QoS 1 and wait for the broker's receipt (`wait_s` 0: do not).

        Nothing is sent later than now: while there is no connection it is refused.

        Raises:
            Forbidden: the broker's rules refuse it.
            BrokerError: there is no connection, or no receipt.
        """
        client = self._alive()
        properties = self._properties(expires_s, correlation)
        sent = client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if sent.rc:
            raise BrokerError(f"broker {self.where}: nothing can be sent: connection lost")
        if not wait_s:
            return
        sent.wait_for_publish(wait_s)
        refusal = self._refused.pop(sent.mid, None)
        if refusal is not None:
            raise Forbidden(f"broker {self.where} refuses {topic}: {refusal}; see its access rules")
        if not sent.is_published():
            raise BrokerError(f"broker {self.where} does not acknowledge what is sent")

    def acknowledge(self, heard: Heard) -> None:
        """Tell the broker that it may forget this message; it comes again where that is in vain."""
        life, mid = heard.mark
        client = self._client
        if self._manual and client is not None and mid and life == self._life:
            client.ack(mid, 1)

    def _ended(self) -> str:
        """A broker that does not take our certificate often hangs up without a word."""
        from cryptography import x509

        path = self._broker.tls.cert_file if self._broker.tls is not None else None
        if path is None:
            return ""
        end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        if end > datetime.now(UTC):
            return ""
        return f"; our certificate {path} ended on {end:%Y-%m-%d}"

    def _alive(self) -> Client:
        client = self._client
        if client is None or not client.is_connected():
            raise BrokerError(f"broker {self.where}: no connection")
        return client

    def _make_client(self) -> Client:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        broker, modern = self._broker, self._broker.protocol == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if modern else not self._session_s,
            protocol=MQTTv5 if modern else MQTTv311,
            manual_ack=self._manual,
        )
        try:
            secret = password(broker)
            if broker.username is not None or secret is not None:
                client.username_pw_set(broker.username or "", secret)
            if broker.tls is not None:
                client.tls_set_context(tls_context(broker.tls))
        except BrokerError as fault:  # the same settings have another name here
            raise Unusable(str(fault).replace("mqtt.", "broker.")) from fault
        client.max_queued_messages_set(_QUEUED)
        client.reconnect_delay_set(1, max(1, int(broker.reconnect_max_s)))
        client.on_socket_open = at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = lambda _c, _d, unexpected: self._settle(unexpected)
        for one, take in self._takers.items():
            client.message_callback_add(one, self._calls(take))
        return client

    def _options(self) -> dict[str, Any]:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        options: dict[str, Any] = {"keepalive": self._broker.keepalive_s}
        if self._broker.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = _LARGEST_PACKET
            properties.ReceiveMaximum = self._window
            if self._session_s:
                properties.SessionExpiryInterval = self._session_s
            options |= {"clean_start": not self._session_s, "properties": properties}
        return options

    def _properties(self, expires_s: float | None, correlation: bytes | None) -> Properties | None:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        if self._broker.protocol != "5" or (expires_s is None and correlation is None):
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if expires_s is not None:
            properties.MessageExpiryInterval = max(1, int(expires_s))
        if correlation is not None:
            properties.CorrelationData = correlation
        return properties

    def _subscribe(
        self, client: Client, wanted: list[str], answer: queue.SimpleQueue[str | None]
    ) -> queue.SimpleQueue[str | None]:
        _, mid = client.subscribe([(one, 1) for one in wanted])
        if mid is not None:
            # the answer may be here already: whoever comes second brings both together
            return self._subscribed.setdefault(mid, answer)
        return answer

    # paho calls these on its own thread, some of them with its locks held: no lock of ours here

    def _on_connect(self, client: Client, _data: Any, _flags: Any, code: Any, _props: Any) -> None:
        self._refusal = str(code) if code.is_failure else None
        if self._refusal is None:
            self._life += 1
            if self._takers:
                client.subscribe([(one, 1) for one in self._takers])
            if self._answered.is_set():
                _log.info("connected to %s again", self.where)
                self._guarded(self.on_back)
        elif self._answered.is_set():
            _log.error("broker %s refuses the connection now: %s", self.where, self._refusal)
        self._answered.set()

    def _on_disconnect(self, _c: Client, _data: Any, _flags: Any, code: Any, _p: Any) -> None:
        if not self._closing and self._refusal is None and self._answered.is_set():
            _log.warning("connection to %s lost: %s; trying again", self.where, code)

    def _on_subscribe(self, _c: Client, _data: Any, mid: int, codes: Any, _props: Any) -> None:
        refused = next((str(code) for code in codes if code.is_failure), None)
        if refused is not None:
            _log.debug("a subscription is refused: %s", refused)
        self._subscribed.setdefault(mid, queue.SimpleQueue()).put(refused)
        while len(self._subscribed) > _QUEUED:
            self._subscribed.pop(next(iter(self._subscribed)))

    def _on_publish(self, _c: Client, _data: Any, mid: int, code: Any, _props: Any) -> None:
        if code.is_failure:
            self._refused[mid] = str(code)
            while len(self._refused) > _QUEUED:
                self._refused.pop(next(iter(self._refused)))

    def _calls(self, take: Take) -> Callable[[Client, Any, MQTTMessage], None]:
        return lambda _client, _data, message: self._took(message, take)

    def _took(self, message: MQTTMessage, take: Take) -> None:
        heard = Heard(
            message.topic,
            bytes(message.payload),
            message.retain,
            getattr(message.properties, "CorrelationData", None),
            (self._life, message.mid),
        )
        self._guarded(lambda: take(heard))

    def _settle(self, message: MQTTMessage) -> None:
        """Of a subscription that an earlier life had: nobody waits for it any more."""
        client = self._client
        if self._manual and client is not None:
            client.ack(message.mid, message.qos)

    def _guarded(self, work: Callable[[], None]) -> None:
        """paho's thread must outlive whatever a taker does."""
        try:
            work()
        except Exception:  # noqa: BLE001  # the edge of the thread
            _log.exception("a message could not be taken, in a way that nobody foresaw")
