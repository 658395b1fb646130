"""One instruction at a time, the most useful one, and steady enough to be read."""

from __future__ import annotations

from edged.types import Defect, Instruction

BLOCKING = frozenset({Defect.NO_FACE, Defect.TOO_FAR, Defect.CUT_OFF, Defect.TURNED})
"""Views with one of these are never matched; the rest only explain a low quality."""

# In the order in which mending them helps: without size and place nothing else can be judged.
_REMEDIES: tuple[tuple[Defect, Instruction], ...] = (
    (Defect.SEVERAL_FACES, Instruction.ONE_PERSON_ONLY),
    (Defect.TOO_FAR, Instruction.COME_CLOSER),
    (Defect.TOO_CLOSE, Instruction.STEP_BACK),
    (Defect.CUT_OFF, Instruction.CENTER_FACE),
    (Defect.TURNED, Instruction.FACE_CAMERA),
    (Defect.BACKLIT, Instruction.AVOID_BACKLIGHT),
    (Defect.TOO_DARK, Instruction.MORE_LIGHT),
    (Defect.OVEREXPOSED, Instruction.AVOID_BACKLIGHT),
    (Defect.BLURRED, Instruction.HOLD_STILL),
    (Defect.OFF_CENTRE, Instruction.CENTER_FACE),
)


def remedy(defects: tuple[Defect, ...]) -> Instruction:
    """The instruction that helps most; `RETAKE` where no defect explains the low quality."""
    for defect, instruction in _REMEDIES:
        if defect in defects:
            return instruction
    return Instruction.RETAKE


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

    def update(self, t_s: float, needed: Instruction | None) -> Instruction | None:
        """Take in what this frame needs; returns what to show now."""
        if needed != self._needed:
            self._needed, self._needed_since_s = needed, t_s
        if needed == self.shown:
            return self.shown
        long_enough = t_s - self._needed_since_s >= self._delay_s
        may_change = self.shown is None or t_s - self._shown_since_s >= self._hold_s
        if long_enough and may_change:
            self.shown, self._shown_since_s = needed, t_s
        return self.shown

    def clear(self) -> None:
        """Show nothing, at once."""
        self.shown, self._needed = None, None
