"""What happens once a day by the wall clock, also when that is set for summer time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo


def local(at: float, zone: tzinfo) -> datetime:
    """A moment (Unix seconds) by the wall clock."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone)


def day_of(at: float, zone: tzinfo) -> int:
    """The number of the local day."""
    return local(at, zone).toordinal()


def last_time(clock: str, at: float, zone: tzinfo) -> float:
    """When it was ``clock`` (``HH:MM``) last, at `at` or before, Unix seconds.

    Where the clock is put forward over that time it is as much later; where it is put back, it is
    the first of the two.
    """
    wanted = clock_time.fromisoformat(clock)
    day = local(at, zone).date()
    while True:
        found = datetime.combine(day, wanted, zone).timestamp()
        if found <= at:
            return found
        day -= timedelta(days=1)
