"""What became of punches: every correction taken in, in whatever order they are told."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from edged.attendance.punch import Correction, Punch, Repeat

if TYPE_CHECKING:
    from collections.abc import Iterable


class Corrections:
    """All corrections that there are; of each punch the one that was recorded last counts."""

    def __init__(self, told: Iterable[Correction] = ()) -> None:
        self._last: dict[str, Correction] = {}
        self._more: dict[str, int] = {}
        for one in sorted(told, key=lambda one: one.seq):
            if one.folds is not None:
                self._more[one.folds] = self._more.get(one.folds, 0) + 1
            else:
                self._last[one.root] = one
        # what stands somewhere because of one of them, by its time
        self._placed = sorted(
            (one.ms, one.root) for one in self._last.values() if one.ms is not None
        )

    def of(self, punch_id: str) -> Correction | None:
        """What counts of a punch; None: nobody corrected it."""
        return self._last.get(punch_id)

    def more(self, punch_id: str) -> int:
        """Presentations of a punch that were recorded late."""
        return self._more.get(punch_id, 0)

    def placed(self, begin_ms: int, end_ms: int) -> list[Correction]:
        """Those that put a punch into this time, by it."""
        first = bisect_left(self._placed, (begin_ms, ""))
        last = bisect_left(self._placed, (end_ms, ""))
        return [self._last[root] for _, root in self._placed[first:last]]


def effective(
    told: Iterable[Punch | Repeat], corrections: Corrections, begin_ms: int, end_ms: int
) -> tuple[list[Punch], list[Correction]]:
    """The punches of a time as they count, by person and time; and what was said of those that are
    there no more.

    Args:
        told: every punch of that time as it was recorded, and its repeats, which may come later.
    """
    first: dict[str, Punch] = {}
    counts: dict[str, int] = {}
    for one in told:
        if isinstance(one, Punch):
            first[one.id] = one
        else:
            counts[one.folds] = counts.get(one.folds, 0) + 1
    found: list[Punch] = []
    gone: list[Correction] = []
    for punch in first.values():
        if not begin_ms <= punch.ms < end_ms:
            continue
        correction = corrections.of(punch.id)
        if correction is None:
            found.append(punch)
        elif correction.ms is None or not begin_ms <= correction.ms < end_ms:
            gone.append(correction)
    for correction in corrections.placed(begin_ms, end_ms):
        assert correction.ms is not None  # noqa: S101  # that is where it is placed
        assert correction.state is not None  # noqa: S101  # likewise
        before = first.get(correction.root)
        synced = correction.synced if before is None else before.synced
        found.append(
            Punch(
                correction.root, correction.person, correction.state, correction.ms,
                synced=synced, made=correction,
            )
        )  # fmt: skip
    counted = [_counted(one, counts.get(one.id, 0) + corrections.more(one.id)) for one in found]
    counted.sort(key=lambda one: (one.person, one.ms, one.id))
    return counted, gone


def _counted(punch: Punch, more: int) -> Punch:
    return replace(punch, count=1 + more) if more else punch
