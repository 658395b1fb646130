"""An event that ends the connection whenever it is sent must not keep the others waiting.

Some brokers do not say how large a packet may be; they hang up, or acknowledge in a way that no
client reads. So the first one of the backlog is sent alone after a connection broke; when that
ends one connection after the other, though each had worked before, it is left out once. If the
next one arrives then, it was the event; else it was the broker, and the order is kept.
"""

from __future__ import annotations

import time

_SURE = 5
_AGAIN_S = 3600.0


class Suspect:
    """What the link remembers of broken connections. For one thread.

    Attributes:
        limit: bytes of the smallest payload that was found out to be too much; None: none was.
    """

    def __init__(self) -> None:
        self._seq: int | None = None
        self._size = 0
        self._ends = 0
        self._passed = 0  # bytes of the largest payload that was acknowledged
        self._guilty: dict[int, float] = {}  # seq: when it was found out
        self.limit: int | None = None

    @property
    def careful(self) -> bool:
        """Whether the next one of the backlog is to be sent alone, on a connection that works."""
        return self._seq is not None

    def left_out(self) -> set[int]:
        """The events that the next connection is spared."""
        now_s = time.monotonic()
        self._guilty = {seq: at_s for seq, at_s in self._guilty.items() if now_s - at_s < _AGAIN_S}
        if not self._guilty:
            self.limit = None
        on_trial = {self._seq} if self._seq is not None and self._ends >= _SURE else set()
        return on_trial | self._guilty.keys()

    def passed(self, seq: int, size: int) -> bool:
        """One of the backlog was acknowledged; True when that proves the one left out guilty."""
        self._passed = max(self._passed, size)
        guilty = self._seq if self._ends >= _SURE and seq != self._seq else None
        if guilty is not None:
            self._guilty[guilty] = time.monotonic()
            if self._size > self._passed:
                self.limit = min(self.limit or self._size, self._size)
        if guilty is not None or seq == self._seq:
            self._seq, self._ends = None, 0
        return guilty is not None

    def ended(self, seq: int, size: int, *, alone: bool) -> None:
        """A connection broke, or was of no use, while this event waited for its acknowledgement.

        Args:
            alone: nothing else did, and other messages had been acknowledged.
        """
        if seq == self._seq:
            self._ends += alone
        else:
            self._seq, self._size, self._ends = seq, size, 0
