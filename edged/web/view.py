"""What the person at the door is to see; no names, no images."""

from __future__ import annotations

from dataclasses import dataclass

PHASES = ("idle", "gathering", "granted", "denied", "review", "second_factor", "held")


@dataclass(frozen=True, slots=True)
class ScreenView:
    """One moment of the screen.

    Attributes:
        phase: one of `PHASES`.
        instruction: a code of `edged.types.Instruction`, or None.
        enrolling: somebody is being enrolled.
        views: of the person, kept so far; counts while enrolling.
    """

    phase: str = "idle"
    instruction: str | None = None
    enrolling: bool = False
    views: int = 0
