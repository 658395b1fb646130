"""Who is where, as the log of events and other terminals have it; on the disk.

What happens here is recorded first, and who is where follows the log: so it is the same after an
end that nobody foresaw, and follows also what other processes record. What other terminals say is
no part of our log, and is on the disk before the broker may forget it.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from edged.access.order import LATEST, Order
from edged.access.presence import Erased, Forgotten, Presence
from edged.errors import StorageError
from edged.events.types import utc_text
from edged.service.areas_store import page_of
from edged.service.areas_words import CHANGED, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from edged.access.presence import Word
    from edged.events.outbox import Outbox
    from edged.service.areas_store import AreasStore
    from edged.service.areas_words import Reader
    from edged.service.journal import Journal
    from edged.service.peers import Said
    from edged.service.state import State

log = logging.getLogger(__name__)

MOST_READ = 100_000
"""Events of our log that are read again where nothing else says who is where."""

KEPT_MS = 31 * 86_400_000
"""For so long it is known of who is not inside that they are not."""

AHEAD_MS = 400 * 86_400_000
"""By so much another terminal's clock may be ahead: numbers only ever grow, and its word would
have all of them end."""

_KEEP_EVERY = 1000  # events that changed nothing


def look(store: AreasStore, outbox: Outbox, reader: Reader) -> Presence:
    """Who is where, without writing anything: beside a terminal that may run."""
    presence, marks = store.read()
    for event in outbox.events(_next(marks, outbox)):
        with suppress(ValueError):  # the terminal tells it
            for word in reader.own(event.type, event.time, event.data):
                presence.take(word)
    return presence


def _next(marks: Mapping[str, str], outbox: Outbox) -> int:
    """The first event of the log that is not in what was kept."""
    head = outbox.head
    seq = int(marks.get("seq", 0)) if marks.get("log") == head.log else 0
    if seq > head.seq:  # the log came from a backup
        seq = 0
    return max(seq, head.seq - MOST_READ) + 1


class Time(Protocol):
    """What is needed of `edged.events.trusted.TrustedTime`."""

    def now(self) -> float: ...

    @property
    def trusted(self) -> bool: ...


class AreasLog:
    """Any thread may call; `lock` is held while presence changes or is looked at.

    A file that cannot be used is told as degraded; who is where is in memory then, and in the log.

    Attributes:
        forgiven: when it was time last to forget where everybody is, Unix seconds; None: never.
    """

    def __init__(
        self,
        store: AreasStore,
        outbox: Outbox,
        journal: Journal,
        state: State,
        reader: Reader,
        clock: Time,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._journal = journal
        self._state = state
        self._reader = reader
        self._clock = clock
        self._monotonic = monotonic
        self._following = threading.Lock()
        self._seq = self._kept_seq = 0
        self._log = ""
        self._unkept: set[str] = set()
        self._undone: list[Callable[[], None]] = []  # of what other terminals said
        self._order = Order()
        self.lock = threading.RLock()
        self.presence = Presence()
        self.forgiven: float | None = None

    def open(self) -> None:
        """Take up what was kept, and what the log says since."""
        marks: dict[str, str] = {}
        with self._guarded():
            self._store.open()
            self.presence, marks = self._store.read()
        self._order = Order(self.presence.newest)
        self._log = self._outbox.head.log
        self._seq = self._kept_seq = _next(marks, self._outbox) - 1
        self.forgiven = float(marks["forgiven"]) if "forgiven" in marks else None
        self.follow()

    def close(self) -> None:
        """Safe twice, and after a failed `open`."""
        if self._seq != self._kept_seq or self._unkept or self._undone:
            with self._guarded():
                self._keep(durable=False)
        self._store.close()

    def now(self) -> int:
        """The moment, see `Order.now`."""
        with self.lock:
            return self._order.now(*self._clocks(), trusted=self._clock.trusted)

    def record(self, kind: str, data: Callable[[int], dict[str, Any]]) -> bool:
        """Record what changes where somebody is, and let it hold; whether it is recorded.

        It holds also where it cannot be recorded: it has happened.

        Args:
            data: of the event, by its order.
        """
        with self.lock:
            order = self._order.next(*self._clocks(), trusted=self._clock.trusted)
        told = data(order)
        event = self._journal.record(kind, **told)
        if event is not None:
            self.follow()
            return True
        self._apply(self._reader.own(kind, utc_text(int(self._clock.now() * 1000)), told))
        with self._guarded():
            self._keep(durable=True)
        return False

    def follow(self) -> None:
        """Let hold what the log says since the last time, whoever recorded it."""
        with self._following, self._guarded():
            for event in self._outbox.events(self._seq + 1):
                try:
                    found = self._reader.own(event.type, event.time, event.data)
                except ValueError as fault:
                    log.warning("event %d says nothing of areas: %s", event.seq, fault)
                    found = []
                if event.type == "gallery.wiped":
                    self._wiped()
                self._apply(found)
                self._seq = event.seq
            if self._unkept or self._undone or self._seq >= self._kept_seq + _KEEP_EVERY:
                self._keep(durable=False)

    def hear(self, said: Sequence[Said]) -> None:
        """What other terminals say; each is done once it is on the disk."""
        wall_ms = self._clock.now() * 1000 if self._clock.trusted else LATEST
        for one in said:
            try:
                found = self._reader.said(one.terminal, one.kind, one.time, one.data)
            except ValueError as fault:
                log.warning("%s says what cannot be: %s", one.terminal, fault)
                continue
            if one.data["order"] > wall_ms + AHEAD_MS:
                log.warning("%s says what cannot be: its clock is far ahead", one.terminal)
                continue
            self._apply(found)
        self._undone += [one.done for one in said]
        with self._guarded():
            self._keep(durable=True)

    def forget(self, until: int | None) -> None:
        """Where everybody was counts no more: up to this order, or up to now."""
        self.record(
            CHANGED, lambda order: changed(None, None, order if until is None else until, "clock")
        )

    def drop_old(self, outside: str) -> None:
        """Who has been outside, or nowhere, for long is nobody's concern; that saves no event."""
        now = self.now()
        with self.lock:
            self._unkept.update(self.presence.drop_old(now - KEPT_MS, ("", outside)))

    def forgive(self, moment: float) -> None:
        """Remember when it was time last to forget where everybody is."""
        self.forgiven = moment
        with self._guarded():
            self._keep(durable=False)

    def _clocks(self) -> tuple[float, float]:
        return self._clock.now(), self._monotonic()

    def _apply(self, found: Iterable[Word]) -> None:
        with self.lock:
            for word in found:
                if not isinstance(word, Erased):
                    self._order.heard(word.order)
                self._unkept.update(self.presence.take(word))

    def _wiped(self) -> None:
        """The file went with the gallery; a new one is made."""
        with self.lock:
            self._apply([Forgotten(max(1, self.presence.newest))])
        self._store.close()
        self._store.open()

    def _keep(self, *, durable: bool) -> None:
        with self.lock:
            people, self._unkept = self._unkept, set()
            undone, self._undone = self._undone, []
            page = page_of(self.presence, people)
            seq = self._seq
        marks = {"log": self._log, "seq": str(seq)}
        if self.forgiven is not None:
            marks["forgiven"] = str(self.forgiven)
        try:
            self._store.keep(page, marks, durable=durable or bool(undone))
        except StorageError:
            with self.lock:
                self._unkept |= people
                self._undone += undone
            raise
        self._kept_seq = seq
        for done in undone:
            done()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """A disk that refuses is told, once, and once when it is back."""
        try:
            yield
        except StorageError as fault:
            if self._state.degrade("areas", str(fault)):
                log.error("who is where cannot be kept: %s", fault)
        else:
            if self._state.restore("areas"):
                log.warning("who is where is kept again")
