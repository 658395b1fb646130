"""Moments as people write them, in a zone; pure."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_LONGEST = 40
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def moment(text: str, zone: tzinfo, now: float) -> float:
    """Unix seconds of ``2026-12-24T23:10``, the same with its zone, ``2026-12-24`` or ``23:10``.

    Without a zone it is the wall clock's; of a time that comes twice the first is meant.

    Raises:
        ValueError: it is none of these, or a time that the clock skips.
    """
    text = text.strip()
    if _CLOCK.fullmatch(text):
        text = f"{datetime.fromtimestamp(now, zone).date().isoformat()}T{text}"
    try:
        found = datetime.fromisoformat(text[:_LONGEST])
    except ValueError:
        raise ValueError(
            "expected a time such as 2026-12-24T23:10, 2026-12-24T23:10+01:00 or 23:10"
        ) from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"expected a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    if found.tzinfo is not None:
        return found.timestamp()
    at = found.replace(tzinfo=zone, fold=0).timestamp()
    if datetime.fromtimestamp(at, zone).replace(tzinfo=None, fold=0) != found:
        raise ValueError("the clock skips this time on that day")
    return at


def midnight(day: date, zone: tzinfo) -> float:
    """When a local day begins, Unix seconds: where its midnight is skipped, right after."""
    wall = datetime(day.year, day.month, day.day, tzinfo=zone)
    after, before = (int(wall.replace(fold=fold).timestamp()) for fold in (0, 1))
    while after - before > 1:  # in a gap they lie on either side of it
        middle = (after + before) // 2
        if datetime.fromtimestamp(middle, zone).date() < day:
            before = middle
        else:
            after = middle
    return after


def said(at: float, zone: tzinfo) -> str:
    """A moment for people: ``Thu 24 Dec 2026 23:10 CET``."""
    local = datetime.fromtimestamp(at, zone)
    seconds = f":{local.second:02}" if local.second else ""
    return f"{local:%a %d %b %Y %H:%M}{seconds} {local:%Z}".rstrip()


def written(at: float, zone: tzinfo) -> str:
    """A moment for programs: RFC 3339 with the zone's offset."""
    return datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")


def week_of(at: float, zone: tzinfo) -> list[date]:
    """The seven local days, Monday first, among which a moment is."""
    day = datetime.fromtimestamp(at, zone).date()
    monday = day - timedelta(days=day.weekday())
    return [monday + timedelta(days=number) for number in range(7)]
