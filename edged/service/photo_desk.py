"""``enrol.photo``: somebody enrolled by the site, from one photo that is never stored."""

from __future__ import annotations

import base64
import logging
import queue
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edged.camera.images import decode_image
from edged.errors import EnrolmentRefused, GalleryError, ImageError, RuntimeFault, StorageError
from edged.gallery.people import Enrolment
from edged.mqtt.catalogue import Reply
from edged.service.enrolling import Enrolled, enrol, reason_of
from edged.service.guided import agreed
from edged.service.photos import (
    NOT_THEM,
    SOURCE,
    Refused,
    View,
    levels,
    look,
    merged_profile,
    sort_out,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.mqtt.catalogue import Context, EnrolPhoto
    from edged.service.engine import Engine
    from edged.service.journal import Journal
    from edged.service.photos import SeeAgain
    from edged.types import Image, Second

log = logging.getLogger(__name__)

_MOST_BYTES = 45_000
_MOST_PX = 4_000_000
_KINDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_PATIENCE_S = 4.5  # the reply is promised within 5


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    image: Image = field(repr=False)
    answer: Future[View | Refused]


class PhotoDesk:
    """Photos that come as commands: `enrol` is called in the commands' thread, `serve` in the
    vision thread, since the networks are not for two threads.

    Args:
        again: what the next network makes of a view, while people move to it.
        twin: what is stored of a view then.
        patience_s: how long the vision thread may take.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        policy: Policy,
        *,
        gallery: Gallery,
        index: Index,
        journal: Journal,
        again: SeeAgain = lambda *_: None,
        twin: Callable[[Enrolment, Second | None], list[Enrolment]] = lambda one, _: [one],
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._settings = config.gallery
        self._engine = engine
        self._identity = engine.identity
        self._nearness = policy.nearness
        self._levels = levels(engine.manifest, policy)
        self._gallery = gallery
        self._index = index
        self._journal = journal
        self._again = again
        self._twin = twin
        self._patience_s = patience_s
        self._waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()

    def serve(self) -> None:
        """Between two frames: look at the photo that waits, if there is one.

        Raises:
            RuntimeFault: an inference runtime failed; whoever waits was told.
        """
        try:
            job = self._waiting.get_nowait()
        except queue.Empty:
            return
        if not job.answer.set_running_or_notify_cancel():
            return
        try:
            found = look(self._engine, job.image, self._levels.quality, self._again)
        except BaseException as fault:
            job.answer.set_exception(fault)
            raise
        job.answer.set_result(found)

    def enrol(self, args: EnrolPhoto, context: Context) -> Reply:
        """Handle the command; the event is on the record before the reply."""
        told: dict[str, Any] = {"person_id": args.person_id, "command": context.id}
        try:
            view = self._seen(_decoded(args.image))
            known, enrolled = self._store(args, view)
        except EnrolmentRefused as fault:
            about = fault.people.get(args.person_id)
            return self._fail(
                told if about is None else {**told, "other": about}, "refused", fault.reason, fault
            )
        except (GalleryError, StorageError) as fault:
            return self._fail(told, "failed", reason_of(fault), fault)
        except RuntimeFault as fault:
            return self._fail(told, "failed", "runtime", fault)
        done = {
            "views": 0 if known else 1,
            "known": 1 if known else 0,
            "quality": round(view.quality, 3),
            "warnings": list(enrolled.warnings),
        }
        self._journal.record("enrol.completed", **told, **done, confirmed="none", source=SOURCE)
        log.info("enrolment from a photo completed")
        return Reply(
            text="the photo is known already" if known else "enrolled",
            data={"person_id": args.person_id, **done},
        )

    def _fail(self, told: dict[str, Any], result: Any, reason: str, fault: Exception) -> Reply:
        self._journal.record("enrol.failed", **told, reason=reason, text=str(fault), source=SOURCE)
        log.info("enrolment from a photo failed: %s", reason)  # the text may name people
        data: dict[str, Any] = {name: told[name] for name in ("person_id", "other") if name in told}
        return Reply(result, reason, str(fault), data)

    def _seen(self, image: Image) -> View:
        job = _Job(image, Future())
        self._waiting.put(job)
        try:
            found = job.answer.result(self._patience_s)
        except (TimeoutError, CancelledError) as fault:
            # too late also for one that is just being looked at: nothing is stored of it
            job.answer.cancel()
            raise EnrolmentRefused(
                "busy", "the terminal could not look at it in time; send it again"
            ) from fault
        if isinstance(found, Refused):
            raise EnrolmentRefused(found.reason, found.text)
        return found

    def _store(self, args: EnrolPhoto, view: View) -> tuple[bool, Enrolled]:
        """Whether the photo is known already, and what came of it."""
        who = args.person_id
        person = self._gallery.person(who)
        given = {name: value for name, value in args.profile.items() if value != []}
        try:
            profile = merged_profile(person, given)
        except GalleryError as fault:
            raise EnrolmentRefused("bad_profile", str(fault)) from fault
        if profile is not None and "consent" in given:
            profile = agreed(profile, "none")
        stored = self._gallery.templates(who, self._identity) if person else []
        new, odd = sort_out([view], stored, self._levels)
        if odd:
            raise EnrolmentRefused("incoherent", NOT_THEM)
        if not new:
            if person is not None and profile is not None and profile != person.profile:
                self._gallery.set_profile(who, profile)
            return True, Enrolled((who,), 0)
        one = Enrolment(who, view.embedding, self._identity, view.quality, SOURCE)
        return False, enrol(
            self._gallery,
            self._index,
            self._twin(one, view.second),
            limit=self._settings.templates_per_person,
            coherence=self._levels.different,
            profiles={who: profile} if profile is not None else {},
            settings=self._settings,
            nearness=self._nearness,
        )


def _decoded(text: str) -> Image:
    """The image of a command.

    Raises:
        EnrolmentRefused: ``unreadable``.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as fault:
        raise EnrolmentRefused("unreadable", "the image is not base64") from fault
    if len(data) > _MOST_BYTES:
        why = f"the image has {len(data)} bytes; at most {_MOST_BYTES} are taken"
        raise EnrolmentRefused("unreadable", why)
    if not data.startswith(_KINDS):
        raise EnrolmentRefused("unreadable", "the image is neither JPEG nor PNG")
    try:
        return decode_image(data, "the image", most_px=_MOST_PX)
    except ImageError as fault:
        raise EnrolmentRefused("unreadable", str(fault)) from fault
