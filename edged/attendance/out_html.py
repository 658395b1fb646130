"""A report as one HTML page: a table and a drawing of each day, nothing loaded, no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from edged.attendance.style import POLICY, STYLE
from edged.attendance.words import clock, exact, hours, remarks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from edged.attendance.day import Day
    from edged.attendance.report import Heading, Total

_WIDTH, _HEIGHT = 480, 20
_HOUR_MS = 3_600_000
_EVERY_H = 4
_SAID = {"work": "work", "break": "break", "field": "field work", "overtime": "overtime"}
_COLUMNS = ("In", "Out", "Worked", "Breaks", "Overtime", "Field")
_SUMS = ("Days", "Worked", "Breaks", "Overtime", "Field", "To look at")
_PERSON = '<th scope="col">Person</th>'


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
            f"<thead><tr>{_PERSON}"
            f'<th scope="col" class="chart">{self._axis(day)}</th>{_heads(_COLUMNS)}'
            f'<th scope="col">To look at</th></tr></thead><tbody>{rows}</tbody></table></section>\n'
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
            f"<section><table><caption>In all</caption><thead><tr>{_PERSON}{_heads(_SUMS)}"
            f"</tr></thead><tbody>{rows}</tbody></table></section>"
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

    def _scale(self, day: date) -> tuple[Callable[[int], float], list[int]]:
        """From moments of a day to places, and where its hours are told: the day is as long as it
        really was."""
        begin_ms, end_ms = self._heading.days.span(day)
        length_ms = max(1, end_ms - begin_ms)

        def place(ms: int) -> float:
            return round(_WIDTH * (ms - begin_ms) / length_ms, 1)

        return place, list(range(begin_ms, end_ms, _EVERY_H * _HOUR_MS))

    def _axis(self, day: date) -> str:
        place, told = self._scale(day)
        texts = "".join(
            f'<text x="{place(ms)}" y="15">{self._heading.days.local(ms):%H:%M}</text>'
            for ms in told
        )
        return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Day">{texts}</svg>'

    def _chart(self, one: Day) -> str:
        days = self._heading.days
        x, told_at = self._scale(one.day)
        ticks = "".join(f'<path class="tick" d="M{x(ms)} 0V{_HEIGHT}"/>' for ms in told_at)
        said = []
        bars = []
        for span in one.spans:
            left, right = x(span.begin_ms), x(span.end_ms)
            told = f"{_SAID[span.doing]} {clock(days, span.begin_ms)} to {clock(days, span.end_ms)}"
            said.append(told)
            bars.append(
                f'<rect class="{span.doing}" x="{left}" y="4" width="{right - left:.1f}" '
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


def _heads(columns: Iterable[str]) -> str:
    return "".join(f'<th scope="col" class="n">{column}</th>' for column in columns)


def _cells(*values: str) -> str:
    return "".join(f'<td class="n">{_text(value)}</td>' for value in values)


def _text(value: object) -> str:
    """As text, whatever it is; what no page may hold is shown as such."""
    plain = "".join(one if one.isprintable() else "\ufffd" for one in str(value))
    return escape(plain, quote=True)
