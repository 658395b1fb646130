"""A report for the eyes, in a console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.attendance.words import clock, hours, remarks

if TYPE_CHECKING:
    from datetime import date

    from edged.attendance.day import Day
    from edged.attendance.report import Heading, Total


class TextReport:
    """A line for each person and day, and one for each person at the end."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading

    def begin(self) -> str:
        heading = self._heading
        return (
            f"{heading.terminal}: {heading.first} to {heading.last}, {heading.zone}, "
            f"days begin at {heading.begins}\n"
        )

    def day(self, day: date, people: list[Day]) -> str:
        days = self._heading.days
        lines = [f"{day:%Y-%m-%d %a}"] if people else []
        for one in people:
            came = clock(days, one.first_in_ms) or "-"
            left = clock(days, one.last_out_ms) or "-"
            told = f"  {self._who(one.person)}  {came:>5} {left:>5}  worked {hours(one.worked_ms)}"
            told += f"  break {hours(one.break_ms)}" if one.breaks else ""
            told += f"  overtime {hours(one.overtime_ms)}" if one.overtime_ms else ""
            told += f"  field {hours(one.field_ms)}" if one.field_ms else ""
            notes = "; ".join(remarks(one))
            lines.append(f"{told}  ({notes})" if notes else told)
        return "".join(f"{line}\n" for line in lines)

    def end(self, totals: list[Total]) -> str:
        lines = [
            f"  {self._who(one.person)}  {one.days:>3} days  worked {hours(one.worked_ms)}"
            f"  overtime {hours(one.overtime_ms)}  to look at: {one.anomalies}"
            for one in totals
        ]
        return "".join(f"{line}\n" for line in (["in all", *lines] if lines else ["no punches"]))

    def _who(self, person: str) -> str:
        name = self._heading.name_of(person)
        return f"{person:<12}" + (f" {name:<20}" if name else "")
