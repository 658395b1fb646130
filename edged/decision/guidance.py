"""One instruction at a time, the most useful one, and steady enough to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.types import Observation

BLOCKING = frozenset({Defect.NO_FACE, Defect.TOO_FAR, Defect.CUT_OFF, Defect.TURNED})
"""Views with one of these are never matched; the rest only explain a low quality."""

# In the order in which mending them helps: without size and place nothing else can be judged.
_REMEDIES: tuple[tuple[Defect, Instruction, float], ...] = (
    (Defect.SEVERAL_FACES, Instruction.ONE_PERSON_ONLY, 1.0),
    (Defect.TOO_FAR, Instruction.COME_CLOSER, 0.9),
    (Defect.TOO_CLOSE, Instruction.STEP_BACK, 0.85),
    (Defect.CUT_OFF, Instruction.CENTER_FACE, 0.8),
    (Defect.TURNED, Instruction.FACE_CAMERA, 0.75),
    (Defect.BACKLIT, Instruction.AVOID_BACKLIGHT, 0.7),
    (Defect.TOO_DARK, Instruction.MORE_LIGHT, 0.65),
    (Defect.OVEREXPOSED, Instruction.AVOID_BACKLIGHT, 0.6),
    (Defect.COVERED, Instruction.REMOVE_COVERING, 0.55),
    (Defect.BLURRED, Instruction.HOLD_STILL, 0.5),
    (Defect.OFF_CENTRE, Instruction.CENTER_FACE, 0.1),
)


@dataclass(frozen=True, slots=True)
class Need:
    """An instruction, and the quality that following it is predicted to win, 0-1."""

    instruction: Instruction
    gain: float


def needs(observation: Observation) -> tuple[Need, ...]:
    """What would help this view, most helpful first; `RETAKE` where no defect explains it."""
    gains = dict(zip(observation.defects, observation.gains, strict=False))
    found = [
        Need(instruction, gains.get(defect, gain))
        for defect, instruction, gain in _REMEDIES
        if defect in observation.defects
    ]
    return tuple(sorted(found, key=lambda need: -need.gain)) or (Need(Instruction.RETAKE, 0.0),)


class Guidance:
    """Keeps what is shown from flickering.

    Args:
        delay_s: a need must last this long before it is shown.
        hold_s: what is shown stays at least this long.
    """

    def __init__(self, delay_s: float, hold_s: float) -> None:
        self._delay_s = delay_s
        self._hold_s = hold_s
        self.shown: Instruction | None = None
        self._shown_since_s = 0.0
        self._needed: Instruction | None = None
        self._needed_since_s = 0.0

    def update(self, t_s: float, wanted: tuple[Need, ...]) -> Instruction | None:
        """Take in what this frame needs, most helpful first; returns what to show now."""
        needed = wanted[0].instruction if wanted else None
        if needed != self._needed:
            self._needed, self._needed_since_s = needed, t_s
        if needed == self.shown:
            return self.shown
        long_enough = t_s - self._needed_since_s >= self._delay_s
        may_change = self.shown is None or t_s - self._shown_since_s >= self._hold_s
        if long_enough and may_change:
            self.shown, self._shown_since_s = needed, t_s
        return self.shown

    def keep(self, t_s: float) -> Instruction | None:
        """A frame that says nothing: what is shown stays, for now."""
        del t_s
        return self.shown

    def clear(self) -> None:
        """Show nothing, at once."""
        self.shown, self._needed = None, None
