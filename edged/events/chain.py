"""Whether a log is whole: from what is held of it alone, wherever that comes from.

    judge = Chain([public_key])
    for line, message in enumerate(capture, 1):
        judge.add(message, line)
    judge.report().whole

Nothing is read, asked or kept but the numbers and hashes of what was added: about 100 bytes each.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from edged.events.evidence import Evidence, Gap, Signatures, read_checkpoint, read_event
from edged.events.rows import raw_hash
from edged.events.types import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

What = Literal[
    "removed", "altered", "reordered", "forked", "wrongly_signed", "cut_off", "another_log"
]

_HASH_BYTES = 32
_MOST_FOUND = 1000  # a wrong key would make one of every event
_GOOD, _BAD, _REDACTED = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the terminal wrote it.

    Attributes:
        seq, to_seq: which events; the latter where it is more than one.
        line: where in the file, from 1; None: nowhere, since it is missing.
    """

    what: What
    log: str
    seq: int
    to_seq: int
    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """What is there of one log.

    Attributes:
        first, last: the events at both ends.
        events: how many different ones are there; ``redacted`` of these without their content.
        lost: from, to: what the terminal itself says that it lost, and is not here.
        begins: whether the log's very first event is there.
        signed: how many have a good signature.
        checkpoint: the newest event that a checkpoint speaks for; None: there is none.
    """

    source: str
    log: str
    first: int
    last: int
    events: int
    redacted: int
    signed: int
    begins: bool
    lost: tuple[tuple[int, int], ...]
    checkpoint: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found; `more` findings were too many to be listed."""

    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    more: int = 0

    @property
    def whole(self) -> bool:
        """Nothing speaks against it."""
        return not self.findings


@dataclass
class _Log:
    """The events of one log as they came."""

    source: str
    name: str
    seqs: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    flags: bytearray = field(default_factory=bytearray)
    hashes: bytearray = field(default_factory=bytearray)
    prevs: bytearray = field(default_factory=bytearray)
    gaps: list[Gap] = field(default_factory=list)
    checkpoints: list[tuple[int, bytes, int]] = field(default_factory=list)
    ordered: bool = True

    def hash(self, at: int) -> bytes:
        return bytes(self.hashes[at * _HASH_BYTES : (at + 1) * _HASH_BYTES])

    def prev(self, at: int) -> bytes:
        """Nothing but zeros stands for the beginning."""
        return bytes(self.prevs[at * _HASH_BYTES : (at + 1) * _HASH_BYTES])


class Chain:
    """Judges events and checkpoints of any number of logs.

    Args:
        keys: Ed25519 public keys in PEM form that are trusted; none: signatures are not checked.
        from_seq: the event that has to be the first of each log; None: any may be, since
            delivered ones do not stay for ever.

    The order in which they are added counts for those without ``historical``, as in an export; in
    a captured stream live events overtake those that waited.

    Raises:
        KeyUnavailable: a key is none.
    """

    def __init__(self, keys: Iterable[str] = (), *, from_seq: int | None = None) -> None:
        self._signatures = Signatures(keys)
        self._from_seq = from_seq
        self._logs: dict[str, _Log] = {}
        self._latest: dict[str, str] = {}
        self._findings: list[Finding] = []
        self._more = 0

    def add(self, message: Mapping[str, Any] | Event, line: int = 0, source: str = "") -> None:
        """Take an event.

        Args:
            line: where it stands, to be told.
            source: of which terminal, as far as that is known; a second log there is a finding.

        Raises:
            ValueError: it is no event.
        """
        document = message.document() if isinstance(message, Event) else message
        found = read_event(document, self._signatures)
        log = self._log(found, source, line)
        if found.signed is False:
            self._wrongly_signed(found, line, "the event")
        log.ordered &= "historical" not in document
        log.seqs.append(found.seq)
        log.lines.append(line)
        signed = {None: 0, True: _GOOD, False: _BAD}[found.signed]
        log.flags.append(signed | (_REDACTED if found.redacted else 0))
        log.hashes += raw_hash(found.hash)
        log.prevs += raw_hash(found.prev) or bytes(_HASH_BYTES)
        if found.gap is not None and found.signed is not False:
            log.gaps.append(found.gap)

    def add_checkpoint(self, message: Mapping[str, Any], line: int = 0, source: str = "") -> bool:
        """Take a checkpoint; one with a bad signature is a finding, and says nothing else.

        Returns:
            Whether it counts.

        Raises:
            ValueError: it is none.
        """
        found = read_checkpoint(message, self._signatures)
        if found.signed is False:
            self._wrongly_signed(found, line, "the checkpoint")
            return False
        log = self._log(found, source, line)
        log.checkpoints.append((found.seq, raw_hash(found.hash), line))
        return True

    def report(self) -> Report:
        """What there is to be said of all that was added."""
        parts = [part for log in self._logs.values() if (part := self._judge(log)) is not None]
        findings = sorted(self._findings, key=lambda one: (one.log, one.seq, one.line or 0))
        return Report(tuple(parts), tuple(findings), self._more)

    def _log(self, found: Evidence, source: str, line: int) -> _Log:
        log = self._logs.get(found.log)
        if log is None:
            before = self._latest.get(source)
            if before is not None:
                text = f"another log begins after {before}: the terminal's file was made anew"
                self._find("another_log", found.log, found.seq, found.seq, line, text)
            self._latest[source] = found.log
            log = self._logs[found.log] = _Log(source, found.log)
        return log

    def _wrongly_signed(self, found: Evidence, line: int, what: str) -> None:
        text = f"no trusted key signed {what} as it stands here"
        self._find("wrongly_signed", found.log, found.seq, found.seq, line, text)

    def _find(
        self, what: What, log: str, seq: int, to_seq: int, line: int | None, text: str
    ) -> None:
        if len(self._findings) < _MOST_FOUND:
            self._findings.append(Finding(what, log, seq, to_seq, line, text))
        else:
            self._more += 1

    def _judge(self, log: _Log) -> Part | None:
        order = sorted(
            range(len(log.seqs)), key=lambda at: (log.seqs[at], not log.flags[at] & _GOOD)
        )
        chosen = list(self._one_each(log, order))
        lost = _merged(log.gaps)
        if not chosen:
            self._cut_off(log, 0)
            return None
        if log.ordered:
            self._order(log, sorted(chosen))
        for before, after in pairwise(chosen):
            if log.seqs[after] == log.seqs[before] + 1:
                self._link(log, before, after)
            else:
                self._hole(log, before, after, lost)
        first, last = chosen[0], chosen[-1]
        if self._from_seq is not None:
            self._missing(log, self._from_seq, first, lost)
        begins = log.prev(first) == bytes(_HASH_BYTES)
        if log.seqs[first] == 1 and not begins:
            text = "the first event names one before it"
            self._find("altered", log.name, 1, 1, log.lines[first], text)
        self._checkpoints(log, chosen)
        return Part(
            log.source,
            log.name,
            log.seqs[first],
            log.seqs[last],
            len(chosen),
            sum(bool(log.flags[at] & _REDACTED) for at in chosen),
            sum(bool(log.flags[at] & _GOOD) for at in chosen),
            begins,
            tuple(_absent(lost, [log.seqs[at] for at in chosen])),
            max((seq for seq, _, _ in log.checkpoints), default=None),
        )

    def _one_each(self, log: _Log, order: Iterable[int]) -> Iterator[int]:
        """One of each number: those that came twice are the same, or something is wrong."""
        kept: int | None = None
        for at in order:
            if kept is None or log.seqs[at] != log.seqs[kept]:
                kept = at
                yield at
            elif log.hash(at) != log.hash(kept) or log.prev(at) != log.prev(kept):
                text = f"event {log.seqs[at]} says something else at line {log.lines[kept]}"
                self._find("forked", log.name, log.seqs[at], log.seqs[at], log.lines[at], text)

    def _link(self, log: _Log, before: int, after: int) -> None:
        named = log.prev(after)
        if named == log.hash(before):
            return
        seq = log.seqs[before]
        if log.flags[after] & _BAD and not log.flags[before] & _BAD:
            text, seq, line = f"altered, since it does not name event {seq}", seq + 1, after
        elif len(self._findings) < _MOST_FOUND and named in log.hashes:
            text = f"event {seq + 1} names another one than event {seq} before it"
            self._find("reordered", log.name, seq + 1, seq + 1, log.lines[after], text)
            return
        else:
            text, line = f"event {seq + 1} names another content than this one has", before
        self._find("altered", log.name, seq, seq, log.lines[line], text)

    def _order(self, log: _Log, as_they_came: list[int]) -> None:
        newest = 0
        for at in as_they_came:
            seq = log.seqs[at]
            if seq < newest:
                text = f"event {seq} stands after event {newest}"
                self._find("reordered", log.name, seq, seq, log.lines[at], text)
            newest = max(newest, seq)

    def _missing(self, log: _Log, first: int, before: int, lost: list[tuple[int, int]]) -> None:
        for start, end in _outside(first, log.seqs[before] - 1, lost):
            many = f"events {start} to {end} are" if end > start else f"event {start} is"
            text = f"{many} missing before line {log.lines[before]}, and no gap event says why"
            self._find("removed", log.name, start, end, None, text)

    def _hole(self, log: _Log, before: int, after: int, lost: list[tuple[int, int]]) -> None:
        last = log.seqs[after] - 1
        self._missing(log, log.seqs[before] + 1, after, lost)
        for gap in log.gaps:
            if gap.to_seq == last and raw_hash(gap.last_hash) != log.prev(after):
                text = f"it names another event before it than the gap event about {last} does"
                self._find("altered", log.name, last + 1, last + 1, log.lines[after], text)

    def _checkpoints(self, log: _Log, chosen: list[int]) -> None:
        seqs = [log.seqs[at] for at in chosen]
        for seq, promised, line in log.checkpoints:
            at = bisect_right(seqs, seq) - 1
            if at >= 0 and seqs[at] == seq:
                found = log.hash(chosen[at])
            elif seq == seqs[0] - 1:
                found = log.prev(chosen[0])
            else:
                continue
            if found != (promised or bytes(_HASH_BYTES)):
                which = f"the checkpoint at line {line}" if line else "a checkpoint"
                text = f"{which} names another content of event {seq}"
                where = log.lines[chosen[max(0, at)]]
                self._find("altered", log.name, seq, seq, where, text)
        self._cut_off(log, seqs[-1])

    def _cut_off(self, log: _Log, last: int) -> None:
        promised = max((seq for seq, _, _ in log.checkpoints), default=0)
        if promised > last:
            text = f"a checkpoint speaks of {promised} events, and they end with {last}"
            self._find("cut_off", log.name, last + 1, promised, None, text)


def verify(
    messages: Iterable[Mapping[str, Any] | Event],
    keys: Iterable[str] = (),
    checkpoints: Iterable[Mapping[str, Any]] = (),
) -> Report:
    """Judge these; `line` of a finding counts the messages from 1. See `Chain`.

    Raises:
        ValueError: one is no event, or no checkpoint.
        KeyUnavailable: a key is none.
    """
    chain = Chain(keys)
    for line, message in enumerate(messages, 1):
        chain.add(message, line)
    for line, message in enumerate(checkpoints, 1):
        chain.add_checkpoint(message, line)
    return chain.report()


def _merged(gaps: Iterable[Gap]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted((gap.from_seq, gap.to_seq) for gap in gaps):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged


def _absent(lost: Iterable[tuple[int, int]], here: list[int]) -> Iterator[tuple[int, int]]:
    """Of these ranges those of which something is missing: what gave way may yet be in the log."""
    for first, last in lost:
        if bisect_right(here, last) - bisect_left(here, first) <= last - first:
            yield first, last


def _outside(first: int, last: int, lost: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of first to last none of these ranges covers."""
    for start, end in lost:
        if end < first or start > last:
            continue
        if start > first:
            yield first, start - 1
        first = end + 1
    if first <= last:
        yield first, last
