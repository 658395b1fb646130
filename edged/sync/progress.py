"""How far a terminal has followed its site, and what it needs next; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edged.sync.wire import Claims, Epoch, Revision, Short, Unreadable, read_text, write_text

if TYPE_CHECKING:
    from edged.sync.wire import Head

FACT = "sync"
"""The name under which the gallery keeps it, changed together with the people."""


class Taking(Claims):
    """A snapshot that is being taken over: `next` is the first chunk that is missing."""

    log: Short
    epoch: Epoch
    id: Short
    revision: Revision
    next: Annotated[int, Field(ge=0)]


class Progress(Claims):
    """What the gallery holds of the site's log.

    Attributes:
        log, epoch: of which log; None before the first.
        held: the revision up to which it is held.
        taking: the snapshot that is being taken over.
    """

    log: Short | None = None
    epoch: Epoch | None = None
    held: Revision = 0
    taking: Taking | None = None


@dataclass(frozen=True, slots=True)
class Want:
    """What to ask the site for, and from where on: the chunk, counted from 0, or the revision that
    is held of the log."""

    what: Literal["head", "log", "snapshot", "chunk"]
    place: int = 0


def read_progress(fact: str | None) -> Progress:
    """What `write_progress` wrote; nothing held where that is missing or unreadable."""
    if fact is None:
        return Progress()
    try:
        return read_text(Progress, fact.encode())
    except Unreadable:
        return Progress()  # the site's log is followed from its beginning, or by a snapshot


def write_progress(progress: Progress) -> str:
    """For the gallery's facts."""
    return write_text(progress).decode()


def origin(epoch: int, revision: int) -> int:
    """The order of all that a site ever said, as one number of at most 63 bits."""
    return epoch << 31 | revision


def supersedes(head: Head, known: Head | None, progress: Progress) -> bool:
    """Whether a head may be believed: epoch, revision and what was compacted only grow.

    An old one, sent again by whoever, is none; one that says the same is, as its snapshot may
    have been made anew.
    """
    for log, epoch, revision in _floors(known, progress):
        if head.epoch < epoch or (head.epoch == epoch and head.log != log):
            return False
        if head.epoch == epoch and head.revision < revision:
            return False
    if known is None or known.epoch != head.epoch or known.revision != head.revision:
        return True
    return head.oldest >= known.oldest and _made_at(head) >= _made_at(known)


def wanted(head: Head | None, progress: Progress) -> Want | None:
    """What is needed next; None: the site's log is held up to its end."""
    if head is None:
        return Want("head")
    if _follows(head, progress):
        if progress.held >= head.revision:
            return None
        if progress.held + 1 >= head.oldest:
            return Want("log", progress.held)
    if head.snapshot is None or _stale(head, progress):
        return Want("snapshot")
    taking = take(head, progress).taking
    assert taking is not None  # noqa: S101  # `take` begins one
    return Want("chunk", taking.next)


def take(head: Head, progress: Progress) -> Progress:
    """The progress with the head's snapshot being taken: from where it was left, or from 0."""
    snapshot = head.snapshot
    assert snapshot is not None  # noqa: S101  # asked only where there is one
    known = progress.taking
    if known and (known.log, known.epoch, known.id) == (head.log, head.epoch, snapshot.id):
        return progress
    begun = Taking(
        log=head.log, epoch=head.epoch, id=snapshot.id, revision=snapshot.revision, next=0
    )
    return progress.model_copy(update={"taking": begun})


def adopt(head: Head, progress: Progress) -> Progress:
    """The progress as one in this head's log, where none was followed before."""
    if progress.epoch is not None:
        return progress
    return progress.model_copy(update={"log": head.log, "epoch": head.epoch, "held": 0})


def behind(head: Head | None, progress: Progress) -> int | None:
    """How many revisions are missing; None while that is unknown."""
    if head is None:
        return None
    held = progress.held if progress.epoch == head.epoch else 0
    return max(0, head.revision - held)


def _follows(head: Head, progress: Progress) -> bool:
    """Whether the log can be read on: it is the one that is held, or the very first.

    What an earlier log said is only put right by a snapshot, which names everybody.
    """
    if progress.taking is not None and progress.epoch != head.epoch:
        return False
    return progress.epoch in (None, head.epoch)


def _stale(head: Head, progress: Progress) -> bool:
    """Whether the snapshot would bring nothing new."""
    assert head.snapshot is not None  # noqa: S101  # asked only where there is one
    return progress.epoch == head.epoch and head.snapshot.revision <= progress.held


def _floors(known: Head | None, progress: Progress) -> list[tuple[str, int, int]]:
    floors = [] if known is None else [(known.log, known.epoch, known.revision)]
    if progress.log is not None and progress.epoch is not None:
        floors.append((progress.log, progress.epoch, progress.held))
    if progress.taking is not None:
        taking = progress.taking
        floors.append((taking.log, taking.epoch, taking.revision))
    return floors


def _made_at(head: Head) -> int:
    return -1 if head.snapshot is None else head.snapshot.revision
