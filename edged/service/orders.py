"""What the site may order: the handlers of its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.errors import DoorError, EnrolmentRefused, GalleryError
from edged.gallery.profile import read_profile
from edged.mqtt.catalogue import Reply
from edged.service.guided import EnrolmentRequest, how_to_ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.schema import Config
    from edged.mqtt.catalogue import CancelEnrolment, Context, Handler, StartEnrolment, Unlock
    from edged.service.door_mode import DoorMode
    from edged.service.journal import Journal
    from edged.service.photo_desk import PhotoDesk
    from edged.service.terminal import Terminal


class Orders:
    """Called by `edged.mqtt.commands`, in its thread, with what it has judged.

    Args:
        tell_relay: publishes how the relay stands.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        mode: DoorMode,
        terminal: Terminal,
        photos: PhotoDesk,
        tell_relay: Callable[[], None],
    ) -> None:
        self._config = config
        self._journal = journal
        self._mode = mode
        self._terminal = terminal
        self._photos = photos
        self._tell_relay = tell_relay

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {
            "door.unlock": self._unlock,
            **self._mode.handlers(),
            "enrol.start": self._start_enrolment,
            "enrol.cancel": self._cancel_enrolment,
            "enrol.photo": self._photos.enrol,
        }

    def _unlock(self, args: Unlock, context: Context) -> Reply:
        if (refusal := self._mode.refusal()) is not None:
            return refusal
        event = self._journal.record(
            "door.unlocked", command=context.id, key=context.key_id, cause=args.cause
        )
        if event is None and self._config.events.on_write_failure == "deny":
            return Reply("failed", "not_recorded", "the event cannot be recorded; see state")
        try:
            self._mode.pulse("ordered", args.duration_s)
        except DoorError as fault:
            self._journal.record("door.fault", reason=str(fault), command=context.id)
            raise
        self._tell_relay()
        return Reply()

    def _start_enrolment(self, args: StartEnrolment, context: Context) -> Reply:
        gallery = self._config.gallery
        asked = how_to_ask(gallery.enrolment_confirm)
        try:
            request = EnrolmentRequest(
                person_id=args.person_id,
                views=args.views or gallery.enrolment_views,
                timeout_s=args.timeout_s or gallery.enrolment_timeout_s,
                command_id=context.id,
                profile=read_profile(args.profile),
                asked=asked,
            )
            self._terminal.enrolling.begin(request)
        except EnrolmentRefused as fault:
            return Reply("refused", fault.reason, str(fault))
        except GalleryError as fault:
            return Reply("refused", "bad_profile", str(fault))
        # a terminal without a screen asks by the enroller's mouth
        data = {"confirm": "none" if asked is None else asked.value}
        return Reply(text="waiting for the person", data=data)

    def _cancel_enrolment(self, args: CancelEnrolment, _context: Context) -> Reply:
        if not self._terminal.enrolling.cancel(args.person_id):
            return Reply("refused", "no_enrolment", "no such enrolment is under way")
        return Reply(text="it ends with the next image")
