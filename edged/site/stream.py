"""Which events of which terminals have come: news, repetitions, holes, forgeries; no network."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from edged.events.evidence import Signatures, read_checkpoint, read_event
from edged.site.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.site.spans import Span

What = Literal["news", "repetition", "fork", "forged", "malformed", "checkpoint", "early"]

_REMEMBERED = 10_000
_FARTHEST = 10_000_000  # beyond this no number is believed that no key vouches for


@dataclass(frozen=True, slots=True)
class Hole:
    """Events that should have come; `log` is the terminal's newest."""

    terminal: str
    log: str
    first: int
    last: int


@dataclass(slots=True)
class _Log:
    """What is known of one log.

    Attributes:
        excused: nobody waits for these any more; one that comes all the same is news.
        floor: nothing up to here is waited for; None until the log was heard of.
        promised: the log goes at least this far.
    """

    seen: Spans = field(default_factory=Spans)
    excused: Spans = field(default_factory=Spans)
    floor: int | None = None
    promised: int = 0


class Stream:
    """Takes messages of any number of terminals, in any order. Any thread may call.

    Args:
        keys: by terminal the Ed25519 public keys (PEM) that sign its events; those of a terminal
            of which none are known are not verified.
        from_seq: the first event that is wanted of a log; None: whatever comes from now on.
    """

    def __init__(self, keys: Mapping[str, tuple[str, ...]], from_seq: int | None = None) -> None:
        self._floor = None if from_seq is None else from_seq - 1
        self._signatures = {name: Signatures(pems) for name, pems in keys.items()}
        self._logs: dict[tuple[str, str], _Log] = {}
        self._newest: dict[str, str] = {}
        self._hashes: dict[tuple[str, str, int], str] = {}
        self._lock = threading.Lock()

    def verifies(self, terminal: str) -> bool:
        """Whether this terminal's signatures are checked."""
        return terminal in self._signatures

    def take(self, terminal: str, message: Mapping[str, Any]) -> What:
        """What an event is to us."""
        try:
            found = read_event(message, self._signatures.get(terminal, _NONE))
        except (ValueError, TypeError):
            return "malformed"
        if found.signed is False:
            return "forged"
        with self._lock:
            log = self._log(terminal, found.log)
            if found.signed is None and found.seq > self._end(log) + _FARTHEST:
                return "malformed"
            place = (terminal, found.log, found.seq)
            before = self._hashes.get(place)
            if before is not None and before != found.hash:
                return "fork"
            known = found.seq in log.seen
            log.seen.add(found.seq, found.seq)
            if log.floor is None:
                log.floor = found.seq - 1
            if found.gap is not None:
                log.excused.add(found.gap.from_seq, found.gap.to_seq)
            self._hashes[place] = found.hash
            while len(self._hashes) > _REMEMBERED:
                del self._hashes[next(iter(self._hashes))]
            return "repetition" if known else "news"

    def take_checkpoint(self, terminal: str, message: Mapping[str, Any]) -> What:
        """What a checkpoint is to us: it says how far the log goes."""
        try:
            found = read_checkpoint(message, self._signatures.get(terminal, _NONE))
        except (ValueError, TypeError):
            return "malformed"
        if found.signed is False:
            return "forged"
        with self._lock:
            log = self._log(terminal, found.log)
            if found.signed is None and found.seq > self._end(log) + _FARTHEST:
                return "malformed"
            if log.floor is None:
                log.floor = found.seq
            log.promised = max(log.promised, found.seq)
            # what it speaks of before anything was taken is nothing that we should have
            return "checkpoint" if log.seen or found.seq > log.floor else "early"

    def excuse(self, hole: Hole) -> None:
        """These will hardly come: they are waited for no more."""
        with self._lock:
            self._log(hole.terminal, hole.log).excused.add(hole.first, hole.last)

    def holes(self) -> list[Hole]:
        """What is missing of each terminal's newest log, up to what is promised."""
        with self._lock:
            return [
                Hole(terminal, name, first, last)
                for terminal, name in self._newest.items()
                for first, last in self._missing(self._logs[terminal, name])
            ]

    def document(self) -> list[Any]:
        """All of it, as JSON."""
        with self._lock:
            return [
                [terminal, name, log.floor, list(log.seen), list(log.excused)]
                for (terminal, name), log in self._logs.items()
            ]

    def restore(self, document: Any) -> None:
        """Add what `document` gave.

        Raises:
            ValueError, TypeError: it did not.
        """
        read = [
            (str(t), str(n), None if f is None else int(f), _spans(seen), _spans(excused))
            for t, n, f, seen, excused in document
        ]
        with self._lock:
            for terminal, name, floor, seen, excused in read:
                log = self._log(terminal, name)
                for known, more in ((log.seen, seen), (log.excused, excused)):
                    for first, last in more:
                        known.add(first, last)
                if floor is not None:
                    log.floor = floor if log.floor is None else min(floor, log.floor)

    def _log(self, terminal: str, name: str) -> _Log:
        log = self._logs.get((terminal, name))
        if log is None:
            log = self._logs[terminal, name] = _Log(floor=self._floor)
            self._newest[terminal] = name
        return log

    @staticmethod
    def _end(log: _Log) -> int:
        return max(log.promised, log.floor or 0, log.seen.last if log.seen else 0)

    @staticmethod
    def _missing(log: _Log) -> list[Span]:
        if log.floor is None:
            return []
        found = Spans(log.seen)
        if not found or found.first > log.floor:
            found.add(log.floor, log.floor)
        if log.promised > found.last:
            found.add(log.promised + 1, log.promised + 1)
        for first, last in log.excused:
            found.add(first, last)
        return list(found.holes())


def _spans(document: Any) -> Spans:
    return Spans((int(first), int(last)) for first, last in document)


_NONE = Signatures(())
