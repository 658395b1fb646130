"""A report as one JSON document, written as it is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edged.attendance.words import exact, whole_s
from edged.events.types import utc_text

if TYPE_CHECKING:
    from datetime import date

    from edged.attendance.day import Day
    from edged.attendance.report import Heading, Total


class JsonReport:
    """Everything, every punch with its id."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading
        self._first = True

    def begin(self) -> str:
        heading = self._heading
        told = {
            "terminal": heading.terminal,
            "from": heading.first.isoformat(),
            "to": heading.last.isoformat(),
            "zone": heading.zone,
            "day_begins": heading.begins,
            "made": utc_text(heading.made_ms),
        }
        return json.dumps(told)[:-1] + ', "days": ['

    def day(self, day: date, people: list[Day]) -> str:
        text = ", ".join(json.dumps(self._told(day, one)) for one in people)
        if not text or self._first:
            self._first &= not text
            return text
        return ", " + text

    def end(self, totals: list[Total]) -> str:
        return '], "totals": ' + json.dumps([self._sums(total) for total in totals]) + "}\n"

    def _who(self, person: str) -> dict[str, Any]:
        name = self._heading.name_of(person)
        return {"person_id": person} | ({"name": name} if name else {})

    def _told(self, day: date, one: Day) -> dict[str, Any]:
        days = self._heading.days
        return {
            "date": day.isoformat(),
            **self._who(one.person),
            "first_in": exact(days, one.first_in_ms),
            "last_out": exact(days, one.last_out_ms),
            "worked_s": whole_s(one.worked_ms),
            "break_s": whole_s(one.break_ms),
            "breaks": one.breaks,
            "overtime_s": whole_s(one.overtime_ms),
            "field_s": whole_s(one.field_ms),
            "presentations": one.presentations,
            "present": one.present,
            "anomalies": list(one.anomalies),
            "punches": [
                {
                    "id": punch.id,
                    "state": punch.state,
                    "time": exact(days, punch.ms),
                    "count": punch.count,
                    "clock": "synced" if punch.synced else "unsynced",
                    "corrected": punch.made is not None,
                }
                for punch in one.punches
            ],
            "corrections": [
                {
                    "event": made.id,
                    "punch": made.root,
                    "action": made.action,
                    "by": made.by,
                    "why": made.why,
                }
                for made in one.corrections
            ],
        }

    def _sums(self, total: Total) -> dict[str, Any]:
        return {
            **self._who(total.person),
            "days": total.days,
            "worked_s": whole_s(total.worked_ms),
            "break_s": whole_s(total.break_ms),
            "overtime_s": whole_s(total.overtime_ms),
            "field_s": whole_s(total.field_ms),
            "anomalies": total.anomalies,
        }
