"""Did the hint help? What followed each instruction that was shown; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.types import Instruction

MOST_HINTS = 32
"""Of one presentation; later ones are not kept."""

_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Hint:
    """One instruction, from its first frame on.

    Attributes:
        after_s: since the presentation began.
        before: the quality when it was shown, 0-1; a view that is never matched has 0.
        best_after: the best quality within the next second, 0-1.
    """

    instruction: Instruction
    after_s: float
    before: float
    best_after: float

    @property
    def helped(self) -> bool:
        """Whether the quality rose."""
        return self.best_after > self.before


class HintLog:
    """Follows one presentation.

    Args:
        started_s: when it began, in the same time as `update`.
    """

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._shown: Instruction | None = None
        self._shown_s = 0.0
        self.hints: list[Hint] = []

    def update(self, t_s: float, shown: Instruction | None, quality: float | None) -> None:
        """Take in one frame: what is shown from now on, and how good the view was."""
        value = quality if quality is not None and isfinite(quality) else 0.0
        if self._shown is not None and t_s - self._shown_s <= _AFTER_S:
            last = self.hints[-1]
            self.hints[-1] = replace(last, best_after=max(last.best_after, value))
        if shown is self._shown:
            return
        self._shown = None
        if shown is not None and len(self.hints) < MOST_HINTS:
            self._shown, self._shown_s = shown, t_s
            self.hints.append(Hint(shown, t_s - self._started_s, value, 0.0))
