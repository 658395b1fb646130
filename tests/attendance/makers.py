"""Punches and corrections to be judged."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from edged.attendance.corrected import Corrections
from edged.attendance.day import Day, summarise
from edged.attendance.punch import Correction, Punch
from edged.attendance.workday import WorkDays

if TYPE_CHECKING:
    from edged.config.attendance import PunchState

BERLIN = ZoneInfo("Europe/Berlin")
WHO = "4711"
NOBODY = Corrections()


def ms(text: str) -> int:
    """Of a time with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def identity(number: int) -> str:
    return f"{number:032x}"


def at(number: int, state: PunchState, when: int, person: str = WHO, **more: Any) -> Punch:
    return Punch(identity(number), person, state, when, **more)


def said(
    seq: int,
    root: int,
    action: str,
    state: PunchState | None = None,
    when: int | None = None,
    **more: Any,
) -> Correction:
    """A correction of the punch `root`; its own id is that of `seq`."""
    person = more.pop("person", WHO)
    return Correction(identity(seq), seq, person, identity(root), action, state, when, **more)  # type: ignore[arg-type]


def days(zone: Any = BERLIN, begins: str = "04:00") -> WorkDays:
    return WorkDays(zone, begins)


def walked(*told: tuple[str, str], day: str = "2026-03-02", now: str | None = None) -> Day:
    """A day in Berlin: state and local time ``HH:MM[:SS]`` with an offset, or a whole time."""
    of = date.fromisoformat(day)
    punches = [
        at(number, state, ms(when if "T" in when else f"{day}T{when}+01:00"))  # type: ignore[arg-type]
        for number, (state, when) in enumerate(told)
    ]
    _, end_ms = days().span(of)
    return summarise(WHO, of, punches, end_ms if now is None else ms(now), end_ms)
