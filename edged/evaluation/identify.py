"""The door's search: people of a gallery at the terminal, and strangers.

Open-set identification (ISO/IEC 19795-1): from a folder of people some are enrolled, everybody's
other photos are searched, one photo a presentation. Thresholds and minimum quality are the
door's own, by profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.config.schema import Decision
from edged.decision.policy import FPIR
from edged.evaluation.comparisons import unit
from edged.gallery.vectors import fused
from edged.service.policy import make_policy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.bundle.manifest import Recogniser
    from edged.evaluation.rates import Draws, Rate
    from edged.evaluation.scores import Measured
    from edged.types import Floats

    Ints = NDArray[np.int64]

_BLOCK = 1024
_CURVE_POINTS = 60


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of the door at one gallery size.

    Attributes:
        asked_fpir: what the policy tolerates.
        threshold: what it derives from that.
        fpir: strangers who were taken for somebody, of those whose view was good enough.
        fnir: enrolled people who were not let in as themselves, likewise; ``mistaken`` of them
            were taken for another person.
        retaken_strangers, retaken_mates: views that were asked to be repeated instead.
    """

    name: str
    asked_fpir: float
    threshold: float
    minimum_quality: float
    fpir: Rate
    fnir: Rate
    mistaken: int
    retaken_strangers: Rate
    retaken_mates: Rate


@dataclass(frozen=True, slots=True)
class Identification:
    """One gallery size: who was enrolled, who was searched, and what came out."""

    gallery: int
    enrolled_photos: int
    not_enrolled: int
    mates: int
    strangers: int
    rank_one: Rate
    profiles: list[Profile]
    curve: list[dict[str, float]]


@dataclass(frozen=True)
class _Search:
    """Best candidates of probes: their similarity, whether it is the right person, and so on."""

    similarity: Floats
    right: NDArray[np.bool_]
    quality: Floats
    people: Ints


def identify(
    views: Measured,
    several: NDArray[np.bool_],
    manifest: Recogniser,
    size: int,
    photos: int,
    draws: Draws,
    seed: int,
) -> Identification | None:
    """Enrol `size` people and search all other photos of everybody.

    A person's first `photos` photos that `edged enrol` would take (quality, one face) are
    enrolled. Who has none of those fails to enrol, and is counted.

    Returns:
        None when there are not so many people with a photo to enrol and one to search.
    """
    rng = np.random.default_rng([seed, size])
    counts = np.bincount(views.people)
    willing = rng.permutation(np.flatnonzero(counts > photos))
    fit = (views.quality >= manifest.quality.minimum.access) & ~several
    enrolled: dict[int, Ints] = {}
    refused = 0
    for person in willing:
        if len(enrolled) == size:
            break
        taken = np.flatnonzero((views.people == person) & fit)[:photos]
        if len(taken):
            enrolled[int(person)] = taken
        else:
            refused += 1
    strangers = np.flatnonzero(~np.isin(views.people, list(enrolled)))
    if len(enrolled) < size or not len(strangers):
        return None
    faces = unit(views.embeddings)
    total = np.stack([faces[rows].sum(0) for rows in enrolled.values()])
    gallery, _ = fused(total, np.array([len(rows) for rows in enrolled.values()]))
    owners = np.array(list(enrolled))
    used = np.concatenate(list(enrolled.values()))
    own = np.isin(views.people, owners)
    own[used] = False
    mate = _search(views, faces, np.flatnonzero(own), gallery, owners)
    stranger = _search(views, faces, strangers, gallery, owners)
    profiles = [_profile(name, manifest, size, mate, stranger, draws) for name in FPIR]
    first = draws.share(mate.right, mate.people)
    curve = _curve(mate, stranger)
    return Identification(
        size, photos, refused, len(mate.people), len(strangers), first, profiles, curve
    )


def _search(views: Measured, faces: Floats, rows: Ints, gallery: Floats, owners: Ints) -> _Search:
    best = np.empty(len(rows), np.float32)
    who = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        found = faces[block] @ gallery.T
        at = found.argmax(1)
        best[start : start + _BLOCK] = found[np.arange(len(block)), at]
        who[start : start + _BLOCK] = owners[at]
    people = views.people[rows]
    return _Search(best, who == people, views.quality[rows], people)


def _profile(
    name: str,
    manifest: Recogniser,
    size: int,
    mate: _Search,
    stranger: _Search,
    draws: Draws,
) -> Profile:
    policy = make_policy(Decision.model_validate({"profile": name}), manifest)
    threshold = policy.thresholds(size).grant
    least = policy.minimum_quality
    good, fair = mate.quality >= least, stranger.quality >= least
    granted = mate.similarity >= threshold
    taken = stranger.similarity[fair] >= threshold
    missed = ~(granted & mate.right)[good]
    return Profile(
        name,
        policy.fpir,
        round(threshold, 4),
        least,
        draws.share(taken, stranger.people[fair]),
        draws.share(missed, mate.people[good]),
        int((granted & ~mate.right)[good].sum()),
        draws.share(~fair, stranger.people),
        draws.share(~good, mate.people),
    )


def _curve(mate: _Search, stranger: _Search) -> list[dict[str, float]]:
    """FNIR against FPIR over all thresholds, without any minimum quality."""
    strange = np.sort(stranger.similarity)[::-1]
    own = np.sort(np.where(mate.right, mate.similarity, -1))
    if not len(own):
        return []
    places = np.unique(np.geomspace(1, len(strange), _CURVE_POINTS).astype(int)) - 1
    return [
        {
            "similarity": round(float(strange[at]), 4),
            "fpir": (at + 1) / len(strange),
            "fnir": float(np.searchsorted(own, strange[at]) / len(own)),
        }
        for at in places.tolist()
    ]
