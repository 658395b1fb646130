"""``edged attendance``: working days out of a real log, and corrections into it."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.gallery.store import make_gallery
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran, Site

DAY = ("--from", "2026-03-02", "--to", "2026-03-02")


def punched(site: Site, *told: tuple[str, str, str]) -> list[str]:
    """Record punches as a terminal does, at times of Berlin: person, state, time."""
    config, clock = load(site.config), [0.0]
    outbox = make_outbox(config.events, load_key(config.key), lambda: clock[0])
    outbox.believe = lambda: "synced"
    outbox.open()
    made = []
    for person, state, when in told:
        clock[0] = datetime.fromisoformat(f"{when}+01:00").timestamp()
        data = {"person_id": person, "state": state, "by": "role", "reader": "camera", "count": 1}
        made.append(outbox.append("attendance.punched", data).id)
    outbox.close()
    return made


@pytest.fixture
def office(site: Site) -> Site:
    site.configure(time_zone="Europe/Berlin", attendance={"keys": ["break"]})
    return site


@pytest.fixture
def shift(office: Site) -> list[str]:
    return punched(
        office,
        ("4711", "in", "2026-03-02T08:00"),
        ("4712", "in", "2026-03-02T09:00"),
        ("4711", "out", "2026-03-02T17:00"),
        ("4712", "out", "2026-03-03T02:00"),
        ("4711", "in", "2026-03-03T08:00"),
    )


def enrol(site: Site, person_id: str, name: str | None) -> None:
    config = load(site.config)
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    view = np.zeros(192, np.float32)
    view[0] = 1
    gallery.add(person_id, view, model="m", quality=0.9, source="photo", limit=5, name=name)
    gallery.close()


@pytest.fixture
def report(office: Site, edged: Callable[..., Ran]) -> Callable[..., Ran]:
    return lambda *more: edged("attendance", "report", "-c", office.config, *more)


def test_a_report_of_days_that_end_after_midnight(
    shift: list[str], report: Callable[..., Ran]
) -> None:
    told = report(*DAY, "--json").json
    assert [(one["person_id"], one["worked_s"]) for one in told["days"]] == [
        ("4711", 9 * 3600),
        ("4712", 17 * 3600),
    ]
    assert told["days"][0]["punches"][0]["id"] == shift[0]
    assert told["days"][1]["anomalies"] == ["over_16_h"]
    both = report("--from", "2026-03-02", "--to", "2026-03-03", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(both.out)))
    assert [row["date"] for row in rows] == ["2026-03-02", "2026-03-02", "2026-03-03"]
    assert rows[2]["anomalies"] == "in_without_out"


def test_a_report_in_another_zone_and_with_other_days(
    shift: list[str], report: Callable[..., Ran]
) -> None:
    midnight = report(*DAY, "--day-begins", "00:00", "--json").json
    assert midnight["days"][1]["anomalies"] == ["in_without_out"]
    tokyo = report(*DAY, "--zone", "Asia/Tokyo", "--json").json
    assert tokyo["days"][0]["first_in"] == "2026-03-02T16:00:00+09:00"
    assert tokyo["zone"] == "Asia/Tokyo"


def test_a_report_of_one_person_with_the_name_only_if_it_is_asked_for(
    office: Site, shift: list[str], report: Callable[..., Ran]
) -> None:
    enrol(office, "4711", "Zoë")
    told = report(*DAY, "--person", "4711", "--json").json
    assert [one["person_id"] for one in told["days"]] == ["4711"]
    assert "Zoë" not in report(*DAY).out
    assert "Zoë" in report(*DAY, "--names").out
    assert report(*DAY, "--person", "nobody", "--json").json["days"] == []


def test_a_report_into_a_file_of_its_owner_alone(
    shift: list[str], report: Callable[..., Ran], tmp_path: Path
) -> None:
    out = tmp_path / "march.html"
    assert report(*DAY, "--format", "html", "--out", out).code == 0
    text = out.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert text.endswith("</html>\n")
    assert out.stat().st_mode & 0o777 == 0o600
    again = report(*DAY, "--format", "html", "--out", out)
    assert again.code == 1
    assert "left as it is" in again.err
    assert out.read_text() == text
    assert report(*DAY, "--out", tmp_path / "nowhere" / "x").code == 1


def test_what_cannot_be_reported_is_bad_usage(shift: list[str], report: Callable[..., Ran]) -> None:
    for more in (
        ("--from", "2026-03-03", "--to", "2026-03-02"),
        ("--from", "2000-01-01", "--to", "2026-03-02"),
        ("--from", "yesterday", "--to", "2026-03-02"),
        ("--from", "2026-02-29", "--to", "2026-03-02"),
        ("--from", "0001-01-01", "--to", "0001-01-02"),
        ("--from", "9999-12-31", "--to", "9999-12-31"),
        ("--from", "2026-03-02"),
        (*DAY, "--zone", "Berlin"),
        (*DAY, "--zone", "../../etc/passwd"),
        (*DAY, "--day-begins", "25:00"),
        (*DAY, "--day-begins", "4:00"),
        (*DAY, "--day-begins", "\u0660\u0664:\u0660\u0660"),
        (*DAY, "--person", "\udcff"),
        (*DAY, "--json", "--format", "csv"),
        (*DAY, "--format", "pdf"),
    ):
        assert report(*more).code == 2, more


def test_without_a_log_there_is_nothing_to_report(report: Callable[..., Ran]) -> None:
    ran = report(*DAY)
    assert ran.code == 1
    assert "never ran" in ran.err


@pytest.fixture
def correct(office: Site, edged: Callable[..., Ran]) -> Callable[..., Ran]:
    def run(*more: object) -> Ran:
        return edged("attendance", "correct", "-c", office.config, *more, "--why", "forgot")

    return run


def test_corrections_change_the_report_and_not_the_log(
    office: Site, shift: list[str], report: Callable[..., Ran], correct: Callable[..., Ran]
) -> None:
    moved = correct("replace", "4711", "--punch", shift[2], "--time", "2026-03-02T18:00", "--json")
    assert moved.code == 0, moved.out
    assert moved.json["id"] == shift[2]
    assert moved.json["time"] == "2026-03-02T17:00:00.000Z"
    added = correct(
        "add",
        "4711",
        "--state",
        "break",
        "--time",
        "2026-03-02T12:00+01:00",
        "--who",
        "hr-7",
        "--json",
    ).json
    assert correct("add", "4711", "--state", "return", "--time", "2026-03-02T12:30").code == 0
    assert correct("void", "4712", "--punch", shift[1]).code == 0
    first, second = report(*DAY, "--json").json["days"]
    assert (first["worked_s"], first["break_s"]) == (9.5 * 3600, 1800)
    assert [one["by"] for one in first["corrections"]] == ["local", "hr-7", "local"]
    assert first["corrections"][0]["why"] == "forgot"
    assert second["anomalies"] == ["out_without_in"]
    # a correction is corrected by the id of the punch that it added
    assert correct("void", "4711", "--punch", added["id"]).code == 0
    assert report(*DAY, "--json").json["days"][0]["anomalies"] == ["return_without_break"]
    config = load(office.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    told = [event for event in outbox.events() if event.type == "attendance.punched"]
    outbox.close()
    assert [event.id for event in told] == shift
    assert told[2].time == "2026-03-02T16:00:00.000Z"


def test_a_correction_of_a_correction_and_of_a_repeat_is_one_of_the_punch(
    office: Site, shift: list[str], correct: Callable[..., Ran]
) -> None:
    config = load(office.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    data = {"person_id": "4711", "state": "in", "by": "repeat", "reader": "camera", "count": 2}
    repeat = outbox.append("attendance.punched", {**data, "folds": shift[0]}).id
    other = outbox.append("access.granted", {"person_id": "4711"}).id
    outbox.close()
    by_repeat = correct("replace", "4711", "--punch", repeat, "--state", "overtime", "--json").json
    assert by_repeat["id"] == shift[0]
    again = correct(
        "replace", "4711", "--punch", by_repeat["event"], "--time", "2026-03-02T07:00", "--json"
    ).json
    assert (again["id"], again["state"]) == (shift[0], "overtime")
    void = correct("void", "4711", "--punch", shift[0], "--json").json
    assert (void["state"], void["time"]) == (None, None)
    back = correct("replace", "4711", "--punch", void["event"], "--state", "in", "--json").json
    assert (back["id"], back["time"]) == (shift[0], "2026-03-02T07:00:00.000Z")
    assert correct("void", "4711", "--punch", other).code == 1


def test_what_makes_no_sense_is_not_recorded(
    office: Site, shift: list[str], correct: Callable[..., Ran], edged: Callable[..., Ran]
) -> None:
    at_noon = "--time", "2026-03-02T12:00"
    refused: list[tuple[str, ...]] = [
        ("void", "4711", "--punch", "0" * 32),
        ("void", "4711", "--punch", "garbage"),
        ("void", "4711"),
        ("void", "4712", "--punch", shift[0]),
        ("replace", "4711", "--punch", shift[0]),
        ("replace", "4711", "--punch", shift[0], "--time", "soon"),
        ("add", "nobody", "--state", "in", *at_noon),
    ]
    misused: list[tuple[str, ...]] = [
        ("add", "4711", "--state", "asleep", *at_noon),
        ("add", "x" * 65, "--state", "in", *at_noon),
        ("add", "4711", "--state", "in", *at_noon, "--who", "x\ny"),
        ("add", "4711", "--state", "in", *at_noon, "--who", "x" * 101),
        ("erase", "4711"),
    ]
    for code, cases in ((1, refused), (2, misused)):
        for asked in cases:
            assert correct(*asked).code == code, asked
    log = edged("events", "query", "-c", office.config, "--type", "attendance.c*", "--json").json
    assert log["events"] == []


def test_whoever_is_enrolled_may_have_forgotten_every_punch(
    office: Site, shift: list[str], correct: Callable[..., Ran]
) -> None:
    enrol(office, "4799", None)
    add = "add", "4799", "--state", "in", "--time", "2026-03-02T12:00"
    assert correct(*add).code == 0
