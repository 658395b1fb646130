"""Whether the person in view agrees to be enrolled: a pure state machine."""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from math import isfinite
from typing import TYPE_CHECKING

from edged.decision.guidance import BLOCKING, Need, needs
from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.types import Observation

GONE_S = 3.0
"""Who is not served for this long has left."""

_UNSEEN = (BLOCKING | {Defect.SEVERAL_FACES}) - {Defect.TURNED}
_SETTLED_S = 0.6  # whoever passes by is asked nothing
_LONGEST_S = 0.25  # a longer gap between two frames says no more than this

_REST_DEG = 12.0
_AWAY_DEG = 10.0  # from rest; and
_ASIDE_DEG = 6.0  # from the camera, so that who looked aside does not agree by looking up
_BACK_DEG = 6.0
_WRONG_DEG = 8.0  # to the other side: confused, or a shake of the head


class Asked(StrEnum):
    """How somebody is to agree; left and right are their own."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    PAGE = "page"


class Answer(StrEnum):
    """What came of asking."""

    OPEN = "open"
    AGREED = "agreed"
    DECLINED = "declined"
    LEFT = "left"


class _Stage(Enum):
    REST = auto()
    AWAY = auto()
    BACK = auto()


# Nobody holds a shake of the head aside for so long.
_HELD_S = {_Stage.REST: 0.3, _Stage.AWAY: 0.4, _Stage.BACK: 0.3}


class HeadTurn:
    """A head at rest, turned to one side for a moment, and back again.

    Angles count from how the head was held at rest, as cameras hang anywhere. A turn to the
    other side begins it anew. A picture that is tilted keeps its angle, as eyes, nose and mouth
    keep their places in it.
    """

    def __init__(self, side: Asked) -> None:
        # the person's left is the image's right, where yaw is positive
        self._side = 1.0 if side is Asked.TURN_LEFT else -1.0
        self._stage = _Stage.REST
        self._rest_deg = 0.0
        self._held_s: float | None = None

    @property
    def returning(self) -> bool:
        """Whether all that lacks is to face the camera again."""
        return self._stage is _Stage.BACK

    def pause(self) -> None:
        """A frame that does not show the head: nothing is held through it."""
        self._held_s = None

    def step(self, passed_s: float, yaw_deg: float) -> bool:
        """Take in a frame, so long after the one before; whether the turn is complete."""
        away_deg = self._side * (yaw_deg - self._rest_deg)
        if self._stage is not _Stage.REST and away_deg <= -_WRONG_DEG:
            self._enter(_Stage.REST)
        if not self._fits(yaw_deg, away_deg):
            self.pause()
            return False
        self._held_s = 0.0 if self._held_s is None else self._held_s + passed_s
        if self._held_s < _HELD_S[self._stage]:
            return False
        if self._stage is _Stage.REST:
            self._rest_deg = yaw_deg
            self._enter(_Stage.AWAY)
        elif self._stage is _Stage.AWAY:
            self._enter(_Stage.BACK)
        else:
            return True
        return False

    def _enter(self, stage: _Stage) -> None:
        self._stage = stage
        self.pause()

    def _fits(self, yaw_deg: float, away_deg: float) -> bool:
        if self._stage is _Stage.REST:
            return abs(yaw_deg) <= _REST_DEG
        if self._stage is _Stage.AWAY:
            return away_deg >= _AWAY_DEG and self._side * yaw_deg >= _ASIDE_DEG
        return away_deg <= _BACK_DEG


class Agreement:
    """Asks whoever stands there; only this one can agree, and leaving is a refusal.

    Args:
        asked: how they are to agree.

    Attributes:
        track_id: who is asked; None until somebody stands there.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.track_id: int | None = None
        self._turn = HeadTurn(asked)
        self._answered: bool | None = None
        self._candidate: int | None = None
        self._settled_s = 0.0
        self._last_s: float | None = None
        self._seen_s = 0.0

    def answer(self, agreed: bool) -> None:
        """A button was pressed."""
        self._answered = agreed

    def step(self, now_s: float, observation: Observation) -> Answer:
        """Take in a frame; time never runs backwards."""
        passed_s = 0.0 if self._last_s is None else min(now_s - self._last_s, _LONGEST_S)
        self._last_s = now_s
        if self._answered is False:
            return Answer.DECLINED
        seen = not _UNSEEN.intersection(observation.defects)
        if self.track_id is None:
            self._settle(passed_s, observation.track_id if seen else None)
            self._seen_s = now_s
            return Answer.OPEN
        if observation.track_id != self.track_id:
            self._turn.pause()
            return Answer.LEFT if now_s - self._seen_s >= GONE_S else Answer.OPEN
        self._seen_s = now_s
        if self.asked is Asked.PAGE:
            return Answer.AGREED if seen and self._answered else Answer.OPEN
        yaw_deg = yaw_of(observation)
        if not seen or yaw_deg is None:
            self._turn.pause()
            return Answer.OPEN
        return Answer.AGREED if self._turn.step(passed_s, yaw_deg) else Answer.OPEN

    def needs(self, observation: Observation) -> tuple[Need, ...]:
        """What would help to be understood."""
        if _UNSEEN.intersection(observation.defects):
            return needs(observation)
        return (Need(Instruction.FACE_CAMERA, 1.0),) if self._turn.returning else ()

    @property
    def share(self) -> float:
        """How far they are, 0-1."""
        return 0.5 if self._turn.returning else 0.0

    def _settle(self, passed_s: float, track_id: int | None) -> None:
        self._settled_s = self._settled_s + passed_s if track_id == self._candidate else 0.0
        self._candidate = track_id
        if self._settled_s >= _SETTLED_S:
            self.track_id = track_id


def yaw_of(observation: Observation) -> float | None:
    """The head's yaw, degrees; None where it cannot be told."""
    if observation.face is None or not isfinite(observation.face.pose.yaw_deg):
        return None
    return observation.face.pose.yaw_deg
