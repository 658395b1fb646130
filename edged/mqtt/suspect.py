"""An event that ends the connection whenever it is sent must not keep the others waiting.

Some brokers do not say how large a packet may be; they hang up, or acknowledge in a way that no
client reads. So after a connection broke the backlog is sent one by one; when one that is alone
ends one connection after the other, though each had worked before, it is left out for a while. If
the next one arrives then, it was the event; else it was the broker, and the order is kept. Only a
large event comes under suspicion: what every broker takes is never overtaken.
"""

from __future__ import annotations

import time

_LARGE = 4096
_SURE = 5
_AGAIN_S = 3600.0
_TRIAL_S = 60.0


class Suspect:
    """What the link remembers of broken connections. For one thread."""

    def __init__(self) -> None:
        self._seq: int | None = None
        self._ends = 0
        self._ended_s = 0.0
        self._guilty: dict[int, float] = {}  # seq: when it was found out

    @property
    def careful(self) -> bool:
        """Whether the backlog is to be sent one by one, on a connection that works."""
        return self._seq is not None

    def left_out(self) -> set[int]:
        """The events that are not to be sent now."""
        now_s = time.monotonic()
        self._guilty = {seq: at_s for seq, at_s in self._guilty.items() if now_s - at_s < _AGAIN_S}
        found = set(self._guilty)
        more = self._ends - _SURE
        if self._seq is not None and more >= 0 and now_s - self._ended_s < _TRIAL_S * (1 + more):
            found.add(self._seq)
        return found

    def passed(self, seq: int) -> None:
        """One of the backlog was acknowledged."""
        if seq != self._seq:
            if self._seq not in self.left_out():
                return
            self._guilty[self._seq] = time.monotonic()
        self._seq, self._ends = None, 0

    def ended(self, seq: int, size: int, *, alone: bool) -> None:
        """A connection broke, or was of no use, while this event waited for its acknowledgement.

        Args:
            size: of the event, bytes.
            alone: nothing else did, and other messages had been acknowledged.
        """
        if seq != self._seq:
            self._seq, self._ends = (seq if size >= _LARGE else None), 0
        self._ends += alone
        self._ended_s = time.monotonic()
