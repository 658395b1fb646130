"""Which hints help: counts with their bounds, and a sentence where one does not; pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edged.history.store import Kept

_Z = 1.959963984540054  # 95 %
_FEWEST = 20
_SELDOM = 0.5

_CAUSES = {
    "come_closer": "move the camera nearer to where people stop",
    "step_back": "mount the camera farther away",
    "more_light": "put a lamp above the door",
    "avoid_backlight": "turn the camera away from the bright side, or hang a blind",
    "hold_still": "shorten the camera's exposure by more light, and wipe the lens",
    "center_face": "aim the camera at the faces' height",
    "raise_head": "mount the camera lower",
    "lower_head": "mount the camera higher",
}
_ANY_CAUSE = "watch on the installer's page what people do"


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    events: int
    of: int

    @property
    def value(self) -> float | None:
        """0-1; None of nothing."""
        return self.events / self.of if self.of else None

    @property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval by Wilson (1927); anything is possible of nothing."""
        if not self.of:
            return 0.0, 1.0
        share, spread = self.events / self.of, _Z * _Z / self.of
        middle = share + spread / 2
        reach = sqrt(spread * (share * (1 - share) + spread / 4))
        low, high = (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)
        return max(0.0, low), min(1.0, high)

    def document(self) -> dict[str, Any]:
        """Fit for JSON."""
        low, high = self.bounds
        share = None if self.value is None else round(self.value, 4)
        return {
            "count": self.events,
            "of": self.of,
            "share": share,
            "low": round(low, 4),
            "high": round(high, 4),
        }

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        low, high = self.bounds
        return f"{self.value:.0%} ({low:.0%}-{high:.0%})"


@dataclass(frozen=True, slots=True)
class Followed:
    """What followed one instruction.

    Attributes:
        shown: how many times.
        rose: after how many of those that were followed by a frame the quality rose.
        gain: the median of what it rose by; None where nobody knows.
        granted: of the presentations that had it, how many ended well.
    """

    code: str
    shown: int
    rose: Share
    gain: float | None
    granted: Share

    @property
    def helps(self) -> bool:
        """False where the quality hardly ever rose, as far as can be told by the number."""
        return self.rose.of < _FEWEST or self.rose.bounds[1] >= _SELDOM

    def sentence(self) -> str:
        """What to do about one that does not help."""
        return (
            f"{self.code} does not help here: after {self.rose.of} the quality rose "
            f"{self.rose.events} times, {self.rose}; {_CAUSES.get(self.code, _ANY_CAUSE)}"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What followed each instruction, most shown first, and how it goes without any."""

    presentations: int
    without: Share
    hints: tuple[Followed, ...]

    @property
    def sentences(self) -> list[str]:
        """One for each hint that does not help."""
        return [hint.sentence() for hint in self.hints if not hint.helps]


def report(presentations: Iterable[Kept]) -> Report:
    """Count."""
    shown: dict[str, list[tuple[float | None, bool]]] = defaultdict(list)
    ended: dict[str, list[bool]] = defaultdict(list)
    without: list[bool] = []
    number = 0
    for one in presentations:
        number += 1
        granted = one.ended == "granted"
        for hint in one.hints:
            shown[hint.code].append((hint.gain, hint.rose))
        for code in {hint.code for hint in one.hints}:
            ended[code].append(granted)
        if not one.hints:
            without.append(granted)
    hints = [_followed(code, rows, ended[code]) for code, rows in shown.items()]
    hints.sort(key=lambda hint: (-hint.shown, hint.code))
    return Report(number, Share(sum(without), len(without)), tuple(hints))


def _followed(code: str, rows: list[tuple[float | None, bool]], ended: list[bool]) -> Followed:
    gains = [gain for gain, _ in rows if gain is not None]
    rose = sum(rose for gain, rose in rows if gain is not None)
    return Followed(
        code=code,
        shown=len(rows),
        rose=Share(rose, len(gains)),
        gain=median(gains) if gains else None,
        granted=Share(sum(ended), len(ended)),
    )
