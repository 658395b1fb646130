"""How times and sums are written in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.attendance.day import Day
    from edged.attendance.workday import WorkDays

ANOMALY = {
    "in_without_out": "in without out",
    "out_without_in": "out without in",
    "break_without_return": "break without return",
    "return_without_break": "return without break",
    "punch_while_away": "punch while away",
    "over_16_h": "over 16 h",
    "clock_unsynced": "clock not known to be right",
}


def whole_s(ms: int) -> int:
    """Seconds, to the nearest."""
    return (ms + 500) // 1000


def hours(ms: int) -> str:
    """``7:45`` hours and minutes; the last minute counts when it is over."""
    minutes = whole_s(ms) // 60
    return f"{minutes // 60}:{minutes % 60:02d}"


def clock(days: WorkDays, ms: int | None) -> str:
    """``08:01`` by the wall; with the offset in the hour that comes twice; "" for None."""
    if ms is None:
        return ""
    local = days.local(ms)
    text = local.strftime("%H:%M")
    twice = local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()
    return f"{text} ({local.strftime('%z')})" if twice else text


def exact(days: WorkDays, ms: int | None) -> str | None:
    """RFC 3339 with the offset of that moment."""
    return None if ms is None else days.local(ms).isoformat(timespec="seconds")


def remarks(day: Day) -> list[str]:
    """What somebody has to know of a day."""
    told = [ANOMALY[name] for name in day.anomalies]
    told += ["not left yet"] if day.present else []
    folded = day.presentations - len(day.punches)
    told += [f"{folded} repeated"] if folded else []
    by = dict.fromkeys(one.by or "somebody" for one in day.corrections)
    return [*told, *(f"corrected by {who}" for who in by)]
