"""Asking one person to agree, then gathering good views of them: a pure state machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

from edged.decision.agreement import GONE_S, Agreement, Answer, yaw_of
from edged.decision.guidance import BLOCKING, Guidance, Need, needs
from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.decision.agreement import Asked
    from edged.types import Observation

_UNFIT = BLOCKING | {Defect.SEVERAL_FACES}
_FRONTAL_DEG = 8.0  # from how the head was held in the first frontal view
_FIRST_DEG = 15.0  # from the camera, in that one
TURN_S = 5.0
"""How long a turned view is waited for while good ones of another kind are there."""


class Progress(StrEnum):
    """How an enrolment stands after a frame."""

    WAITING = "waiting"
    AGREED = "agreed"
    TAKEN = "taken"
    RESTARTED = "restarted"
    COMPLETED = "completed"
    FAILED = "failed"


class Failure(StrEnum):
    """Why nobody is enrolled."""

    TIMED_OUT = "timed_out"
    NOT_CONFIRMED = "not_confirmed"
    DECLINED = "declined"
    ANOTHER_PERSON = "another_person"
    GONE = "gone"


class View(StrEnum):
    """How the head was held; left and right are the person's own."""

    FRONTAL = "frontal"
    LEFT = "left"
    RIGHT = "right"


_TO_GET = {
    View.FRONTAL: Instruction.FACE_CAMERA,
    View.LEFT: Instruction.TURN_LEFT,
    View.RIGHT: Instruction.TURN_RIGHT,
}


@dataclass(frozen=True, slots=True)
class EnrolmentStep:
    """After one frame.

    Attributes:
        progress: with TAKEN and COMPLETED the frame's embedding is kept, with RESTARTED the ones
            kept so far are dropped (another face came before the camera) and this one is not
            kept.
        views: kept so far.
        instruction: what to show.
        view: how the head was held in the view that was taken.
        failure: with FAILED, why.
        asked: how the person is asked to agree at present.
        share: of all that is to be done at present, 0-1.
    """

    progress: Progress
    views: int
    instruction: Instruction | None = None
    view: View | None = None
    failure: Failure | None = None
    asked: Asked | None = None
    share: float = 0.0


