"""When schedules hold, all times that can come at once: minutes as the bits of a number; pure.

A schedule is the same every week but for holidays and the days on which it becomes or ceases to
be valid. So a few days stand for all: after each such day a week and a day, and each of them as a
holiday or not, after a holiday or not.
"""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import TYPE_CHECKING

from edged.access.weekly import DAY_MIN, DAYS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from edged.access.weekly import Weekly

MOST_ERAS = 60
_A_WEEK_AND_A_DAY = 8


class Grid:
    """What `Weekly` says for every kind of day from today on.

    Args:
        names: the schedules that will be asked for.
        holidays: whether there can be any.
        today: ordinal of the day that is the first to count.

    Attributes:
        until: the day from which on nothing is known, as there are too many days on which
            schedules become or cease to be valid; None: all is known.
    """

    def __init__(
        self,
        schedules: Mapping[str, Weekly],
        names: Collection[str],
        *,
        holidays: bool,
        today: int,
    ) -> None:
        self._schedules = schedules
        self._bits: dict[str, int] = {}
        used = [schedules[name] for name in names]
        turns = {one.first for one in used if one.first is not None}
        turns |= {one.last + 1 for one in used if one.last is not None}
        begins = sorted({today, *(turn for turn in turns if turn > today)})
        self.until = date.fromordinal(begins[MOST_ERAS]) if len(begins) > MOST_ERAS else None
        begins, end_of_all = begins[:MOST_ERAS], begins[MOST_ERAS] if self.until else None
        self._dated = len(begins) > 1
        flags = (False, True) if holidays else (False,)
        self._kinds = [
            (day, holiday, eve)
            for begin, end in zip(begins, [*begins[1:], end_of_all], strict=True)
            for day in range(begin, min(begin + _A_WEEK_AND_A_DAY, end or begin + 10))
            for holiday, eve in product(flags, flags)
        ]

    def of(self, name: str) -> int:
        """The minutes at which a schedule holds; 0: never."""
        found = self._bits.get(name)
        if found is None:
            weekly = self._schedules[name]
            days = (_minutes(weekly, *kind) for kind in self._kinds)
            found = self._bits[name] = int.from_bytes(b"".join(days), "little")
        return found

    def first(self, minutes: int) -> str:
        """The first of some minutes, for people: ``mon 08:00``."""
        number, minute = divmod((minutes & -minutes).bit_length() - 1, DAY_MIN)
        day, holiday, _ = self._kinds[number]
        words = [DAYS[(day - 1) % 7], f"{minute // 60:02}:{minute % 60:02}"]
        if self._dated:
            words.insert(0, date.fromordinal(day).isoformat())
        return " ".join([*words, *(["of a holiday"] if holiday else [])])


def _minutes(weekly: Weekly, day: int, holiday: bool, eve: bool) -> bytes:
    """A day's minutes, one a bit."""
    found = 0
    for begin, end, _ in weekly.pieces(day, holiday=holiday, eve=eve):
        found |= ((1 << (end - begin)) - 1) << begin
    return found.to_bytes(DAY_MIN // 8, "little")
