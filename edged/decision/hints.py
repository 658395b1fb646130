"""Did the hint help? What followed each instruction that was shown; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.types import Instruction

MOST_HINTS = 32
"""Of one presentation; later ones are not kept."""

_BEFORE_S = 0.5  # one frame's quality says little: means over so long are compared
_AFTER_S = 1.0
_MOST_FRAMES = 64  # of one mean, at any frame rate
_SMALLEST_RISE = 0.05


@dataclass(frozen=True, slots=True)
class Hint:
    """One instruction, from its first frame on.

    Attributes:
        after_s: since the presentation began.
        before: mean quality of the half second until it was shown, 0-1; a view that is never
            matched has 0.
        best_after: best mean quality of half a second (or of what there was) within the next
            second, 0-1; None when no frame came any more.
        noise: standard deviation of the quality before.
    """

    instruction: Instruction
    after_s: float
    before: float
    best_after: float | None
    noise: float = 0.0

    @property
    def gain(self) -> float | None:
        """By how much the quality rose; None when no frame came any more."""
        return None if self.best_after is None else self.best_after - self.before

    @property
    def helped(self) -> bool:
        """Whether the quality rose by more than noise."""
        return self.gain is not None and self.gain > max(_SMALLEST_RISE, self.noise)


class HintLog:
    """Follows one presentation; bounded, however long it takes.

    Args:
        started_s: when it began, in the same time as `update`.
    """

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._shown: Instruction | None = None
        self._followed_s = float("-inf")  # since when the last hint is; long ago: none is
        self._recent: deque[tuple[float, float]] = deque(maxlen=_MOST_FRAMES)
        self.hints: list[Hint] = []

    def update(self, t_s: float, shown: Instruction | None, quality: float | None) -> None:
        """Take in one frame: what is shown from now on, and how good the view was."""
        if not isfinite(t_s):
            return
        self._recent.append((t_s, quality if quality is not None and 0 <= quality <= 1 else 0.0))
        if 0 < t_s - self._followed_s <= _AFTER_S:
            self._follow(t_s)
        if shown is self._shown:
            return
        self._shown = shown
        if shown is None:
            return
        self._followed_s = float("-inf")
        if len(self.hints) < MOST_HINTS:
            self._followed_s = t_s
            before = self._since(t_s - _BEFORE_S)
            waited_s = t_s - self._started_s if isfinite(self._started_s) else 0.0
            self.hints.append(Hint(shown, waited_s, fmean(before), None, pstdev(before)))

    def _follow(self, t_s: float) -> None:
        """Compare the last half second with the best one since the hint, once it was one."""
        mean = fmean(self._since(max(self._followed_s, t_s - _BEFORE_S)))
        last = self.hints[-1]
        if last.best_after is not None and t_s - self._followed_s > _BEFORE_S:
            mean = max(mean, last.best_after)
        self.hints[-1] = replace(last, best_after=mean)

    def _since(self, t_s: float) -> list[float]:
        """The qualities after a moment; the last frame's at least."""
        return [quality for when, quality in self._recent if when > t_s] or [self._recent[-1][1]]
