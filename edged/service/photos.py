"""One view of a person out of one photo, and which views of a person belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import NoUsableFace
from edged.gallery.profile import read_profile
from edged.types import Defect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edged.bundle.manifest import Recogniser
    from edged.decision.policy import Policy
    from edged.gallery.people import Person
    from edged.gallery.profile import Profile
    from edged.service.engine import Engine, Extraction
    from edged.types import Floats, Image, Point, Second

    SeeAgain = Callable[[Image, Sequence[Point], Image], Second | None]

SOURCE = "photo"
NOT_THEM = "shows somebody else than the person's other photos"
NOBODY_KNOWS = "the photos show several people, none of them more often than the others"
_MOST_FACES = 5
_RIVAL = 0.5
_SAME_PHOTO = 0.9999
ENOUGH = 2
"""Templates that together say well enough who somebody is."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A photo's template: unit-length float32 (d,), and its quality 0-1; and the same by another
    network, while people move to that."""

    embedding: Floats = field(repr=False)
    quality: float
    second: Second | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a photo gives no template: a code for programs, a text for people."""

    reason: str
    text: str
    quality: float | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """What views must keep: a quality, and the similarities that say whether they agree.

    Attributes:
        quality: the least of each view, 0-1.
        same: from here on a view shows who the others show.
        different: below this it shows somebody else.
    """

    quality: float
    same: float
    different: float


def levels(manifest: Recogniser, policy: Policy) -> Levels:
    """What this bundle and this site ask of an enrolled view."""
    quality = max(manifest.quality.minimum.access, policy.minimum_quality)
    return Levels(quality, policy.floor_same, policy.floor_different)


def look(
    engine: Engine, image: Image, floor: float, again: SeeAgain = lambda *_: None
) -> View | Refused:
    """The template of the one person whom a photo is about.

    Faces count by their size and by how clearly the network sees one there: the folds of a
    dress that the detector takes for a large face are none, and passers-by are small. Where a
    second face comes near the first, nobody can know whom the photo is about.

    Args:
        image: BGR uint8 (h, w, 3).
        floor: the least quality, 0-1.
        again: what another network makes of the view.

    Raises:
        RuntimeFault: an inference runtime failed.
    """
    try:
        found = engine.extract_each(image, _MOST_FACES)
    except NoUsableFace as fault:
        return Refused("no_face", str(fault))
    best, *others = sorted(found, key=_prominence, reverse=True)
    quality = best.embedded.quality
    if quality < floor:
        why = [defect for defect in best.defects if defect is not Defect.SEVERAL_FACES]
        return Refused(
            "low_quality",
            f"quality {quality:.2f} is below {floor:.2f} ({', '.join(why) or 'unclear view'}); "
            "use a sharper, frontal, well-lit photo",
            quality,
        )
    if others and _prominence(others[0]) > _RIVAL * _prominence(best):
        return Refused("several_faces", "several faces; crop the photo to the one person", quality)
    second = again(image, best.face.landmarks, best.chip)
    return View(best.embedded.embedding, quality, second)


def _prominence(one: Extraction) -> float:
    return one.face.box.area * one.embedded.quality


def sort_out(
    views: Sequence[View], stored: Sequence[Floats], asked: Levels
) -> tuple[list[int], list[int]]:
    """Which of a person's views are to be enrolled, and which do not show them.

    Args:
        stored: the templates that are kept of them.

    Returns:
        Places in `views`, ascending: new ones of the person, and odd ones. The others are known:
        photos that are given again must not oust other ones.
    """
    known, new = list(stored), []
    for place, view in enumerate(views):
        if max((float(view.embedding @ other) for other in known), default=0.0) < _SAME_PHOTO:
            known.append(view.embedding)
            new.append(place)
    if not new:
        return [], []
    rows = np.stack([views[place].embedding for place in new])
    chosen = coherent(rows, np.stack(stored) if len(stored) else rows[:0], asked)
    return [new[i] for i in chosen], [place for i, place in enumerate(new) if i not in chosen]


def coherent(views: Floats, stored: Floats, asked: Levels) -> list[int]:
    """Which views show the same person: the largest set of them that agrees.

    A set grows from one view, or from what is stored of the person, by whichever view is most
    similar to all in it fused, down to the level at which two views are surely of one person.
    Only where that leaves all of them alone, the lower level decides at which they are not
    surely of two.

    Args:
        views: unit-length float32 (n, d), the new ones.
        stored: unit-length float32 (m, d), kept of the person already; they are believed.

    Returns:
        Places in `views`, ascending; empty where no set is larger than all others: two photos
        of two people do not say whose folder it is.
    """
    grown = _largest(views, stored, asked.same)
    if not grown and len(stored) < ENOUGH:
        grown = _largest(views, stored, asked.different)
    return sorted(grown)


def _largest(views: Floats, stored: Floats, level: float) -> list[int]:
    rows = np.concatenate([stored, views]).astype(np.float64)
    alike = rows @ rows.T
    kept, places = list(range(len(stored))), range(len(stored), len(rows))
    if kept:
        return [place - len(kept) for place in _grow(alike, kept, places, level)]
    best = max((_grow(alike, [seed], places, level) for seed in places), key=len, default=[])
    rest = [place for place in places if place not in best]
    second = max((len(_grow(alike, [seed], rest, level)) for seed in rest), default=0)
    return best if len(best) > second else []


def _grow(alike: Any, start: list[int], places: Iterable[int], level: float) -> list[int]:
    """All of `places` that belong to a set, which is grown one by one; `alike` holds the cosine
    of each two."""
    inside = list(start)
    left = [place for place in places if place not in inside]
    while left:
        length = np.sqrt(max(alike[np.ix_(inside, inside)].sum(), 1e-12))
        similarity = alike[np.ix_(left, inside)].sum(axis=1) / length
        nearest = int(np.argmax(similarity))
        if not similarity[nearest] >= level:
            break
        inside.append(left.pop(nearest))
    return [place for place in inside if place in set(places)]


def merged_profile(person: Person | None, given: Mapping[str, Any]) -> Profile | None:
    """What is known of a person with what is given now put over it; None: nothing is given.

    Raises:
        GalleryError: what is given makes no profile.
    """
    if not given:
        return None
    known = {} if person is None else person.profile.model_dump(exclude_none=True)
    return read_profile({**known, **given})
