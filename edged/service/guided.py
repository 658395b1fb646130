"""Enrolment at the terminal: the person is asked, guided, and put into the gallery."""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from edged.decision.agreement import Asked
from edged.decision.enrolment import TURN_S, Enrolment, Progress
from edged.decision.presentation import Phase
from edged.errors import EnrolmentRefused, GalleryError, StorageError
from edged.gallery.people import Enrolment as Template
from edged.gallery.profile import Profile
from edged.service.acquaintance import Acquaintance
from edged.service.display import Display, Prompt
from edged.service.enrolling import check_consent, enrol, reason_of
from edged.service.photos import ENOUGH

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.schema import Config
    from edged.decision.enrolment import EnrolmentStep, View
    from edged.decision.policy import Nearness
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.service.enrolling import Enrolled
    from edged.service.journal import Journal
    from edged.service.judge import Judge
    from edged.types import Floats, Observation, Second

log = logging.getLogger(__name__)

_TEXTS = {
    "timed_out": "nobody could be enrolled in time",
    "not_confirmed": "the person did not agree in time, or left",
    "declined": "the person declined",
    "another_person": "somebody else came before the camera",
    "gone": "the person left before enough views were taken",
    "cancelled": "it was cancelled",
    "camera": "no image came for a while; see the camera",
    "stopped": "the terminal was stopped",
}


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """Somebody is to be enrolled at the terminal.

    Attributes:
        profile: what is to be kept of them.
        asked: how they are to agree; None: the site has their agreement.
        turn_s: how long each turned view is waited for.
        asked_s: when, monotonic seconds.
        token: goes with an answer by the page's buttons.
    """

    person_id: str
    views: int
    timeout_s: float
    command_id: str
    profile: Profile = field(default=Profile(), repr=False)
    asked: Asked | None = None
    turn_s: float = TURN_S
    asked_s: float = field(default_factory=time.monotonic)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    @property
    def overdue(self) -> bool:
        """Whether its time is up, also while no frame comes."""
        return time.monotonic() - self.asked_s >= self.timeout_s

    @property
    def confirm(self) -> Literal["turn", "page", "none"]:
        """How the person agrees, in the configuration's words."""
        if self.asked is None:
            return "none"
        return "page" if self.asked is Asked.PAGE else "turn"


def how_to_ask(confirm: Literal["turn", "page", "none"]) -> Asked | None:
    """What a person is to do who is to agree in this way: which side is not to be foreseen."""
    if confirm == "turn":
        return secrets.choice((Asked.TURN_LEFT, Asked.TURN_RIGHT))
    return Asked.PAGE if confirm == "page" else None


