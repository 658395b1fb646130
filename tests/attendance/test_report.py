"""Reports: every format says the same, and no text in them becomes anything but text."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from edged.attendance.corrected import Corrections
from edged.attendance.out_csv import CsvReport
from edged.attendance.out_html import HtmlReport
from edged.attendance.out_json import JsonReport
from edged.attendance.out_text import TextReport
from edged.attendance.punch import Punch, Repeat
from edged.attendance.report import Heading, Renderer, Totals, people_of
from edged.attendance.words import clock, hours, whole_s
from tests.attendance.makers import BERLIN, WHO, at, days, identity, ms, said

if TYPE_CHECKING:
    from collections.abc import Callable

EVIL = "<script>alert(1)</script>"
FORMULA = "=HYPERLINK(1)"
DAY = date(2026, 3, 2)
NOW = ms("2026-03-10T12:00+01:00")


def heading(first: date = DAY, last: date = DAY, **more: Any) -> Heading:
    fields = {"terminal": "hq/door-1", "zone": "Europe/Berlin", "begins": "04:00", "made_ms": NOW}
    return Heading(first=first, last=last, days=days(BERLIN), **(fields | more))


def rendered(
    make: Callable[[Heading], Renderer],
    told: list[Punch | Repeat],
    corrections: Corrections | None = None,
    head: Heading | None = None,
    now: int = NOW,
) -> str:
    head = head or heading()
    renderer, totals = make(head), Totals()
    text, day = renderer.begin(), head.first
    while day <= head.last:
        people = people_of(day, head.days, told, corrections or Corrections(), now)
        for one in people:
            totals.add(one)
        text += renderer.day(day, people)
        day += timedelta(days=1)
    return text + renderer.end(totals.sorted())


def shift(person: str = WHO, day: str = "2026-03-02", number: int = 0) -> list[Punch | Repeat]:
    times = ("in", "08:00"), ("break", "12:00"), ("return", "12:30"), ("out", "17:00")
    return [
        at(10 * number + n, state, ms(f"{day}T{when}+01:00"), person)  # type: ignore[arg-type]
        for n, (state, when) in enumerate(times)
    ]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_says_a_day_of_a_person_in_each_line() -> None:
    told = [*shift(), *shift("b", number=1), Repeat("b", identity(10))]
    first, second = rows(rendered(CsvReport, told))
    assert first == {
        "date": "2026-03-02",
        "person_id": WHO,
        "name": "",
        "first_in": "2026-03-02T08:00:00+01:00",
        "last_out": "2026-03-02T17:00:00+01:00",
        "worked_s": "30600",
        "break_s": "1800",
        "breaks": "1",
        "overtime_s": "0",
        "field_s": "0",
        "punches": "4",
        "presentations": "4",
        "present": "no",
        "anomalies": "",
        "corrected_by": "",
    }
    assert (second["person_id"], second["presentations"]) == ("b", "5")


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", " =", "\t=", "\r=", "\n=", "\uff1d", "\uff20"]
)
def test_no_spreadsheet_takes_a_cell_for_a_formula(start: str) -> None:
    who, by = f"{start}1+1", f"{start}cmd|' /C calc'!A0"
    corrections = Corrections(
        [said(50, 0, "replace", "in", ms("2026-03-02T08:00+01:00"), by=by, person=who)]
    )
    told = shift(who)
    text = rendered(CsvReport, told, corrections, heading(names={who: by}))
    for row in rows(text):
        for name in ("person_id", "name", "corrected_by"):
            assert row[name].startswith("'") or not row[name]
    assert len(rows(text)) == 1
    assert rows(text)[0]["person_id"].endswith("1+1")


@pytest.mark.parametrize("cell", ["Eve;=1+1", "Eve; =1+1", 'Eve";\t@x', "\u200b=1+1", ";;-1"])
def test_no_formula_begins_where_a_semicolon_parts_cells(cell: str) -> None:
    text = rendered(CsvReport, shift("4711"), Corrections(), heading(names={"4711": cell}))
    (row,) = rows(text)
    for part in row["name"].split(";"):
        assert not part.lstrip(" \ufffd").startswith(("=", "+", "-", "@"))


def test_nobody_writes_a_line_of_their_own_into_a_csv() -> None:
    who = 'x\r\n2026-03-02,"boss\x00\u2028'
    (row,) = rows(rendered(CsvReport, shift(who)))
    assert row["person_id"] == 'x\ufffd\ufffd2026-03-02,"boss\ufffd\ufffd'


def test_json_tells_every_punch_with_its_id_and_every_correction() -> None:
    made = said(50, 1, "replace", "break", ms("2026-03-02T11:30+01:00"), by="hr", why="clock")
    gone = said(51, 2, "void", by="hr")
    told = [*shift(), *shift(day="2026-03-03", number=1), Repeat(WHO, identity(0))]
    text = rendered(
        JsonReport,
        told,
        Corrections([made, gone]),
        heading(last=DAY + timedelta(days=2), names={WHO: "Zoë"}),
    )
    told_ = json.loads(text)
    assert (told_["from"], told_["to"], told_["zone"]) == (
        "2026-03-02",
        "2026-03-04",
        "Europe/Berlin",
    )
    first, second = told_["days"]
    assert first["name"] == "Zoë"
    assert [punch["id"] for punch in first["punches"]] == [identity(n) for n in (0, 1, 3)]
    assert [punch["count"] for punch in first["punches"]] == [2, 1, 1]
    assert [punch["corrected"] for punch in first["punches"]] == [False, True, False]
    assert [made["action"] for made in first["corrections"]] == ["replace", "void"]
    assert first["corrections"][0]["why"] == "clock"
    assert first["anomalies"] == ["break_without_return"]
    assert second["worked_s"] == 30_600
    assert told_["totals"] == [
        {
            "person_id": WHO,
            "name": "Zoë",
            "days": 2,
            "worked_s": 30_600 + 12_600,
            "break_s": 1800 + 19_800,
            "overtime_s": 0,
            "field_s": 0,
            "anomalies": 1,
        }
    ]


def test_json_of_nothing_is_json() -> None:
    told = json.loads(rendered(JsonReport, [], head=heading(last=DAY + timedelta(days=3))))
    assert (told["days"], told["totals"]) == ([], [])
    late = [*shift(day="2026-03-04"), *shift("b", day="2026-03-04", number=1)]
    head = heading(last=DAY + timedelta(days=3))
    assert len(json.loads(rendered(JsonReport, late, head=head))["days"]) == 2


def test_text_says_it_for_the_eyes() -> None:
    told = [
        *shift(),
        at(90, "overtime", ms("2026-03-02T18:00+01:00"), "b"),
        at(91, "field", ms("2026-03-02T19:00+01:00"), "b"),
        at(92, "out", ms("2026-03-02T21:30+01:00"), "b"),
        at(93, "in", ms("2026-03-02T22:00+01:00"), "c"),
        Repeat("c", identity(93)),
    ]
    corrections = Corrections(
        [said(95, 92, "replace", "out", ms("2026-03-02T21:30+01:00"), person="b")]
    )
    text = rendered(
        TextReport, told, corrections, heading(names={"b": "Bo"}), now=ms("2026-03-02T23:00+01:00")
    )
    assert "08:00 17:00  worked 8:30  break 0:30\n" in text
    assert "18:00 21:30  worked 3:30  overtime 1:00  field 2:30  (corrected by somebody)" in text
    assert "22:00     -  worked 0:00  (not left yet; 1 repeated)" in text
    assert "b            Bo" in text
    assert "no punches" in rendered(TextReport, [])


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def test_html_shows_each_day_drawn_and_as_a_table() -> None:
    told = [
        *shift(),
        *shift(day="2026-03-04", number=1),
        at(90, "overtime", ms("2026-03-02T18:00+01:00"), "b"),
        at(91, "field", ms("2026-03-02T19:00+01:00"), "b"),
    ]
    head = heading(last=DAY + timedelta(days=2), names={WHO: "Zoë"})
    page = Page(rendered(HtmlReport, told, head=head))
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("table") == 3
    drawings = [about for tag, about in page.tags if tag == "svg" and "role" in about]
    labels = [about["aria-label"] for about in drawings if about["aria-label"] != "Day"]
    assert "04:0008:0012:0016:0020:0000:00" in page.said
    assert labels[0] == ("work 08:00 to 12:00; break 12:00 to 12:30; work 12:30 to 17:00")
    assert labels[1] == "overtime 18:00 to 19:00"
    bars = [about for tag, about in page.tags if tag == "rect" and about.get("y") == "4"]
    widths = [float(about["width"] or 0) for about in bars[:3]]
    assert widths == pytest.approx([80, 10, 90], abs=0.11)  # of 480 for 24 hours
    assert "Zoë" in page.said
    assert "Monday 2026-03-02" in page.said
    assert "in without out" in page.said
    assert "No punches." in rendered(HtmlReport, [])


def test_html_draws_a_day_of_25_hours_as_long_as_it_was() -> None:
    told: list[Punch | Repeat] = [
        at(1, "in", ms("2026-10-25T02:30:00+02:00")),
        at(2, "out", ms("2026-10-25T02:30:00+01:00")),
        at(3, "out", ms("2026-10-24T03:00:00+02:00")),
    ]
    day = date(2026, 10, 24)
    page = Page(rendered(HtmlReport, told, head=heading(day, day), now=NOW * 2))
    (bar,) = [about for tag, about in page.tags if tag == "rect" and about.get("y") == "4"]
    assert float(bar["width"] or 0) == pytest.approx(480 / 25, abs=0.11)
    assert "work 02:30 (+0200) to 02:30 (+0100)" in str(page.tags)


def test_html_loads_nothing_runs_nothing_and_shows_text_as_text() -> None:
    who, by = f'"{EVIL}', f"{EVIL}\x00\u202e"
    corrections = Corrections(
        [said(50, 0, "replace", "in", ms("2026-03-02T08:00+01:00"), by=by, person=who)]
    )
    head = heading(names={who: f"{EVIL}&amp;"}, terminal=f"hq/{EVIL}", zone=EVIL)
    text = rendered(HtmlReport, shift(who), corrections, head)
    page = Page(text)
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe", "object"})
    names = {name for _, about in page.tags for name in about}
    assert not {name for name in names if name.startswith("on") or name in ("href", "src")}
    assert text.count("http") == 1  # http-equiv
    assert "url(" not in text
    assert "default-src 'none'" in str(page.tags)
    assert f"{EVIL}&amp;" in page.said
    assert "\x00" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("ms_", "text"), [(0, "0:00"), (59_499, "0:00"), (59_500, "0:01"), (360_000_000, "100:00")]
)
def test_sums_are_written_in_hours_and_minutes(ms_: int, text: str) -> None:
    assert hours(ms_) == text
    assert whole_s(ms_) == round(ms_ / 1000)


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    assert clock(days(), ms("2026-10-25T02:30:00+02:00")) == "02:30 (+0200)"
    assert clock(days(), ms("2026-10-25T02:30:00+01:00")) == "02:30 (+0100)"
    assert clock(days(), ms("2026-10-25T04:30:00+01:00")) == "04:30"
    assert clock(days(), None) == ""


def test_only_those_who_are_wanted_are_told() -> None:
    told = [*shift(), *shift("b", number=1)]
    found = people_of(DAY, days(), told, Corrections(), NOW, lambda person: person == "b")
    assert [one.person for one in found] == ["b"]


def test_a_day_whose_only_punch_was_made_void_is_still_told() -> None:
    told: list[Punch | Repeat] = [at(1, "in", ms("2026-03-02T08:00+01:00"))]
    (one,) = people_of(DAY, days(), told, Corrections([said(5, 1, "void", by="hr")]), NOW)
    assert (one.punches, one.anomalies, [made.by for made in one.corrections]) == ((), (), ["hr"])
