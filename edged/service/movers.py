"""The gallery's side of a move: who has which templates, one more of them, and all of them gone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from edged.decision.policy import similarity_at
from edged.errors import GalleryError
from edged.events.types import utc_now
from edged.gallery.sealed import Kept
from edged.gallery.vectors import agreement
from edged.service.merge import Roll
from edged.service.moving import ENOUGH, has_moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.gallery.store import Gallery
    from edged.service.merge import Side
    from edged.types import Floats

log = logging.getLogger(__name__)

SOURCE = "moved"
"""Where templates come from that a move made."""

_ONE_PERSON_FMR = 1e-3  # two visits' templates are of one person when they pass this


def roll_call(gallery: Gallery, old: Side, new: Side, before: Roll) -> Roll:
    """Who is in force, and by which network they are matched.

    Args:
        before: the last one: whoever had moved and still has templates is not asked again.

    Raises:
        StorageError: the gallery cannot be read.
    """
    has_old, has_new = old.index.ids(), new.index.ids()
    known = before.moved & has_new
    others = has_new - known
    moved = set(known)
    if others and not before.people:  # the first time: all at once
        counts = {one.id: one.templates.get(new.identity, 0) for one in gallery.people()}
    else:
        counts = {who: len(gallery.kept(who, new.identity)) for who in others}
    moved |= {who for who in others if has_moved(int(who in has_old), counts.get(who, 0))}
    return Roll(frozenset(moved), frozenset(has_old - moved))


def keep(
    gallery: Gallery,
    person_id: str,
    new: Side,
    embedding: Floats,
    quality: float,
    still: Callable[[], bool] = lambda: True,
) -> bool:
    """Give somebody who is enrolled one more template of the next network.

    Where it does not fit those of earlier visits nobody can say which of them are wrong: it
    begins anew with this one. Nobody is enrolled by this who was removed meanwhile.

    Args:
        still: whether the id is still that of who was recognised.

    Returns:
        Whether anything was stored.

    Raises:
        StorageError: nothing was changed.
    """
    revision, kept = gallery.revision, gallery.kept(person_id, new.identity)
    if len(kept) >= ENOUGH or not still():
        return False
    fresh = Kept(embedding, quality, SOURCE, utc_now())
    together = np.stack([*(one.embedding for one in kept), embedding])
    if agreement(together) < similarity_at(_ONE_PERSON_FMR, new.curve):
        kept = []
    try:
        gallery.replace_templates(person_id, new.identity, [*kept, fresh], since=revision)
    except GalleryError as fault:
        log.info("somebody does not move just now: %s", fault)
        return False
    return True


def drop(gallery: Gallery, identity: str, stopped: Callable[[], bool] = lambda: False) -> int:
    """Erase every template of a bundle, of whoever has another's as well; how many people's.

    Raises:
        StorageError: it cannot be done just now; those that are gone are gone.
    """
    number = 0
    for person in gallery.people():
        if stopped():
            break
        if identity in person.templates and len(person.templates) > 1:
            try:
                gallery.replace_templates(person.id, identity, [])
            except GalleryError:  # removed meanwhile
                continue
            number += 1
    return number


def left_behind(gallery: Gallery, identity: str) -> list[str]:
    """Who has no template of a bundle, and would not be found by it."""
    return [person.id for person in gallery.people() if identity not in person.templates]
