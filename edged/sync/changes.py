"""The entries of a log as changes of the gallery."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edged.gallery.people import Stored
from edged.sync.offers import FROM_SITE
from edged.sync.progress import origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.gallery.sealed import Kept
    from edged.sync.entries import Entry


def stored(entry: Entry, epoch: int) -> Stored:
    """An entry as the gallery takes it."""
    templates = {
        model: [_from_site(one) for one in some] for model, some in (entry.templates or {}).items()
    }
    created = min(one.created for some in templates.values() for one in some)
    at = origin(epoch, entry.revision)
    return Stored(entry.person_id, entry.profile, templates, created, at)


def runs(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries in as few transactions as keep every removal: who comes back after one gets a key
    of their own."""
    found: list[list[Entry]] = []
    removed: set[str] = set()
    for entry in entries:
        if not found or (entry.person_id in removed and not entry.removes):
            found.append([])
            removed.clear()
        found[-1].append(entry)
        if entry.removes:
            removed.add(entry.person_id)
    return found


def _from_site(one: Kept) -> Kept:
    return replace(one, source=FROM_SITE + one.source)
