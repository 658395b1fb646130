"""What is published, and what goes beside it in MQTT 5."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paho.mqtt.properties import Properties

_FIXED = 5 + 2 + 2  # type, length, the topic's length and the message's id; at most


@dataclass(frozen=True, slots=True)
class Message:
    """One message, QoS 1. All but topic, payload and `retain` stays behind in MQTT 3.1.1.

    Attributes:
        is_json: told to whoever receives it, as content type and payload format.
        correlation: of the request that is answered.
        expires_s: after so long the broker delivers it to nobody any more.
        user: user properties.
        recurs: its topic comes again and again, so that an alias for it pays.
    """

    topic: str
    payload: bytes
    retain: bool = False
    is_json: bool = True
    correlation: bytes | None = None
    expires_s: int | None = None
    user: tuple[tuple[str, str], ...] = ()
    recurs: bool = False

    def properties(self) -> Properties:
        """As paho wants them."""
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if self.is_json:
            properties.PayloadFormatIndicator = 1
            properties.ContentType = "application/json"
        if self.correlation is not None:
            properties.CorrelationData = self.correlation
        if self.expires_s is not None:
            properties.MessageExpiryInterval = self.expires_s
        if self.user:
            properties.UserProperty = list(self.user)
        return properties

    def size(self, modern: bool) -> int:
        """Bytes of the packet, or a few more."""
        beside = len(self.properties().pack()) if modern else 0  # type: ignore[no-untyped-call]
        return _FIXED + len(self.topic.encode()) + beside + len(self.payload)


def as_json(content: Mapping[str, Any]) -> bytes:
    """Compact JSON."""
    return json.dumps(content, separators=(",", ":")).encode()
