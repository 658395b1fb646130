"""Which event goes next: what happens now first, then what waited; each of the two in order.

What is recorded from the connection on is live, whatever waited before is the backlog. A live
event that got too old before it could be sent, or whose time is not plausible, joins the end of
the backlog, so that both streams stay in the order of `seq`. Events that the site has asked for
again follow when the backlog is through.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from edged.mqtt.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from edged.events.types import Event, Head

_PAGE = 100
_AT_ONCE_S = 0.05  # the backlog goes out in small bursts, not one by one
_LOOK_AGAIN_S = 1.0
_LOOK_SHARE = 20  # of the time, when looking takes long


class Source(Protocol):
    """What the link needs of the outbox."""

    def pending(
        self, after_seq: int = 0, limit: int = 100, until_seq: int | None = None
    ) -> list[Event]: ...

    def acknowledge(self, seqs: Iterable[int]) -> None: ...

    @property
    def head(self) -> Head: ...

    def wait(self, timeout_s: float | None = None) -> bool: ...

    def wake(self) -> None: ...


class Streams:
    """What goes out over one connection; for one thread.

    Args:
        outbox: where the events wait.
        held: seqs that wait in the outbox and are not to be sent (again) over this connection.
        live_within_s: how old a live event may be.
        backlog_hz: how many of the backlog go out in a second; live ones are not held back.
        now: the clock that the events bear, Unix seconds.
    """

    def __init__(
        self,
        outbox: Source,
        held: Container[int],
        live_within_s: float,
        backlog_hz: float,
        now: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._held = held
        self._live_within_s = live_within_s
        self._backlog_hz = backlog_hz
        self._pace = Bucket(backlog_hz, backlog_hz * _AT_ONCE_S)
        self._now = now
        self._live: deque[Event] = deque()
        self._live_at = self._old_until = outbox.head.seq  # up to here nothing is live (any more)
        self._live_done = False
        self._old: deque[Event] = deque()
        self._old_at = 0
        self._look_from_s = 0.0

    @property
    def pause_s(self) -> float:
        """After how long it is worth asking again, though nobody woke us."""
        if self._old or self._old_at < self._old_until:
            return min(_LOOK_AGAIN_S, max(_AT_ONCE_S / 4, 1 / self._backlog_hz))
        return _LOOK_AGAIN_S

    def look(self) -> None:
        """Something may have been recorded."""
        self._live_done = False

    def live(self) -> Event | None:
        """The next one that happened just now; it counts as sent."""
        while event := self._next_live():
            self._live_at = event.seq
            if is_fresh(event, datetime.fromtimestamp(self._now(), UTC), self._live_within_s):
                return event
            self._old_until = event.seq
        return None

    def backlog(self) -> Event | None:
        """The next one of those that waited, if one is due; it counts as sent."""
        if not self._old:
            self._read_old()
        if self._old and self._pace.take():
            return self._old.popleft()
        return None

    def _next_live(self) -> Event | None:
        if not self._live and not self._live_done:
            self._live.extend(self._outbox.pending(self._live_at, _PAGE))
            self._live_done = len(self._live) < _PAGE
        return self._live.popleft() if self._live else None

    def _read_old(self) -> None:
        """The next page, without what is on its way; after the last one from the start again,
        for what the site wants once more, but seldom."""
        began_s = time.monotonic()
        if self._old_at >= self._old_until:
            if began_s < self._look_from_s:
                return
            self._old_at, self._old_until = 0, self._live_at
        while not self._old and self._old_at < self._old_until:
            page = self._outbox.pending(self._old_at, _PAGE, self._old_until)
            self._old_at = page[-1].seq if len(page) == _PAGE else self._old_until
            self._old.extend(event for event in page if event.seq not in self._held)
        if not self._old:
            now_s = time.monotonic()
            self._look_from_s = now_s + max(_LOOK_AGAIN_S, _LOOK_SHARE * (now_s - began_s))


def is_fresh(event: Event, now: datetime, live_within_s: float) -> bool:
    """Live is what happened just now; a clock that was set meanwhile proves nothing."""
    try:
        age_s = (now - datetime.fromisoformat(event.time)).total_seconds()
    except ValueError:
        return False
    return abs(age_s) <= live_within_s
