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
    nearness: Callable[[int], Nearness] | None = None,
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
    gallery.add_many(enrolments, limit=limit, coherence=coherence, profiles=profiles)
    return Enrolled(people, len(enrolments))


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
