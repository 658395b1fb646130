"""A report as one HTML page: a table and a drawing of each day, nothing loaded, no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from edged.attendance.style import POLICY, STYLE
from edged.attendance.words import clock, exact, hours, remarks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from edged.attendance.day import Day
    from edged.attendance.report import Heading, Total

_WIDTH, _HEIGHT = 480, 20
_HOUR_MS = 3_600_000
_EVERY_H = 4
_SAID = {"work": "work", "break": "break", "field": "field work", "overtime": "overtime"}
_COLUMNS = ("Person", "Day", "In", "Out", "Worked", "Breaks", "Overtime", "Field", "To look at")
_SUMS = ("Person", "Days", "Worked", "Breaks", "Overtime", "Field", "To look at")


class HtmlReport:
    """One page; what comes from the log stands in it as text only."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading

    def begin(self) -> str:
        heading = self._heading
        title = f"Attendance {heading.first} to {heading.last}"
        legend = "".join(
            f'<span><svg class="key" viewBox="0 0 24 12" aria-hidden="true"><rect class="{kind}" '
            f'x="0.5" y="0.5" width="23" height="11"/></svg>{said}</span>'
            for kind, said in _SAID.items()
        )
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>\n"
            f"<h1>{_text(title)}</h1><p>{_text(heading.terminal)}, times of "
            f"{_text(heading.zone)}; a day begins at {_text(heading.begins)}. "
            f"Made {_text(exact(heading.days, heading.made_ms))}.</p>"
            f'<p class="legend">{legend}</p>\n'
        )

    def day(self, day: date, people: list[Day]) -> str:
        if not people:
            return ""
        rows = "".join(self._row(one) for one in people)
        return (
            f"<section><table><caption>{day:%A} {day.isoformat()}</caption>"
            f"{_head(_COLUMNS)}<tbody>{rows}</tbody></table></section>\n"
        )

    def end(self, totals: list[Total]) -> str:
        rows = "".join(
            f"<tr>{self._who(one.person)}"
            + _cells(
                str(one.days),
                *(hours(ms) for ms in (one.worked_ms, one.break_ms, one.overtime_ms, one.field_ms)),
                str(one.anomalies),
            )
            + "</tr>"
            for one in totals
        )
        sums = (
            f"<section><table><caption>In all</caption>{_head(_SUMS)}<tbody>{rows}</tbody></table>"
            "</section>"
        )
        return f"{sums if totals else '<p>No punches.</p>'}\n</body></html>\n"

    def _row(self, one: Day) -> str:
        days = self._heading.days
        notes = ", ".join(remarks(one))
        marked = ' class="look"' if one.anomalies else ""
        return (
            f'<tr{marked}>{self._who(one.person)}<td class="chart">{self._chart(one)}</td>'
            + _cells(
                clock(days, one.first_in_ms),
                clock(days, one.last_out_ms),
                hours(one.worked_ms),
                hours(one.break_ms) if one.breaks else "",
                hours(one.overtime_ms) if one.overtime_ms else "",
                hours(one.field_ms) if one.field_ms else "",
            )
            + f'<td class="note">{_text(notes)}</td></tr>\n'
        )

    def _who(self, person: str) -> str:
        name = self._heading.name_of(person)
        shown = f"<br><bdi>{_text(name)}</bdi>" if name else ""
        return f'<th scope="row"><bdi>{_text(person)}</bdi>{shown}</th>'

    def _chart(self, one: Day) -> str:
        """The day from its beginning to its end, as long as it really was."""
        days = self._heading.days
        begin_ms, end_ms = days.span(one.day)

        def x(ms: int) -> str:
            return f"{_WIDTH * (ms - begin_ms) / max(1, end_ms - begin_ms):.1f}"

        hour = range(begin_ms, end_ms, _EVERY_H * _HOUR_MS)
        ticks = "".join(f'<path class="tick" d="M{x(ms)} 0V{_HEIGHT}"/>' for ms in hour)
        said = []
        bars = []
        for span in one.spans:
            left, right = float(x(span.begin_ms)), float(x(span.end_ms))
            told = f"{_SAID[span.doing]} {clock(days, span.begin_ms)} to {clock(days, span.end_ms)}"
            said.append(told)
            bars.append(
                f'<rect class="{span.doing}" x="{left:.1f}" y="4" width="{right - left:.1f}" '
                f'height="12"><title>{_text(told)}</title></rect>'
            )
        marks = "".join(
            f'<path class="punch" d="M{x(punch.ms)} 1V{_HEIGHT - 1}">'
            f"<title>{_text(f'{punch.state} {clock(days, punch.ms)}')}</title></path>"
            for punch in one.punches
        )
        label = _text("; ".join(said) or "nothing counted")
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
            f"{ticks}{''.join(bars)}{marks}</svg>"
        )


def _head(columns: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{column}</th>' for column in columns)
    return f"<thead><tr>{cells}</tr></thead>"


def _cells(*values: str) -> str:
    return "".join(f'<td class="n">{_text(value)}</td>' for value in values)


def _text(value: object) -> str:
    """As text, whatever it is; what no page may hold is shown as such."""
    plain = "".join(one if one.isprintable() else "\ufffd" for one in str(value))
    return escape(plain, quote=True)
