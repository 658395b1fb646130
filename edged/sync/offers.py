"""Who was enrolled at this terminal and is not in the site's log yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.sync.entries import Entry, write_entries
from edged.sync.wire import LARGEST_MESSAGE, Offer, digest, join, purpose, write
from edged.vault.identity import seal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from edged.gallery.sealed import Kept
    from edged.gallery.store import Gallery
    from edged.sync.progress import Progress
    from edged.vault.identity import Identity

TYP = "edged-offer"
LOCAL = "terminal"
"""The source of templates that were taken here; what the site gave bears `FROM_SITE` before it."""
FROM_SITE = "site:"
_SAME = 0.9999
_FIRST_S, _LONGEST_S = 30.0, 3600.0


class Offers:
    """Offers each of them until the log names the person with those templates.

    Nothing of it is kept beside the gallery, where a template's source says that it is local; so
    an erased person leaves no trace here. Used by one thread.
    """

    def __init__(
        self, gallery: Gallery, identity: Identity, audience: str, site_key: X25519PublicKey
    ) -> None:
        self._gallery = gallery
        self._identity = identity
        self._audience = audience
        self._site_key = site_key
        self._pending: dict[str, list[tuple[str, Kept]]] = {}
        self._when_s: dict[str, float] = {}
        self._delay_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def find(self) -> None:
        """Look for everybody with local templates: once, at the start.

        Raises:
            StorageError: the gallery cannot be read.
        """
        for person in self._gallery.people():
            self._add(person.id, person.templates)

    def add(self, person_id: str) -> None:
        """Somebody was enrolled here.

        Raises:
            StorageError: the gallery cannot be read.
        """
        person = self._gallery.person(person_id)
        if person is not None:
            self._add(person_id, person.templates)

    def _add(self, person_id: str, models: Iterable[str]) -> None:
        local = [
            (model, one)
            for model in models
            for one in self._gallery.kept(person_id, model)
            if one.source == LOCAL
        ]
        if local:
            self._pending[person_id] = local
            self.hurry(person_id)

    def hurry(self, person_id: str | None = None) -> None:
        """Offer again at once, one or all: there is a new connection."""
        for who in self._pending if person_id is None else [person_id]:
            self._when_s[who], self._delay_s[who] = 0.0, _FIRST_S

    def named(self, entries: Iterable[Entry]) -> None:
        """The site's log says this now: what it names need not be offered any more."""
        for entry in entries:
            local = self._pending.get(entry.person_id)
            if local is not None and (entry.removes or _holds(entry, local)):
                for table in (self._pending, self._when_s, self._delay_s):
                    table.pop(entry.person_id)

    def due_s(self) -> float:
        """When the next one is to be offered, on the clock of `next`; infinity: never."""
        return min(self._when_s.values(), default=float("inf"))

    def next(self, now_s: float, progress: Progress) -> bytes | None:
        """The next message that is due; None: there is none, or no log that it could go into."""
        if progress.log is None or progress.epoch is None:
            return None
        for person_id, when_s in self._when_s.items():
            if when_s <= now_s:
                delay_s = self._delay_s[person_id]
                self._when_s[person_id] = now_s + delay_s
                self._delay_s[person_id] = min(2 * delay_s, _LONGEST_S)
                return self._message(person_id, progress)
        return None

    def _message(self, person_id: str, progress: Progress) -> bytes | None:
        profile = self._gallery.profile(person_id)
        if profile is None:  # erased here meanwhile
            for table in (self._pending, self._when_s, self._delay_s):
                table.pop(person_id)
            return None
        templates: dict[str, list[Kept]] = {}
        for model, one in self._pending[person_id]:
            templates.setdefault(model, []).append(one)
        content = write_entries([Entry(1, person_id, profile, templates)])
        sealed = seal(content, self._site_key, purpose("offer", self._audience))
        assert progress.log is not None  # noqa: S101  # `next` saw to it
        assert progress.epoch is not None  # noqa: S101  # likewise
        claims = Offer(
            sync="offer",
            iss=self._audience,
            log=progress.log,
            epoch=progress.epoch,
            held=progress.held,
            digest=digest(sealed),
        )
        message = join(self._identity.sign(write(claims), TYP), sealed)
        return message if len(message) <= LARGEST_MESSAGE else None


def _holds(entry: Entry, local: list[tuple[str, Kept]]) -> bool:
    """Whether the entry has all of these templates."""
    templates = entry.templates or {}
    return all(any(same(one, other) for other in templates.get(model, ())) for model, one in local)


def same(one: Kept, other: Kept) -> bool:
    """Whether two templates are one, the rounding of storage aside."""
    a, b = one.embedding, other.embedding
    return len(a) == len(b) and float(np.dot(a, b)) > _SAME
