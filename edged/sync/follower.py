"""Follows a site's log: asks for what is missing, checks what comes, and takes it over whole.

Without threads and without a clock of its own: whoever uses it brings messages and the time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from edged.errors import GalleryError
from edged.sync.asking import Asking
from edged.sync.changes import runs, stored
from edged.sync.entries import BadEntry, read_entries
from edged.sync.progress import (
    FACT,
    Progress,
    Want,
    adopt,
    behind,
    origin,
    read_progress,
    supersedes,
    take,
    wanted,
    write_progress,
)
from edged.sync.snapshot import open_chunk, open_key
from edged.sync.wire import (
    Batch,
    Chunk,
    Head,
    Pull,
    Refused,
    Unreadable,
    digest,
    purpose,
    read,
    read_text,
    split,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edged.gallery.people import Stored
    from edged.gallery.profile import Erased
    from edged.sync.entries import Entry
    from edged.sync.offers import Offers
    from edged.vault.identity import Identity

_log = logging.getLogger(__name__)


class Store(Protocol):
    """What following needs of the gallery."""

    def fact(self, name: str) -> str | None: ...

    def apply(
        self,
        upserts: Sequence[Stored],
        drops: Sequence[tuple[str, int]],
        facts: Mapping[str, str | None],
        *,
        marker: str | None = None,
    ) -> list[Erased]: ...

    def sweep(self, marker: str, facts: Mapping[str, str | None]) -> list[Erased]: ...


class Follower:
    """One terminal's side of the site's log. Used by one thread.

    Args:
        gallery: takes people and progress in one transaction.
        audience: ``<site>/<terminal>``, as signed messages name it.
        verify: the claims of a signed line, or why it is not to be believed.
        send: publishes on ``sync/<kind>``; whether it is on its way.
        offers: who is to be offered to the site; None: nobody.
        on_erased: told whom the site had erased.
        settle_s: see `Asking`.
    """

    def __init__(
        self,
        gallery: Store,
        identity: Identity,
        audience: str,
        verify: Callable[[bytes], Mapping[str, Any] | str],
        send: Callable[[str, bytes], bool],
        *,
        offers: Offers | None = None,
        on_erased: Callable[[list[Erased]], None] = lambda _: None,
        settle_s: float = 2.0,
    ) -> None:
        self._gallery = gallery
        self._identity = identity
        self._audience = audience
        self._verify = verify
        self._send = send
        self._offers = offers
        self._on_erased = on_erased
        self._progress = Progress()
        self._head: Head | None = None
        self._heard = False  # a head, on this connection
        self._key: tuple[str, bytes] | None = None  # of the snapshot that is being taken
        self._refused: Refused | None = None
        self._asking = Asking(self._say, settle_s)

    def open(self) -> None:
        """Read how far the gallery is.

        Raises:
            StorageError: the gallery cannot be read.
        """
        self._progress = read_progress(self._gallery.fact(FACT))
        if self._offers is not None:
            self._offers.find()

    def connected(self, now_s: float) -> None:
        """There is a new connection to the broker, and whatever was asked is forgotten."""
        self._heard = False
        self._asking.connected(now_s)
        if self._offers is not None:
            self._offers.hurry()

    def disconnected(self) -> None:
        """Nothing can be asked until there is a connection."""
        self._heard = False
        self._asking.disconnected()

    def enrolled(self, person_id: str) -> None:
        """Somebody was enrolled at this terminal.

        Raises:
            StorageError: the gallery cannot be read.
        """
        if self._offers is not None:
            self._offers.add(person_id)

    def take(self, kind: str, message: bytes, now_s: float) -> None:
        """A message of the site on ``sync/<kind>``: garbage, late, twice or what was asked for.

        Raises:
            StorageError: it cannot be written; nothing was changed, and it is asked for again.
        """
        try:
            if kind == "head":
                self._take_head(message, now_s)
            elif kind == "batch":
                self._take_batch(message, now_s)
            elif kind == "chunk":
                self._take_chunk(message, now_s)
        except Unreadable as fault:
            _log.debug("a message on sync/%s is not believed: %s", kind, fault)

    def due_s(self) -> float:
        """When `tick` has something to do; infinity: not by itself."""
        offers_s = float("inf")
        if self._offers is not None and self._heard and self._progress.epoch is not None:
            offers_s = self._offers.due_s()
        return min(self._asking.due_s, offers_s)

    def tick(self, now_s: float) -> None:
        """Ask again where the site has been silent, each time after twice as long.

        Raises:
            StorageError: who is to be offered cannot be read.
        """
        if self._asking.overdue(now_s):
            self._ask(now_s)
        if self._offers is None or not self._heard or now_s < self._offers.due_s():
            return
        message = self._offers.next(now_s, self._progress)
        if message is not None:
            self._send("offer", message)

    @property
    def status(self) -> dict[str, Any]:
        """For ``state``: what is held, what is missing, what is refused."""
        progress, taking = self._progress, self._progress.taking
        head = self._head
        told: dict[str, Any] = {
            "log": progress.log,
            "epoch": progress.epoch,
            "revision": progress.held,
            "behind": behind(head, progress),
        }
        if taking is not None:
            chunks = None
            if head is not None and head.snapshot is not None and head.snapshot.id == taking.id:
                chunks = len(head.snapshot.digests)
            told["snapshot"] = {
                "revision": taking.revision,
                "chunk": taking.next,
                "chunks": chunks,
            }
        if self._refused is not None:
            told["refused"] = self._refused.model_dump()
        if self._offers is not None:
            told["offered"] = len(self._offers)
        return told

    # heads

    def _take_head(self, message: bytes, now_s: float) -> None:
        head = read(Head, self._believed(message))
        if head.aud != self._audience:
            raise Unreadable("a head for another terminal")
        if not supersedes(head, self._head, self._progress):
            self._asking.tell(now_s)
            raise Unreadable("an older head than is known")
        before, self._head = self._head, head
        first, self._heard = not self._heard, True
        if _repaired(before, head):
            self._refused = None
        elif self._refused is not None and not first:
            return  # the same would be refused again; it is asked for when it is time
        if wanted(head, self._progress) is None:
            self._rest(now_s, first=first)
        else:
            if before != head:
                self._asking.moved()
            self._ask(now_s)

    # the log

    def _take_batch(self, message: bytes, now_s: float) -> None:
        line, sealed = split(message)
        batch = read(Batch, self._believed(line))
        if batch.aud != self._audience:
            raise Unreadable("a batch for another terminal")
        head = self._head
        if head is None or (batch.log, batch.epoch) != (head.log, head.epoch):
            raise Unreadable("a batch of another log")
        want = wanted(head, self._progress)
        progress = adopt(head, self._progress)
        if batch.end <= progress.held:
            self._asking.tell(now_s)
            return
        if want is None or want.what != "log" or batch.start > progress.held:
            self._asking.tell(now_s)  # what is asked for stays asked for
            raise Unreadable("a batch that leaves a gap")
        if digest(sealed) != batch.digest:
            raise Unreadable("a batch with another content than was signed")
        try:
            entries = self._open_batch(batch, sealed)
            new = [entry for entry in entries if entry.revision > progress.held]
            for run in runs(new):
                self._apply(run, progress.model_copy(update={"held": run[-1].revision}))
        except BadEntry as fault:
            self._refuse(fault.revision or batch.start + 1, fault.reason, now_s)
        except GalleryError as fault:
            self._refuse(self._progress.held + 1, str(fault), now_s)
        else:
            self._moved(now_s)

    def _open_batch(self, batch: Batch, sealed: bytes) -> list[Entry]:
        bound = purpose("batch", batch.aud, batch.log, batch.epoch, batch.start, batch.end)
        content = self._identity.open_sealed(sealed, bound)
        if content is None:
            raise BadEntry(None, _not_for_us(self._identity))
        entries = read_entries(content)
        expected = range(batch.start + 1, batch.end + 1)
        if [entry.revision for entry in entries] != list(expected):
            raise BadEntry(None, "the batch does not hold every revision that it names, once")
        return entries

    def _apply(self, entries: Sequence[Entry], progress: Progress) -> None:
        """One transaction; of several entries of a person only the last says anything."""
        epoch = progress.epoch
        assert epoch is not None  # noqa: S101  # adopted before
        last = {entry.person_id: entry for entry in entries}.values()
        progress = progress.model_copy(update={"taking": None})
        erased = self._gallery.apply(
            [stored(one, epoch) for one in last if not one.removes],
            [(e.person_id, origin(epoch, e.revision)) for e in last if e.removes],
            {FACT: write_progress(progress)},
        )
        self._took(progress, entries, erased)

    # the snapshot

    def _take_chunk(self, message: bytes, now_s: float) -> None:
        line, sealed = split(message)
        chunk = read_text(Chunk, line)
        head = self._head
        want = wanted(head, self._progress)
        if head is None or head.snapshot is None or want is None or want.what != "chunk":
            raise Unreadable("a chunk that was not asked for")
        if (chunk.snapshot, chunk.chunk) != (head.snapshot.id, want.place):
            raise Unreadable("another chunk than was asked for")
        if chunk.chunk >= len(head.snapshot.digests):
            raise Unreadable("a chunk that the snapshot does not have")
        if digest(sealed) != head.snapshot.digests[chunk.chunk]:
            raise Unreadable("a chunk with another content than the head says")
        self._prefetch(chunk.chunk + 1, now_s)
        try:
            content = open_chunk(self._content_key(head), head.snapshot, chunk.chunk, sealed)
            entries = read_entries(content)
            self._apply_chunk(head, chunk.chunk, entries)
        except BadEntry as fault:
            self._refuse(fault.revision or head.snapshot.revision, fault.reason, now_s)
        except GalleryError as fault:
            self._refuse(head.snapshot.revision, str(fault), now_s)
        else:
            self._moved(now_s)

    def _content_key(self, head: Head) -> bytes:
        assert head.snapshot is not None  # noqa: S101  # a chunk of it is at hand
        if self._key is None or self._key[0] != head.snapshot.id:
            key = open_key(self._identity, head)
            if key is None:
                raise BadEntry(None, _not_for_us(self._identity))
            self._key = head.snapshot.id, key
        return self._key[1]

    def _apply_chunk(self, head: Head, number: int, entries: Sequence[Entry]) -> None:
        assert head.snapshot is not None  # noqa: S101  # the chunk is one of it
        if any(entry.removes or entry.revision > head.snapshot.revision for entry in entries):
            raise BadEntry(None, "a snapshot holds people as of its revision, and no removals")
        progress = take(head, self._progress)
        assert progress.taking is not None  # noqa: S101  # `take` begins one
        taking = progress.taking.model_copy(update={"next": number + 1})
        progress = progress.model_copy(update={"taking": taking})
        erased = self._gallery.apply(
            [stored(entry, head.epoch) for entry in entries],
            [],
            {FACT: write_progress(progress)},
            marker=marker(head),
        )
        self._took(progress, entries, erased)

    def _finish_snapshot(self, head: Head) -> None:
        """All chunks are here: whom they did not name has left the site."""
        assert head.snapshot is not None  # noqa: S101  # its last chunk was taken
        progress = Progress(log=head.log, epoch=head.epoch, held=head.snapshot.revision)
        erased = self._gallery.sweep(marker(head), {FACT: write_progress(progress)})
        self._took(progress, (), erased)
        _log.info("the site's snapshot of revision %d is taken over", progress.held)

    # asking

    def _ask(self, now_s: float) -> None:
        """Ask for what is missing, unless that is asked for already."""
        head = self._head if self._heard else None
        want = wanted(head, self._progress)
        if want is not None and head is not None and _past_the_end(want, head):
            self._finish_snapshot(head)
            want = wanted(head, self._progress)
        if want is None:
            self._rest(now_s, first=True)
        else:
            self._asking.ask(want, now_s)

    def _prefetch(self, number: int, now_s: float) -> None:
        """Ask for the chunk after the one at hand, which then travels while that is written."""
        head = self._head
        if head is not None and head.snapshot and number < len(head.snapshot.digests):
            self._asking.moved()
            self._asking.ask(Want("chunk", number), now_s)

    def _say(self, want: Want | None) -> None:
        head, progress = self._head, self._progress
        chunk = want is not None and want.what == "chunk"
        pull = Pull(
            log=progress.log,
            epoch=progress.epoch,
            held=progress.held,
            want=None if want is None else want.what,
            snapshot=head.snapshot.id if chunk and head and head.snapshot else None,
            chunk=want.place if chunk and want else None,
            sealing=self._identity.sealing_id,
            refused=self._refused,
        )
        self._send("pull", write_text(pull))

    def _rest(self, now_s: float, *, first: bool) -> None:
        """The log is held up to its end: say so once, then be quiet."""
        if self._head is not None:
            self._progress = adopt(self._head, self._progress)
        self._asking.rest(now_s, first=first)

    def _moved(self, now_s: float) -> None:
        self._refused = None
        self._asking.moved()
        self._ask(now_s)

    def _took(self, progress: Progress, entries: Sequence[Entry], erased: list[Erased]) -> None:
        self._progress = progress
        if self._offers is not None:
            self._offers.named(entries)
        if erased:
            self._on_erased(erased)

    def _refuse(self, revision: int, reason: str, now_s: float) -> None:
        """The site sees it in the next pull; the same is asked for again, but not soon."""
        refused = Refused(revision=revision, reason=reason[:400])
        if refused != self._refused:
            _log.error("the site's revision %d is refused: %s", revision, reason)
        self._refused = refused
        self._asking.refuse(now_s)

    def _believed(self, line: bytes) -> Mapping[str, Any]:
        claims = self._verify(line)
        if isinstance(claims, str):
            raise Unreadable(claims)
        return claims


def marker(head: Head) -> str:
    """What everybody bears whom the head's snapshot names."""
    assert head.snapshot is not None  # noqa: S101  # asked only where there is one
    return f"{head.epoch}/{head.snapshot.id}"


def _past_the_end(want: Want, head: Head) -> bool:
    """Whether every chunk of the snapshot was taken."""
    return (
        want.what == "chunk"
        and head.snapshot is not None
        and want.place >= len(head.snapshot.digests)
    )


def _repaired(before: Head | None, head: Head) -> bool:
    """Whether what was refused may be gone from the log, or from its snapshot."""
    if before is None:
        return True
    return (before.epoch, before.oldest, before.snapshot) != (
        head.epoch,
        head.oldest,
        head.snapshot,
    )


def _not_for_us(identity: Identity) -> str:
    return f"it is not sealed to this terminal's key {identity.sealing_id}, or was altered"
