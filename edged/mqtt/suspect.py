"""An event that ends the connection whenever it is sent must not keep the others waiting.

Some brokers do not say how large a packet may be; they hang up, or acknowledge in a way that no
client reads. So after a connection broke the backlog is sent one by one; when one that is alone
ends one connection after the other, though each had worked before, it is left out for a while. If
another one arrives then, it was the event; if a small one ends the connection too, it was the
broker, and the order is kept. Only a large event comes under suspicion: what every broker takes is
never overtaken.
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
        self._ends: dict[int, int] = {}  # seq: how many connections it ended alone
        self._ended_s: dict[int, float] = {}  # and when the last one
        self._guilty: dict[int, float] = {}  # seq: when it was found out
        self._unheard: dict[str, tuple[int, float]] = {}  # topic: how often, and when the last time

    @property
    def careful(self) -> bool:
        """Whether the backlog is to be sent one by one, on a connection that works."""
        return bool(self._ends)

    def left_out(self) -> set[int]:
        """The events that are not to be sent now."""
        now_s = time.monotonic()
        self._guilty = {seq: at_s for seq, at_s in self._guilty.items() if now_s - at_s < _AGAIN_S}
        return set(self._guilty) | self._on_trial(now_s)

    def _on_trial(self, now_s: float) -> set[int]:
        return {
            seq
            for seq, ends in self._ends.items()
            if ends >= _SURE and now_s - self._ended_s[seq] < _TRIAL_S * (1 + ends - _SURE)
        }

    def passed(self, seq: int) -> None:
        """One of the backlog was acknowledged."""
        if seq in self._ends:
            del self._ends[seq]
            return
        now_s = time.monotonic()
        for found in self._on_trial(now_s):
            self._guilty[found] = now_s
            del self._ends[found]

    def ended(self, seq: int, size: int, *, alone: bool) -> None:
        """A connection broke, or was of no use, while this event waited for its acknowledgement.

        Args:
            size: of the event, bytes.
            alone: nothing else did, and other messages had been acknowledged.
        """
        now_s = time.monotonic()
        if seq not in self._ends:
            if size < _LARGE:  # then it was the broker
                self._ends.clear()
                return
            # those on trial stay there: large ones may follow each other
            self._ends = {one: self._ends[one] for one in self._on_trial(now_s)}
        self._ends[seq] = self._ends.get(seq, 0) + alone
        self._ended_s = {one: self._ended_s.get(one, now_s) for one in self._ends} | {seq: now_s}

    def hung_up(self, topic: str) -> None:
        """A connection that had worked broke when what was sent on this topic was the first
        without an acknowledgement."""
        self._unheard[topic] = self._unheard.get(topic, (0, 0.0))[0] + 1, time.monotonic()

    def heard_out(self, topic: str) -> None:
        """It was acknowledged."""
        self._unheard.pop(topic, None)

    def muted(self, topic: str) -> bool:
        """Whether a message on this topic is not to be sent now."""
        times, at_s = self._unheard.get(topic, (0, 0.0))
        return times >= _SURE and time.monotonic() - at_s < _AGAIN_S
