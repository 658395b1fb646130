"""The one way into the gallery: for who stands at the terminal, from photos and in bulk."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.errors import EdgedError, EnrolmentRefused, GalleryError, StorageError
from edged.gallery.neighbours import duplicates, keep_lookalikes, new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edged.config import schema
    from edged.decision.policy import Nearness
    from edged.gallery.people import Enrolment
    from edged.gallery.profile import Profile
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it.

    Attributes:
        people: their ids, in the order given.
        templates: how many were handed to the gallery.
        warnings: what the enroller ought to know: JSON objects with a code under ``warning``.
    """

    people: tuple[str, ...]
    templates: int
    warnings: tuple[dict[str, Any], ...] = ()


def enrol(
    gallery: Gallery,
    index: Index,
    enrolments: Sequence[Enrolment],
    *,
    limit: int,
    coherence: float | None,
    profiles: Mapping[str, Profile],
    settings: schema.Gallery,
    nearness: Callable[[int], Nearness],
) -> Enrolled:
    """Put templates into the gallery, all of them or none.

    Args:
        index: of the model that made the templates.
        limit, coherence: see `Gallery.add_many`.
        profiles: what is to be kept of a person from now on, by id; who is not in it keeps theirs.
        nearness: `Policy.nearness`; by it duplicates and lookalikes are found.

    Raises:
        EnrolmentRefused: a rule of the site speaks against it; says which by a code, and about
            whom.
        GalleryError: a person or a template is refused.
        StorageError: nothing was changed.
    """
    people = tuple(dict.fromkeys(one.person_id for one in enrolments))
    for person_id in people:
        check_consent(profiles.get(person_id) or gallery.profile(person_id), settings)
    warnings = _check_duplicates(index, enrolments, settings, nearness)
    gallery.add_many(enrolments, limit=limit, coherence=coherence, profiles=profiles)
    if settings.lookalikes != "off":
        warnings += _guard_lookalikes(gallery, index, people, nearness)
    return Enrolled(people, len(enrolments), tuple(warnings))


def _check_duplicates(
    index: Index,
    enrolments: Sequence[Enrolment],
    settings: schema.Gallery,
    nearness: Callable[[int], Nearness],
) -> list[dict[str, Any]]:
    new = new_rows(enrolments, index.model)
    everybody = len(index) + sum(index.row(person_id) is None for person_id in new)
    found = duplicates(index, new, nearness(everybody).duplicate)
    if found and settings.duplicates == "refuse":
        raise EnrolmentRefused(
            "duplicate",
            "; ".join(
                f"{person_id!r} is enrolled already, as {other.person_id!r} (similarity "
                f"{other.similarity:.2f})"
                for person_id, other in found.items()
            )
            + ": use that id, or set gallery.duplicates to allow for people who really are two",
            {person_id: other.person_id for person_id, other in found.items()},
        )
    return [
        {
            "warning": "duplicate",
            "person_id": person_id,
            "other": other.person_id,
            "similarity": round(other.similarity, 4),
        }
        for person_id, other in found.items()
    ]


def _guard_lookalikes(
    gallery: Gallery, index: Index, people: Sequence[str], nearness: Callable[[int], Nearness]
) -> list[dict[str, Any]]:
    level = nearness(len(index)).lookalike
    try:
        found = keep_lookalikes(gallery, index, people, level)
    except (GalleryError, StorageError) as fault:
        # they are enrolled: to say that it failed would be wrong
        log.warning("lookalikes are not kept: %s", fault)
        return [{"warning": "lookalikes_unknown", "text": str(fault)}]
    return [
        {
            "warning": "lookalikes",
            "person_id": person_id,
            "lookalikes": [
                {"person_id": other, "similarity": round(similarity, 4)}
                for other, similarity in others.items()
            ],
        }
        for person_id, others in found.items()
        if others
    ]


def check_consent(profile: Profile | None, settings: schema.Gallery) -> None:
    """Refuse whom there is no ground to keep, where the site wants one on record.

    Raises:
        EnrolmentRefused: ``consent_missing``.
    """
    if settings.require_consent and (profile is None or profile.consent is None):
        raise EnrolmentRefused(
            "consent_missing",
            "gallery.require_consent is set: give the basis of the consent with the person",
        )


def reason_of(fault: EdgedError) -> str:
    """The code of what `enrol` raised, for programs."""
    if isinstance(fault, EnrolmentRefused):
        return fault.reason
    return "storage" if isinstance(fault, StorageError) else "incoherent"
