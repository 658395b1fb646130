"""What the site may order about people who are enrolled: the handlers of its commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edged.errors import EnrolmentRefused, GalleryError
from edged.gallery.people import check_id
from edged.gallery.profile import amended, written
from edged.mqtt.catalogue import Reply
from edged.service.enrolling import check_consent

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config import schema
    from edged.gallery.profile import Profile
    from edged.gallery.store import Gallery
    from edged.mqtt.catalogue import Context, Handler, RemovePerson, SetPerson
    from edged.service.lifecycle import Lifecycle

_NOBODY = Reply("refused", "not_enrolled", "nobody is enrolled as this")


class PeopleOrders:
    """Called by `edged.mqtt.commands`, in its thread, with what it has judged."""

    def __init__(
        self,
        settings: schema.Gallery,
        gallery: Gallery,
        lifecycle: Lifecycle,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._gallery = gallery
        self._lifecycle = lifecycle
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"gallery.remove": self._remove, "gallery.set": self._set}

    def _remove(self, args: RemovePerson, _context: Context) -> Reply:
        try:
            erased = self._gallery.remove(args.person_id)
        except GalleryError as fault:
            return _refused(fault)
        if erased is None:
            return _NOBODY
        data = {
            "person_id": erased.person_id,
            "at": erased.at,
            "templates": erased.templates,
            "receipt": self._lifecycle.receipt(erased),
        }
        return Reply(text="erased", data=data)

    def _set(self, args: SetPerson, _context: Context) -> Reply:
        try:
            check_id(args.person_id)
            if self._gallery.profile(args.person_id) is None:
                return _NOBODY
            profile = change_person(self._gallery, self._settings, args.person_id, args.changes)
        except GalleryError as fault:
            return _refused(fault)
        told = told_profile(profile, self._settings.retention_days, self._clock())
        told["profile"].pop("name", None)  # names do not travel unless the installer says so
        return Reply(data=told)


def change_person(
    gallery: Gallery, settings: schema.Gallery, person_id: str, changes: dict[str, Any]
) -> Profile:
    """Replace some of what is known of a person; None clears a value.

    Raises:
        GalleryError: nobody is enrolled as this, or what would come of it is refused.
    """

    def change(profile: Profile) -> Profile:
        changed = amended(profile, changes)
        check_consent(changed, settings)
        return changed

    return gallery.change_profile(person_id, change)


def told_profile(profile: Profile, retention_days: int, now_s: float) -> dict[str, Any]:
    """A profile for others to read, and what follows from it at a moment."""
    return {
        "profile": profile.told(),
        "in_force": profile.in_force(now_s),
        "erase_at": written(profile.erase_at(retention_days)),
    }


def _refused(fault: GalleryError) -> Reply:
    reason = fault.reason if isinstance(fault, EnrolmentRefused) else "bad_args"
    return Reply("refused", reason, str(fault))
