"""What the person at the door is to see; no images, and a name only where it is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.types import Frame, Observation

PHASES = ("idle", "gathering", "granted", "denied", "review", "second_factor", "held")
QUESTIONS = ("turn_left", "turn_right", "page")
ENDS = ("enrolled", "not_enrolled")
ASKS = ("card", "pin", "qr", "face", "factor", "second_person", "escort")
WHYS = (
    "no_rule",
    "denied_by_rule",
    "anti_passback",
    "area_full",
    "nobody_in_yet",
    "needs_escort",
    "second_person",
    "site_unheard",
    "interlock",
    "locked_down",
    "secured",
    "not_the_holder",
    "not_in_force",
    "wrong_factor",
    "code_used",
    "code_expired",
    "code_not_yet",
    "no_card",
    "panel_lost",
    "panel_denied",
    "locked_out",
    "timeout",
)
PUNCHES = ("in", "out", "break", "return", "field", "overtime")
Place = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Question:
    """Somebody is asked whether they agree to be enrolled.

    Attributes:
        person: as whom: an id, or a name where that is allowed.
        how: they are to answer: one of `QUESTIONS`.
        token: goes with the answer of a button; None without buttons.
    """

    person: str
    how: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ScreenView:
    """One moment of the screen.

    Attributes:
        phase: one of `PHASES`.
        instruction: a code of `edged.types.Instruction`, or None.
        enrolling: somebody is being enrolled.
        views: of the person, kept so far; counts while enrolling.
        progress: towards a decision, 0-1.
        name: whom to greet, or None.
        face: where the served face is: left, top, width, height as shares of the frame; None
            without one. `Screen.look` fills it in.
        question: what they are asked before they are enrolled, or None.
        ended: one of `ENDS`, while whoever it was about still stands there.
        asks: what is asked for beside the face: one of `ASKS`, or None.
        why: why somebody is not let in: one of `WHYS`; another code shows nothing.
        punched: the state of the punch that was made: one of `PUNCHES`, or None.
        blind: nobody can be seen at present, so whatever else is said here is old.
    """

    phase: str = "idle"
    instruction: str | None = None
    enrolling: bool = False
    views: int = 0
    progress: float = 0.0
    name: str | None = None
    face: Place | None = None
    blind: bool = False
    question: Question | None = None
    ended: str | None = None
    asks: str | None = None
    why: str | None = None
    punched: str | None = None


def place(frame: Frame, observation: Observation) -> Place | None:
    """Where the served face is in the frame."""
    if observation.face is None:
        return None
    height, width = frame.image.shape[:2]
    box = observation.face.box
    return (
        round(box.left / width, 3),
        round(box.top / height, 3),
        round(box.width / width, 3),
        round(box.height / height, 3),
    )