class Guided:
    """One enrolment at a time. `begin`, `cancel` and `answer` may be called from any thread,
    the rest is the vision thread's.

    Args:
        identity: of the model whose templates are made.
        quality: of each view that is enrolled.
        coherence: the least similarity of each view to the others.
        same: the similarity from which two views are of one person for sure.
        nearness: from which similarity on two people are one, or lookalikes.
        judge: serves whoever was enrolled only after they have gone.
        twin: what is stored of a view, while people move to another network.
        show: called with what the person is to see.
    """

    def __init__(
        self,
        config: Config,
        *,
        identity: str,
        quality: float,
        coherence: float,
        same: float,
        nearness: Callable[[int], Nearness],
        gallery: Gallery,
        index: Index,
        journal: Journal,
        judge: Judge,
        show: Callable[[Display], None],
        twin: Callable[[Template, Second | None], list[Template]] = lambda one, _: [one],
    ) -> None:
        self._config = config
        self._identity = identity
        self._quality = quality
        self._coherence = coherence
        self._same = same
        self._nearness = nearness
        self._gallery = gallery
        self._index = index
        self._journal = journal
        self._judge = judge
        self._show = show
        self._twin = twin
        self._lock = threading.Lock()
        self._request: EnrolmentRequest | None = None
        self._asking = False
        self._answered: bool | None = None
        self._cancelled = False
        self._storing = False
        self._clear()

    def _clear(self) -> None:
        self._enrolment: Enrolment | None = None
        self._known = Acquaintance(self._same, self._quality)
        self._seen: Observation | None = None
        self._views: list[tuple[Floats, float, Second | None]] = []
        self._kinds: list[View] = []

    @property
    def request(self) -> EnrolmentRequest | None:
        """What is waiting or under way."""
        return self._request

    def begin(self, request: EnrolmentRequest) -> None:
        """Enrol whoever stands before the camera next.

        Raises:
            EnrolmentRefused: ``enrolment_running``, ``consent_missing``, ``wiped``.
            StorageError: the gallery cannot be read.
        """
        self._gallery.refuse_wiped()
        check_consent(self._profile(request), self._config.gallery)
        with self._lock:
            if self._request is not None:
                raise EnrolmentRefused("enrolment_running", "another enrolment is under way")
            # on the record before it can be completed
            self._journal.record("enrol.started", **_told(request), confirm=request.confirm)
            self._request = request

    def cancel(self, person_id: str | None) -> bool:
        """End what is under way, of this person where one is named; False: there is none, or
        it is completed already."""
        with self._lock:
            request = self._request
            if request is None or self._storing or person_id not in (None, request.person_id):
                return False
            self._cancelled = True
            return True

    def answer(self, token: str, agreed: bool) -> bool:
        """Who is asked pressed a button; False when nobody is asked, or not with this token."""
        with self._lock:
            request = self._request
            if request is None or not self._asking or self._answered is not None:
                return False
            if request.asked is not Asked.PAGE:
                return False
            if not hmac.compare_digest(request.token.encode(), token.encode()):
                return False
            self._answered = agreed
            return True

    def step(self, request: EnrolmentRequest, observation: Observation) -> None:
        """Take in a frame."""
        if self._enrolment is None:
            self._judge.forget()
            self._enrolment = Enrolment(
                request.views,
                self._quality,
                request.timeout_s,
                asked=request.asked,
                turn_s=request.turn_s,
            )
        observation = self._known.meet(observation, self._enrolment.person)
        self._seen = observation
        if self._cancelled:
            self._fail(request, "cancelled")
            return
        # nobody agrees in whose place somebody else could stand unnoticed a moment later
        unknown = self._enrolment.asking and not self._known.knows
        if self._answered is not None and not (self._answered and unknown):
            self._enrolment.answer(self._answered)
        step = self._enrolment.step(replace(observation, face=None) if unknown else observation)
        self._asking = self._enrolment.asking
        self._keep(step, observation)
        if step.progress is Progress.COMPLETED:
            self._complete(request)
        elif step.failure is not None:
            self._fail(request, step.failure.value)
        else:
            prompt = self._prompt(request, step)
            display = Display(
                Phase.GATHERING, step.instruction, True, step.views, step.share, prompt=prompt
            )
            self._show(display)

    def idle(self) -> None:
        """No frame came for a while: whoever comes hours later is not who was to be enrolled."""
        request = self._request
        if request is not None and self._cancelled:
            self._fail(request, "cancelled")
        elif request is not None and request.overdue:
            self._fail(request, "camera")

    def forget(self) -> None:
        """Whoever stands there now may be somebody else: nothing gathered so far counts."""
        request, enrolment = self._request, self._enrolment
        begun = enrolment is not None and enrolment.person is not None
        if request is not None and (begun or request.overdue):
            self._seen = None
            self._fail(request, "camera")

    def close(self) -> None:
        """Tell the site of an enrolment that will not be finished any more."""
        if self._request is not None:
            self._fail(self._request, "stopped")

    def _keep(self, step: EnrolmentStep, observation: Observation) -> None:
        if step.progress is Progress.RESTARTED:
            self._views, self._kinds = [], []
        if step.view is None or observation.embedding is None or observation.quality is None:
            return
        self._views.append((observation.embedding, observation.quality, observation.second))
        self._kinds.append(step.view)

    def _prompt(self, request: EnrolmentRequest, step: EnrolmentStep) -> Prompt | None:
        if step.asked is None:
            return None
        web = self._config.web
        name = request.profile.name if web is not None and web.names else None
        return Prompt(request.person_id, name, step.asked, request.token)

    def _complete(self, request: EnrolmentRequest) -> None:
        with self._lock:
            self._storing = not self._cancelled
        if self._cancelled:
            self._fail(request, "cancelled")
            return
        try:
            enrolled = self._store(request)
        except (GalleryError, StorageError) as fault:
            people = fault.people if isinstance(fault, EnrolmentRefused) else {}
            self._fail(request, reason_of(fault), str(fault), people.get(request.person_id))
            return
        self._journal.record(
            "enrol.completed",
            **_told(request),
            views=len(self._views),
            kinds=[kind.value for kind in self._kinds],
            quality=round(min(quality for _, quality, _ in self._views), 3),
            confirmed=request.confirm,
            warnings=list(enrolled.warnings),
        )
        log.info("enrolment completed")
        self._end(request.person_id, "enrolled")

    def _store(self, request: EnrolmentRequest) -> Enrolled:
        settings = self._config.gallery
        profile = agreed(self._profile(request), request.confirm)
        who = request.person_id
        self._refuse_another(who)
        templates = [
            template
            for embedding, quality, second in self._views
            for template in self._twin(
                Template(who, embedding, self._identity, quality, "terminal"), second
            )
        ]
        return enrol(
            self._gallery,
            self._index,
            templates,
            limit=settings.templates_per_person,
            coherence=self._coherence,
            profiles={who: profile},
            settings=settings,
            nearness=self._nearness,
        )

    def _refuse_another(self, person_id: str) -> None:
        """Who is known well is enrolled anew only where it is surely them, as with photos."""
        stored = self._gallery.templates(person_id, self._identity)
        if len(stored) < ENOUGH:
            return
        before = np.stack(stored).sum(axis=0)
        now = np.stack([embedding for embedding, _, _ in self._views]).sum(axis=0)
        least = self._same * float(np.linalg.norm(before) * np.linalg.norm(now))
        if not float(before @ now) >= least:
            raise EnrolmentRefused(
                "incoherent",
                "who stands there may be somebody else than is enrolled under this id; remove "
                "the person first if the older views are not theirs",
            )

    def _profile(self, request: EnrolmentRequest) -> Profile:
        """What is to be kept: a command that gives nothing, or a name alone, leaves the rest;
        one that says nothing of cards and PINs leaves those."""
        name = request.profile.name
        known = self._gallery.profile(request.person_id) or Profile()
        if request.profile != Profile(name=name):
            return request.profile.with_credentials_of(known)
        return known if name is None else known.model_copy(update={"name": name})

    def _fail(
        self,
        request: EnrolmentRequest,
        reason: str,
        text: str | None = None,
        other: str | None = None,
    ) -> None:
        told = _told(request) if other is None else {**_told(request), "other": other}
        text = text or _TEXTS[reason]
        self._journal.record("enrol.failed", **told, reason=reason, text=text)
        log.info("enrolment failed: %s", reason)  # the text may name people
        self._end(None, "not_enrolled")

    def _end(self, person_id: str | None, ended: Literal["enrolled", "not_enrolled"]) -> None:
        seen, enrolment = self._seen, self._enrolment
        stays = (
            seen is not None
            and enrolment is not None
            and seen.track_id is not None
            and seen.track_id == enrolment.person
        )
        if seen is not None and stays:
            # Whoever this was about is served only after they have left and come back.
            self._judge.hold(seen.t_s, person_id)
        self._clear()
        with self._lock:
            self._request, self._answered = None, None
            self._asking = self._cancelled = self._storing = False
        self._show(Display(self._judge.phase, ended=ended if stays else None))


def agreed(profile: Profile, confirm: str) -> Profile:
    """With how the person agreed; their consent is given now where no date is known."""
    if profile.consent is None:
        return profile
    given = time.time() if profile.consent.given is None else profile.consent.given
    consent = profile.consent.model_copy(update={"given": given, "confirmed": confirm})
    return profile.model_copy(update={"consent": consent})


def _told(request: EnrolmentRequest) -> dict[str, str]:
    return {"person_id": request.person_id, "command": request.command_id}
