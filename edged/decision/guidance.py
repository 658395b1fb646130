"""One instruction at a time, the most useful one, and steady enough to be read."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite
from typing import TYPE_CHECKING

from edged.types import Defect, Instruction

if TYPE_CHECKING:
    from edged.types import Observation, Pose

BLOCKING = frozenset({Defect.NO_FACE, Defect.TOO_FAR, Defect.CUT_OFF, Defect.TURNED})
"""Views with one of these are never matched; the rest only explain a low quality."""

WORTH_SAYING = 0.05
"""Of predicted gain in quality; what mends less is not asked for."""

# What mends each defect, and what that is taken to win where nobody has measured it: without
# size and place nothing else can be judged.
_REMEDIES: dict[Defect, tuple[Instruction, float]] = {
    Defect.SEVERAL_FACES: (Instruction.ONE_PERSON_ONLY, 1.0),
    Defect.TOO_FAR: (Instruction.COME_CLOSER, 0.9),
    Defect.TOO_CLOSE: (Instruction.STEP_BACK, 0.85),
    Defect.CUT_OFF: (Instruction.CENTER_FACE, 0.8),
    Defect.TURNED: (Instruction.FACE_CAMERA, 0.75),
    Defect.BACKLIT: (Instruction.AVOID_BACKLIGHT, 0.7),
    Defect.TOO_DARK: (Instruction.MORE_LIGHT, 0.65),
    Defect.OVEREXPOSED: (Instruction.AVOID_BACKLIGHT, 0.6),
    Defect.COVERED: (Instruction.REMOVE_COVERING, 0.55),
    Defect.BLURRED: (Instruction.HOLD_STILL, 0.5),
    Defect.OFF_CENTRE: (Instruction.CENTER_FACE, 0.1),
}

# Yaw, pitch and roll are compared as shares of what a view usually bears of each, degrees.
_BEARABLE_DEG = (35.0, 30.0, 30.0)
_CLEARLY_LARGEST = 1.25

_MEMORY_S = 0.4  # how far back a need counts when instructions are compared
_LONGEST_S = 0.5  # a longer gap between two frames says no more than this
_FULL = 1.2  # a charge; more than 1, so that a need in every third frame gets there
_CLEARLY_MORE = 1.25  # and
_MORE_BY = 0.02  # of gain: what another instruction must be worth to replace the one shown
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Need:
    """An instruction, and the quality that following it is predicted to win, 0-1."""

    instruction: Instruction
    gain: float


def needs(observation: Observation) -> tuple[Need, ...]:
    """What would help this view, most helpful first.

    Nothing without a face; `RETAKE` where nothing that can be mended explains the view.
    """
    if observation.track_id is None or Defect.NO_FACE in observation.defects:
        return ()
    found: dict[Instruction, float] = {}
    for place, defect in enumerate(observation.defects):
        instruction, gain = _REMEDIES[defect]
        if place < len(observation.gains) and isfinite(observation.gains[place]):
            gain = min(1.0, max(0.0, observation.gains[place]))
        if gain < WORTH_SAYING and defect not in BLOCKING:
            continue
        if defect is Defect.TURNED and observation.face is not None:
            instruction = _direction(observation.face.pose)
        found[instruction] = max(gain, found.get(instruction, 0.0))
    ranked = sorted(found, key=lambda instruction: -found[instruction])
    return tuple(Need(i, found[i]) for i in ranked) or (Need(Instruction.RETAKE, 0.0),)


def _direction(pose: Pose) -> Instruction:
    """Which way to turn, in the person's own left and right; the whole face where no one way
    mends it."""
    angles = (pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    shares = [abs(angle) / most for angle, most in zip(angles, _BEARABLE_DEG, strict=True)]
    yaw, pitch, roll = shares
    if not all(map(isfinite, shares)):
        return Instruction.FACE_CAMERA
    if yaw > _CLEARLY_LARGEST * max(pitch, roll):
        # the image's right is the person's left: whose nose points there turns right
        return Instruction.TURN_RIGHT if pose.yaw_deg > 0 else Instruction.TURN_LEFT
    if pitch > _CLEARLY_LARGEST * max(yaw, roll):
        return Instruction.LOWER_HEAD if pose.pitch_deg > 0 else Instruction.RAISE_HEAD
    return Instruction.FACE_CAMERA


@dataclass(slots=True)
class _Trace:
    """How one instruction has been needed lately.

    Attributes:
        charge: of need, 0 to `_FULL`; grows by 1 in `delay_s` of need, falls by 1 in `hold_s`
            without.
        ready: once the charge has reached 1, until it has fallen by 1 from its fullest.
        worth: mean gain of the last moments, frames without the need counting as 0.
        gone_s: when it was taken down last.
    """

    charge: float = 0.0
    ready: bool = False
    worth: float = 0.0
    gone_s: float = float("-inf")


class Guidance:
    """Keeps what is shown from flickering, whatever the frame rate.

    Each instruction collects need over time: it may be shown once it was needed for `delay_s`,
    until it was not needed for `hold_s`; alternating needs add up. Among those, the one that
    was worth most lately is shown. It stays for `hold_s`, gives way only to one that is worth
    clearly more, and having gone it does not come back within `hold_s`.

    Time may stand still, jump or be no number: it only ever counts forward.

    Args:
        delay_s: a need must last this long before it is shown.
        hold_s: what is shown stays at least this long.
    """

    def __init__(self, delay_s: float, hold_s: float) -> None:
        self._delay_s = delay_s
        self._hold_s = hold_s
        self._clock_s = 0.0
        self._last_s: float | None = None
        self._gains: dict[Instruction, float] = {}
        self.clear()

    def update(self, t_s: float, wanted: tuple[Need, ...]) -> Instruction | None:
        """Take in what this frame needs, in any order; returns what to show now."""
        # Half of the time since the last frame goes to what that one needed, half to this one.
        half_s = min(self._pass(t_s), _LONGEST_S) / 2
        self._collect(half_s)
        self._gains = {}
        for need in wanted:
            gain = need.gain if isfinite(need.gain) else 0.0
            self._gains[need.instruction] = max(gain, self._gains.get(need.instruction, 0.0))
        self._collect(half_s)
        self._choose()
        return self.shown

    def keep(self, t_s: float) -> Instruction | None:
        """A frame that says nothing: what is shown stays, for now."""
        self._pass(t_s)
        return self.shown

    def clear(self) -> None:
        """Show nothing, at once, and remember nothing."""
        self.shown: Instruction | None = None
        self._shown_s = 0.0
        self._gains.clear()
        self._traces = {instruction: _Trace() for instruction in Instruction}

    def _pass(self, t_s: float) -> float:
        """Let the clock go on; returns the seconds since the last frame."""
        if not isfinite(t_s):
            return 0.0
        passed_s = 0.0 if self._last_s is None else max(0.0, t_s - self._last_s)
        self._last_s = t_s
        self._clock_s += passed_s
        return passed_s

    def _collect(self, seconds: float) -> None:
        kept = exp(-seconds / _MEMORY_S)
        for instruction, trace in self._traces.items():
            gain = self._gains.get(instruction)
            trace.worth = trace.worth * kept + (gain or 0.0) * (1 - kept)
            if gain is not None:
                trace.charge = min(_FULL, trace.charge + _share(seconds, self._delay_s))
            else:
                trace.charge = max(0.0, trace.charge - _share(seconds, self._hold_s))

    def _choose(self) -> None:
        for trace in self._traces.values():
            bound = _FULL - 1 if trace.ready else 1 - 2 * _ROUNDING
            trace.ready = trace.charge > bound + _ROUNDING
        shown = self.shown
        if shown is not None and self._clock_s - self._shown_s < self._hold_s - _ROUNDING:
            return
        best = max(self._may_come(), key=self._value, default=None)
        if shown is not None and self._traces[shown].ready:
            best = best if best is not None and self._beats(best, shown) else shown
        if best is not shown:
            self._show(best)

    def _may_come(self) -> list[Instruction]:
        """What is ready, not shown, and was not taken down just now."""
        return [
            instruction
            for instruction, trace in self._traces.items()
            if trace.ready
            and instruction is not self.shown
            and self._clock_s - trace.gone_s >= self._hold_s - _ROUNDING
        ]

    def _value(self, instruction: Instruction) -> tuple[float, float]:
        """What it was worth lately; before any time has passed, what it is worth now."""
        return self._traces[instruction].worth, self._gains.get(instruction, 0.0)

    def _beats(self, other: Instruction, shown: Instruction) -> bool:
        new, old = self._traces[other], self._traces[shown]
        # what is shown and no longer needed loses its claim as its charge runs out
        return new.worth > old.worth * old.charge / _FULL * _CLEARLY_MORE + _MORE_BY

    def _show(self, instruction: Instruction | None) -> None:
        if self.shown is not None and instruction is not self.shown:
            self._traces[self.shown].gone_s = self._clock_s
        self.shown, self._shown_s = instruction, self._clock_s


def _share(seconds: float, whole_s: float) -> float:
    return seconds / whole_s if whole_s > 0 else _FULL