class Enrolment:
    """Takes `views` views of one and the same face: frontal ones, and slightly turned ones as
    far as the person can turn.

    Without `asked` another face begins it anew; who was asked must stay to the end.

    Args:
        views: how many.
        minimum_quality: of each, 0-1.
        timeout_s: since the first observation.
        asked: how the person is to agree; None: nobody is asked.
        spacing_s: between views, so that they differ.
        turn_s: how long a turned view is waited for while good ones of another kind are there.
    """

    def __init__(
        self,
        views: int,
        minimum_quality: float,
        timeout_s: float,
        *,
        asked: Asked | None = None,
        spacing_s: float = 0.4,
        turn_s: float = TURN_S,
        delay_s: float = 0.3,
        hold_s: float = 1.0,
    ) -> None:
        self._number = views
        self._minimum_quality = minimum_quality
        self._timeout_s = timeout_s
        self._agreement = None if asked is None else Agreement(asked)
        self._bound = False
        self._spacing_s = spacing_s
        self._turn_s = min(turn_s, timeout_s / 10)
        self._guidance = Guidance(delay_s, hold_s)
        self._started_s: float | None = None
        self._now_s = float("-inf")
        self._seen_s = float("-inf")
        self._begin()

    def _begin(self) -> None:
        kinds = tuple(View)
        self._wanted = [kinds[place % len(kinds)] for place in range(self._number)]
        self._track_id: int | None = None
        self._taken_s = float("-inf")
        self._unwanted_s: float | None = None
        self._rest_deg: float | None = None

    @property
    def asking(self) -> bool:
        """Whether somebody is there who has been asked and has not answered."""
        return self._agreement is not None and self.person is not None

    @property
    def person(self) -> int | None:
        """The track of who is asked or was taken views of."""
        return self._track_id if self._agreement is None else self._agreement.track_id

    def answer(self, agreed: bool) -> None:
        """Who is asked pressed a button; counts with the next frame."""
        if self._agreement is not None:
            self._agreement.answer(agreed)

    def step(self, observation: Observation) -> EnrolmentStep:
        """Take in one frame."""
        if isfinite(observation.t_s):
            self._now_s = max(self._now_s, observation.t_s)
        if self._started_s is None and isfinite(self._now_s):
            self._started_s = self._now_s
        if self._started_s is None:
            return self._told(Progress.WAITING)  # no time to count from yet
        if self._now_s - self._started_s >= self._timeout_s:
            return self._failed(Failure.NOT_CONFIRMED if self.asking else Failure.TIMED_OUT)
        if self._agreement is not None:
            return self._ask(self._agreement, observation)
        return self._absent(observation) or self._gather(observation)

    def _ask(self, agreement: Agreement, observation: Observation) -> EnrolmentStep:
        answer = agreement.step(self._now_s, observation)
        if answer is Answer.DECLINED:
            return self._failed(Failure.DECLINED)
        if answer is Answer.LEFT:
            return self._failed(Failure.NOT_CONFIRMED)
        if answer is Answer.AGREED:
            self._agreement, self._bound = None, True
            self._track_id, self._seen_s = agreement.track_id, self._now_s
            self._guidance.clear()
            return self._told(Progress.AGREED)
        shown = self._guidance.update(self._now_s, agreement.needs(observation))
        asked = agreement.asked if agreement.track_id is not None else None
        return EnrolmentStep(Progress.WAITING, 0, shown, asked=asked, share=agreement.share)

    def _absent(self, observation: Observation) -> EnrolmentStep | None:
        """What follows when it is not the one whose views are gathered."""
        if self._bound and observation.track_id == self._track_id:
            self._seen_s = self._now_s
        elif self._bound:
            if self._now_s - self._seen_s < GONE_S:
                return self._waiting(())
            nobody = observation.track_id is None
            return self._failed(Failure.GONE if nobody else Failure.ANOTHER_PERSON)
        elif observation.track_id is None:
            return self._waiting(())
        elif self._track_id not in (None, observation.track_id):
            self._begin()
            return self._told(Progress.RESTARTED)
        return None

    def _gather(self, observation: Observation) -> EnrolmentStep:
        yaw_deg, quality = yaw_of(observation), observation.quality
        if _UNFIT.intersection(observation.defects) or yaw_deg is None:
            return self._waiting(needs(observation))
        if quality is None or not self._minimum_quality <= quality <= 1:
            return self._waiting(needs(observation))
        if self._now_s - self._taken_s < self._spacing_s:
            return self._waiting(())
        view = self._view(yaw_deg)
        if not self._wants(view):
            return self._waiting((Need(_TO_GET[self._wanted[0]], 1.0),))
        if view is View.FRONTAL and self._rest_deg is None:
            self._rest_deg = yaw_deg
        self._wanted.remove(view)
        self._track_id, self._taken_s, self._unwanted_s = observation.track_id, self._now_s, None
        self._guidance.clear()
        return self._told(Progress.TAKEN if self._wanted else Progress.COMPLETED, view)

    def _view(self, yaw_deg: float) -> View:
        rest_deg, most_deg = self._rest_deg, _FRONTAL_DEG
        if rest_deg is None:
            rest_deg, most_deg = 0.0, _FIRST_DEG
        if abs(yaw_deg - rest_deg) <= most_deg:
            return View.FRONTAL
        # the person's left is the image's right, where yaw is positive
        return View.LEFT if yaw_deg > rest_deg else View.RIGHT

    def _wants(self, view: View) -> bool:
        """Whether it is to be taken: also when one of another kind has not come for long."""
        if view not in self._wanted:
            if self._unwanted_s is None:
                self._unwanted_s = self._now_s
            if self._now_s - self._unwanted_s >= self._turn_s:
                given_up = self._wanted[0]
                self._wanted = [view if one is given_up else one for one in self._wanted]
        return view in self._wanted

    def _waiting(self, wanted: tuple[Need, ...]) -> EnrolmentStep:
        self._guidance.update(self._now_s, wanted)
        return self._told(Progress.WAITING)

    def _failed(self, failure: Failure) -> EnrolmentStep:
        views = self._number - len(self._wanted)
        return EnrolmentStep(Progress.FAILED, views, failure=failure)

    def _told(self, progress: Progress, view: View | None = None) -> EnrolmentStep:
        views = self._number - len(self._wanted)
        share = views / self._number
        return EnrolmentStep(progress, views, self._guidance.shown, view, share=share)
