"""The site's side: a log of who is enrolled, and what it answers its terminals.

Small, whole and without a network: a site with a directory of its own may do the same in its own
words.
"""

from __future__ import annotations

import base64
import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag

from edged.errors import GalleryError
from edged.gallery.choose import best_templates
from edged.sync.entries import BadEntry, Entry, read_entries
from edged.sync.journal import PEOPLE_A_CHUNK, Journal
from edged.sync.offers import TYP as OFFER
from edged.sync.offers import same
from edged.sync.snapshot import key_purpose
from edged.sync.wire import (
    Batch,
    Chunk,
    Head,
    Offer,
    Pull,
    Snapshot,
    Unreadable,
    digest,
    join,
    purpose,
    read,
    read_text,
    split,
    write,
    write_text,
)
from edged.vault.identity import SUITE, key_id, read_signed, seal, sealing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from edged.gallery.profile import Profile
    from edged.gallery.sealed import Kept
    from edged.vault.secret import Secret

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Follows:
    """A terminal that may follow, by the keys that ``edged gallery identity`` prints there."""

    sealing_public: str
    signing_public: str


class SiteLog:
    """The site's gallery as a revisioned log. Any thread may call.

    Args:
        path: its encrypted file; made if it is missing.
        key: opens it.
        site: the site's name, the first part of a terminal's audience.
        sign: a compact JWS (EdDSA) of some claims, with a key that the terminals know with the
            role enroller.
        terminals: who may follow, by the terminal's name.
        opens_offers: the private key of ``mqtt.sync.site_key``; None: offers are not taken.
        limit: templates of one model that a person has after an offer.
    """

    def __init__(
        self,
        path: Path,
        key: Secret,
        site: str,
        sign: Callable[[Mapping[str, Any]], str],
        terminals: Mapping[str, Follows],
        *,
        opens_offers: X25519PrivateKey | None = None,
        limit: int = 5,
    ) -> None:
        self.journal = Journal(path, key)
        self._lock = threading.RLock()
        self._site = site
        self._sign = sign
        self._opens_offers = opens_offers
        self._limit = limit
        self._sealing = {name: sealing_key(t.sealing_public) for name, t in terminals.items()}
        self._signing = {name: t.signing_public for name, t in terminals.items()}

    @property
    def terminals(self) -> list[str]:
        """Who may follow."""
        return list(self._sealing)

    @property
    def revision(self) -> int:
        """The newest; 0 before the first."""
        return self.journal.revision

    def open(self) -> None:
        """Open the file, or begin a log; errors as `Database.open`."""
        self.journal.open()

    def close(self) -> None:
        """Close the file; safe twice."""
        self.journal.close()

    # what the site says

    def upsert(
        self, person_id: str, templates: Mapping[str, Sequence[Kept]], profile: Profile
    ) -> int:
        """Enrol a person, or replace all that is known of one; the revision that it makes.

        Raises:
            GalleryError: a terminal would refuse it.
        """
        return self.append([Entry(0, person_id, profile, templates)])

    def remove(self, person_id: str) -> int:
        """Have a person erased everywhere; the revision that it makes.

        Raises:
            GalleryError: this can be no person's id.
        """
        return self.append([Entry(0, person_id)])

    def append(self, entries: Sequence[Entry]) -> int:
        """Add entries, all or none, numbered in their order; the last revision.

        Raises:
            GalleryError: one of them would be refused by a terminal; which, and why.
        """
        with self._lock:
            return self.journal.append(entries)

    def make_snapshot(self, people_a_chunk: int = PEOPLE_A_CHUNK) -> None:
        """Everybody as of now, for terminals that were away for long."""
        with self._lock:
            self.journal.make_snapshot(people_a_chunk)

    def compact(self, keep: int = 10_000) -> None:
        """Make a snapshot and forget all but the newest `keep` revisions of the log."""
        with self._lock:
            self.journal.compact(keep)

    def renew(self) -> None:
        """Begin the next epoch: after the file was restored from a backup, whose revisions the
        terminals are ahead of. They take a snapshot."""
        with self._lock:
            self.journal.renew()

    # what terminals are told

    def head(self, terminal: str) -> bytes:
        """The head for a terminal, to be published retained."""
        with self._lock:
            journal = self.journal
            head = Head(
                sync="head",
                aud=self._aud(terminal),
                log=journal.log,
                epoch=journal.epoch,
                revision=journal.revision,
                oldest=journal.oldest,
                snapshot=self._snapshot(terminal),
            )
        return self._sign(write(head)).encode("ascii")

    def _snapshot(self, terminal: str) -> Snapshot | None:
        made, journal = self.journal.made, self.journal
        if made is None:
            return None
        bound = key_purpose(self._aud(terminal), journal.log, journal.epoch, made.id)
        wrapped = seal(made.key, self._sealing[terminal], bound)
        key = base64.b64encode(wrapped).decode("ascii")
        return Snapshot(id=made.id, revision=made.revision, digests=made.digests, key=key)

    def answer(self, terminal: str, message: bytes) -> tuple[str, bytes] | None:
        """What a terminal's pull is answered with: the kind of message and the message.

        Whoever sent it: only the terminal whose key is known here can open the answer.
        """
        if terminal not in self._sealing:
            return None
        try:
            pull = read_text(Pull, message)
        except Unreadable as fault:
            _log.warning("%s: a pull that cannot be read: %s", terminal, fault)
            return None
        if pull.refused is not None:
            _log.error(
                "%s refuses revision %d: %s", terminal, pull.refused.revision, pull.refused.reason
            )
        if pull.want is None:
            return None
        if pull.sealing != key_id(self._sealing[terminal]):
            _log.error("%s has another key than is known here; see its identity", terminal)
            return None
        with self._lock:
            return self._answer(terminal, pull)

    def _answer(self, terminal: str, pull: Pull) -> tuple[str, bytes]:
        journal = self.journal
        if pull.want == "snapshot":
            journal.make_snapshot()
        elif pull.want == "chunk" and journal.made and journal.made.id == pull.snapshot:
            number = pull.chunk or 0
            sealed = journal.chunk(number)
            if sealed is not None:
                return "chunk", join(
                    write_text(Chunk(snapshot=journal.made.id, chunk=number)), sealed
                )
        elif pull.want == "log" and pull.epoch in (None, journal.epoch):
            content, count = journal.after(pull.held)
            if count and pull.held >= journal.oldest - 1:
                end = pull.held + count
                return "batch", self.batch_of(terminal, pull.held, end, content)
        return "head", self.head(terminal)

    def batch_of(self, terminal: str, start: int, end: int, content: bytes) -> bytes:
        """A signed batch of this content, sealed to the terminal: revisions after `start`, up to
        and with `end`."""
        aud, log, epoch = self._aud(terminal), self.journal.log, self.journal.epoch
        bound = purpose("batch", aud, log, epoch, start, end)
        sealed = seal(content, self._sealing[terminal], bound)
        claims = {"sync": "batch", "aud": aud, "log": log, "epoch": epoch}
        claims |= {"from": start, "to": end, "digest": digest(sealed)}
        return join(self._sign(write(read(Batch, claims))), sealed)

    # what terminals offer

    def take_offer(self, terminal: str, message: bytes) -> int | None:
        """Somebody who was enrolled at a terminal; the revision that it makes.

        None where it changes nothing, as the log has these templates already, or where it is not
        to be believed; a warning says why.
        """
        try:
            with self._lock:
                merged = self._merged(*self._open_offer(terminal, message))
                return None if merged is None else self.append([merged])
        except (Unreadable, BadEntry, GalleryError) as fault:
            _log.warning("%s: an offer is not taken: %s", terminal, fault)
            return None

    def _open_offer(self, terminal: str, message: bytes) -> tuple[Entry, int]:
        """Who is offered, and up to which revision the terminal held the log then."""
        if self._opens_offers is None or terminal not in self._signing:
            raise Unreadable("none are taken from it")
        line, sealed = split(message)
        claims = read_signed(line.decode("ascii", "replace"), self._signing[terminal], OFFER)
        if claims is None:
            raise Unreadable("it is not signed by this terminal")
        offer = read(Offer, claims)
        if offer.iss != self._aud(terminal) or digest(sealed) != offer.digest:
            raise Unreadable("it is another terminal's, or altered")
        if (offer.log, offer.epoch) != (self.journal.log, self.journal.epoch):
            raise Unreadable("it was made for another log")
        if not self.journal.oldest - 1 <= offer.held <= self.revision:
            raise Unreadable("it is too old to be told from one that is sent again")
        try:
            content = SUITE.decrypt(sealed, self._opens_offers, purpose("offer", offer.iss))
        except (InvalidTag, ValueError):
            raise Unreadable("it is not sealed to this site") from None
        entries = read_entries(content)
        if len(entries) != 1 or entries[0].removes:
            raise Unreadable("it offers nobody")
        return entries[0], offer.held

    def _merged(self, offered: Entry, held: int) -> Entry | None:
        """What is known of the person with what is offered; None: that is known already.

        Raises:
            Unreadable: the log says something newer of the person than the terminal held.
        """
        known = self.journal.person(offered.person_id)
        merged = {} if known is None else _lists(known)
        for model, some in _lists(offered).items():
            old = merged.get(model, [])
            new = [one for one in some if not any(same(one, other) for other in old)]
            if new:
                # those just taken stay: the terminal offers them until the log names them
                room = max(0, self._limit - len(new))
                merged[model] = [*(old[i] for i in best_templates(old, room) if room), *new]
        if known is not None and merged == known.templates:
            return None
        if self.journal.changed_since(offered.person_id, held):
            raise Unreadable("the log says something newer of the person")
        return replace(known or offered, templates=merged)

    def _aud(self, terminal: str) -> str:
        return f"{self._site}/{terminal}"


def _lists(entry: Entry) -> dict[str, list[Kept]]:
    return {model: list(some) for model, some in (entry.templates or {}).items()}
