"""Working days: which one a moment belongs to, exactly, whatever the clocks are put to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MS = timedelta(milliseconds=1)
# a clock may say anything; these leave room for a day and any zone at both ends
_FIRST_MS, _LAST_MS = -62_135_000_000_000, 253_402_000_000_000


class WorkDays:
    """The working days of a time zone.

    A day begins where its clock first shows `begins`; where it never does (summer time began just
    then), at the moment when it would have. So it has 23, 24 or 25 hours, and no moment is in two
    days or in none.

    Args:
        begins: ``HH:MM``.
    """

    def __init__(self, zone: tzinfo, begins: str = "00:00") -> None:
        self.zone = zone
        self._begins = time.fromisoformat(begins)

    def begin(self, day: date) -> int:
        """When a day begins, ms since 1970, UTC."""
        local = datetime.combine(day, self._begins, tzinfo=self.zone)
        return (local - _EPOCH) // _MS

    def span(self, day: date) -> tuple[int, int]:
        """From when on, and until when (not in it any more)."""
        return self.begin(day), self.begin(day + _DAY)

    def of(self, ms: int) -> date:
        """The working day of a moment; what lies beyond a calendar is taken for its end."""
        ms = min(max(ms, _FIRST_MS), _LAST_MS)
        day = self.local(ms).date()
        while self.begin(day) > ms:
            day -= _DAY
        while self.begin(day + _DAY) <= ms:
            day += _DAY
        return day

    def local(self, ms: int) -> datetime:
        """A moment as the clock on the wall shows it, with its offset."""
        return (_EPOCH + timedelta(milliseconds=ms)).astimezone(self.zone)


def moment(text: str, zone: tzinfo | None = None) -> int:
    """Milliseconds since 1970 of an RFC 3339 time; a leap second is the one that follows it.

    Args:
        zone: of a time that does not say it; None: it has to.

    Raises:
        ValueError: it is none, or one that the clocks of the zone skip.
    """
    leap = len(text) > 18 and text[16:19] == ":60"
    found = datetime.fromisoformat(text[:16] + ":59" + text[19:] if leap else text)
    if found.tzinfo is None:
        if zone is None:
            raise ValueError("the time does not say its zone; write Z or an offset at its end")
        wall = found
        found = wall.replace(tzinfo=zone)
        if found.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=wall.fold) != wall:
            raise ValueError("the clock skips this time on that day; write an offset at its end")
    return (found - _EPOCH) // _MS + 1000 * leap
