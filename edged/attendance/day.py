"""One person's working day out of their punches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from edged.attendance.punch import Correction, Punch

Doing = Literal["work", "break", "field", "overtime"]
LONGEST_MS = 16 * 3_600_000

ANOMALIES = (
    "in_without_out",
    "out_without_in",
    "break_without_return",
    "return_without_break",
    "punch_while_away",
    "over_16_h",
    "clock_unsynced",
)
"""What somebody has to look at, in this order."""


@dataclass(frozen=True, slots=True)
class Span:
    """What somebody did from when until when, ms since 1970."""

    doing: Doing
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Day:
    """A working day of a person; times are ms since 1970, sums are real time that passed, in ms.

    Attributes:
        first_in_ms, last_out_ms: None: there was none.
        worked_ms: all work, `overtime_ms` and `field_ms` in it.
        present: they have not left yet, and the day is not over.
        corrections: all that somebody said of this day's punches.
    """

    person: str
    day: date
    punches: tuple[Punch, ...]
    spans: tuple[Span, ...]
    anomalies: tuple[str, ...]
    first_in_ms: int | None
    last_out_ms: int | None
    present: bool
    worked_ms: int = 0
    break_ms: int = 0
    overtime_ms: int = 0
    field_ms: int = 0
    corrections: tuple[Correction, ...] = ()

    @property
    def breaks(self) -> int:
        """How many."""
        return sum(span.doing == "break" for span in self.spans)

    @property
    def presentations(self) -> int:
        """How often they stood before the terminal."""
        return sum(punch.count for punch in self.punches)


@dataclass
class _Walk:
    """Through a day, punch by punch."""

    doing: Doing | None = None  # None: away
    resume: Doing = "work"  # what a break or field work interrupted
    since_ms: int = 0
    came_ms: int = 0
    spans: list[Span] = field(default_factory=list)
    sums: dict[Doing, int] = field(
        default_factory=lambda: {"work": 0, "break": 0, "field": 0, "overtime": 0}
    )
    found: set[str] = field(default_factory=set)

    def step(self, punch: Punch) -> None:
        before = self.doing
        match punch.state:
            case "in":
                if before in ("work", "overtime"):
                    self.found.add("in_without_out")
                self._to("work", punch.ms)
            case "overtime":
                self._to("overtime", punch.ms)
            case "out":
                if before is None:
                    self.found.add("out_without_in")
                self._leave(punch.ms)
            case "return":
                if before is None:
                    self.found.add("punch_while_away")
                elif before in ("work", "overtime"):
                    self.found.add("return_without_break")
                self._to("work" if before is None else self._resumed, punch.ms)
            case _:  # break, field
                if before is None:
                    self.found.add("punch_while_away")
                self._to(punch.state, punch.ms)
        if before == "break" and punch.state != "return":
            self.found.add("break_without_return")

    @property
    def _resumed(self) -> Doing:
        return self.resume if self.doing in ("break", "field") else self.doing or "work"

    def _to(self, doing: Doing, ms: int) -> None:
        if self.doing is None:
            self.came_ms, self.resume = ms, "work"
        self._close(ms)
        if doing in ("work", "overtime"):
            self.resume = doing
        self.doing, self.since_ms = doing, ms

    def _leave(self, ms: int) -> None:
        self._close(ms)
        if self.doing is not None:
            self.long(ms)
        self.doing = None

    def long(self, ms: int) -> None:
        if ms - self.came_ms > LONGEST_MS:
            self.found.add("over_16_h")

    def _close(self, ms: int) -> None:
        if self.doing is not None and ms > self.since_ms:
            self.sums[self.doing] += ms - self.since_ms
            last = self.spans[-1] if self.spans else None
            if last is not None and (last.doing, last.end_ms) == (self.doing, self.since_ms):
                self.spans[-1] = Span(self.doing, last.begin_ms, ms)
            else:
                self.spans.append(Span(self.doing, self.since_ms, ms))


def summarise(
    person: str,
    day: date,
    punches: Sequence[Punch],
    now_ms: int,
    end_ms: int,
    gone: Sequence[Correction] = (),
) -> Day:
    """A day's summary. Time counts from one punch to the next; what is open at the end does not.

    Args:
        punches: of that person and day, by time.
        now_ms: a day that is not over then may be open.
        end_ms: of the day.
        gone: corrections that took punches away from it.
    """
    walk = _Walk()
    for punch in punches:
        walk.step(punch)
    present = walk.doing is not None and now_ms < end_ms
    if present:
        walk.long(now_ms)
    elif walk.doing is not None:
        walk.found.add("in_without_out")
        if walk.doing == "break":
            walk.found.add("break_without_return")
    if not all(punch.synced for punch in punches):
        walk.found.add("clock_unsynced")
    made = [punch.made for punch in punches if punch.made is not None]
    return Day(
        person,
        day,
        tuple(punches),
        tuple(walk.spans),
        tuple(name for name in ANOMALIES if name in walk.found),
        next((one.ms for one in punches if one.state in ("in", "overtime")), None),
        next((one.ms for one in reversed(punches) if one.state == "out"), None),
        present,
        walk.sums["work"] + walk.sums["field"] + walk.sums["overtime"],
        walk.sums["break"],
        walk.sums["overtime"],
        walk.sums["field"],
        tuple(sorted((*made, *gone), key=lambda one: one.seq)),
    )
