"""A report as CSV, of which no spreadsheet makes a formula."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from edged.attendance.words import exact, whole_s

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from edged.attendance.day import Day
    from edged.attendance.report import Heading, Total

# also as wide ones; where a comma is the decimal point, a semicolon begins a cell, quoted or not
_FORMULA = re.compile(r"(^|;)([\s\ufffd]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
COLUMNS = (
    "date", "person_id", "name", "first_in", "last_out", "worked_s", "break_s", "breaks",
    "overtime_s", "field_s", "punches", "presentations", "present", "anomalies", "corrected_by",
)  # fmt: skip


class CsvReport:
    """A line for each person and day; times with their offset, sums in seconds."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading

    def begin(self) -> str:
        return _lines([COLUMNS])

    def day(self, day: date, people: list[Day]) -> str:
        return _lines(self._row(day, one) for one in people)

    def end(self, totals: list[Total]) -> str:  # noqa: ARG002  # a sum is no day
        return ""

    def _row(self, day: date, one: Day) -> tuple[object, ...]:
        days = self._heading.days
        return (
            day.isoformat(),
            one.person,
            self._heading.name_of(one.person),
            exact(days, one.first_in_ms) or "",
            exact(days, one.last_out_ms) or "",
            whole_s(one.worked_ms),
            whole_s(one.break_ms),
            one.breaks,
            whole_s(one.overtime_ms),
            whole_s(one.field_ms),
            len(one.punches),
            one.presentations,
            "yes" if one.present else "no",
            " ".join(one.anomalies),
            "; ".join(dict.fromkeys(correction.by for correction in one.corrections)),
        )


def harmless(value: object) -> object:
    """Text in one line of its own, and marked as text where a spreadsheet would take it for a
    formula."""
    if not isinstance(value, str):
        return value
    plain = value
    if not value.isprintable():
        plain = "".join(one if one.isprintable() else "\ufffd" for one in value)
    return _FORMULA.sub(r"\1'\2", plain)


def _lines(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [harmless(value) for value in row] for row in rows
    )
    return text.getvalue()
