"""Who in the gallery resembles whom: before somebody is enrolled, and from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.gallery.vectors import fused
from edged.types import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edged.gallery.people import Enrolment
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.types import Floats

MOST = 10
"""Lookalikes that are kept of one person: a face like everybody's must not mark everybody."""


def new_rows(enrolments: Iterable[Enrolment], model: str) -> dict[str, Floats]:
    """The new templates of each person of one model, fused: float32 (d,) of length 1.

    People whose templates cancel out, or differ in size, are left to the gallery, which refuses
    them.
    """
    views: dict[str, list[Floats]] = {}
    for one in enrolments:
        if one.model == model:
            views.setdefault(one.person_id, []).append(one.embedding)
    rows = {}
    for person_id, some in views.items():
        if len({len(view) for view in some}) == 1:
            row, usable = fused(np.stack(some).sum(axis=0, keepdims=True), len(some))
            if usable[0]:
                rows[person_id] = row[0]
    return rows


def duplicates(index: Index, new: Mapping[str, Floats], level: float) -> dict[str, Candidate]:
    """Who among the new is somebody else already.

    Somebody who is here under their own id, and is more similar to that, is not.

    Args:
        index: of the new templates' model.
        new: the fused templates of each, unit-length float32 (d,).
        level: the similarity from which two ids are taken for one person.

    Returns:
        By new id whom they are taken for: somebody of the gallery, or before them in `new`.

    Raises:
        GalleryError: a row is no embedding of the index's size.
    """
    found = {}
    before: list[str] = []
    rows = np.empty((len(new), index.size), np.float32)
    for person_id, row in new.items():
        others, own = _others(index, person_id, row, 1)
        if before:
            similarity = rows[: len(before)] @ row
            place = int(np.argmax(similarity))
            others.append(Candidate(before[place], float(similarity[place])))
        best = max(others, key=lambda one: one.similarity, default=None)
        if best is not None and best.similarity >= level and not best.similarity <= own:
            found[person_id] = best
        rows[len(before)] = row
        before.append(person_id)
    return found


def lookalikes(index: Index, people: Iterable[str], level: float) -> dict[str, dict[str, float]]:
    """Whom each of these people of the index resembles at or above a level, the most similar
    first, at most `MOST`."""
    found = {}
    for person_id in people:
        known = index.row(person_id)
        others = [] if known is None else _others(index, person_id, known[1], MOST)[0]
        found[person_id] = {
            one.person_id: one.similarity for one in others if one.similarity >= level
        }
    return found


def keep_lookalikes(
    gallery: Gallery, index: Index, people: Iterable[str], level: float
) -> dict[str, dict[str, float]]:
    """Find these people's lookalikes and keep them in the gallery, which marks both; what was
    known of these people before is forgotten.

    To be called when their templates have changed.

    Raises:
        GalleryError: somebody was removed meanwhile.
        DiskFull, StorageError: some of them may not be kept.
    """
    found = lookalikes(index, people, level)
    known = {person_id for pair in gallery.lookalikes() for person_id in pair}
    told = {who: others for who, others in found.items() if others or who in known}
    if told:
        gallery.set_lookalikes(told)
    return found


def catch_up(gallery: Gallery, index: Index, level: float) -> bool:
    """Find the lookalikes of who came or changed in one revision that nobody looked at yet.

    For people who come by other ways than an enrolment: the site's log, a backup. How far it got
    is kept in the gallery.

    Returns:
        Whether there may be more to do.

    Raises:
        GalleryError: somebody was removed meanwhile; do it again.
        DiskFull, StorageError: nothing was kept.
    """
    name = f"lookalikes {index.model}"
    changed = gallery.changed_after(int(gallery.fact(name) or 0))
    if changed is None:
        return False
    revision, people = changed
    gallery.set_lookalikes(lookalikes(index, people, level), {name: str(revision)})
    return True


def _others(
    index: Index, person_id: str, row: Floats, number: int
) -> tuple[list[Candidate], float]:
    """The nearest of everybody else, most similar first, and how similar their own row is; -1
    without one."""
    near = index.search(row, number + 1).candidates
    others = [one for one in near if one.person_id != person_id][:number]
    known = index.row(person_id)
    return others, -1.0 if known is None else float(known[1] @ row)
