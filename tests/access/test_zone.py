"""Which zone counts, and that a change of the machine's is noticed."""

from __future__ import annotations

import logging
import os
import shutil
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from edged.access.calendar import Calendar
from edged.access.zone import MachineZone, source_of, zone_of
from tests.access.books import at, configured

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)


def hours(zone: tzinfo) -> float:
    offset = SUMMER.astimezone(zone).utcoffset()
    assert offset is not None
    return offset.total_seconds() / 3600


def compiled(name: str) -> Path:
    """A compiled zone, wherever this machine has it."""
    return files("tzdata").joinpath("zoneinfo", *name.split("/"))  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def no_zone_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)


def test_the_configured_zone_is_always_the_same_object() -> None:
    source = source_of(configured(time_zone="Asia/Tokyo"))
    assert source() is source()
    assert hours(source()) == 9
    assert zone_of(configured(time_zone="Asia/Tokyo")) == ZoneInfo("Asia/Tokyo")


def test_without_a_configured_zone_it_is_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert hours(zone_of(configured(time_zone=None))) == -4


def test_another_file_in_the_place_of_the_zone_is_noticed(tmp_path: Path) -> None:
    place = tmp_path / "localtime"
    shutil.copy(compiled("Europe/Berlin"), tmp_path / "berlin")
    shutil.copy(compiled("Asia/Tokyo"), tmp_path / "tokyo")
    place.symlink_to("berlin")
    machine = MachineZone(place)
    first = machine()
    assert hours(first) == 2
    assert machine() is first
    place.unlink()
    place.symlink_to("tokyo")
    assert hours(machine()) == 9
    assert machine.fault is None
    place.unlink()
    assert hours(machine()) == 0


def test_the_variable_tz_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copy(compiled("Asia/Tokyo"), tmp_path / "tokyo")
    machine = MachineZone(tmp_path / "tokyo")
    assert hours(machine()) == 9
    for text, expected in [
        ("Europe/Berlin", 2),
        (":America/New_York", -4),
        (f":{tmp_path / 'tokyo'}", 9),
        ("UTC", 0),
        ("", 9),
    ]:
        monkeypatch.setenv("TZ", text)
        assert hours(machine()) == expected
        assert machine.fault is None


@pytest.mark.parametrize(
    "text",
    ["Europe/Berlni", "CET-1CEST,M3.5.0,M10.5.0/3", "../../etc/passwd", "/dev/null", "a" * 5000],
)
def test_what_names_no_zone_is_utc_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    monkeypatch.setenv("TZ", text)
    machine = MachineZone()
    with caplog.at_level(logging.WARNING):
        zone = machine()
        assert machine() is zone
    assert hours(zone) == 0
    assert machine.fault is not None
    assert "give time_zone" in machine.fault
    assert len(caplog.records) == 1


@pytest.mark.parametrize("content", [b"", b"garbage", b"TZif2", os.urandom(500)])
def test_a_file_that_is_no_zone_is_utc_and_told(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "localtime"
    place.write_bytes(content)
    machine = MachineZone(place)
    assert hours(machine()) == 0
    assert machine.fault is not None
    assert "localtime" in machine.fault


def test_a_calendar_follows_the_machine_s_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    week = {"days": {"daily": ["08:00-09:00"]}}
    book = Calendar.of(configured(time_zone=None, schedules={"it": week}))
    assert book.in_force("it", at("2026-07-01T08:30", "Europe/Berlin"))
    monkeypatch.setenv("TZ", "America/New_York")
    assert not book.in_force("it", at("2026-07-01T08:30", "Europe/Berlin"))
    assert book.in_force("it", at("2026-07-01T08:30", "America/New_York"))
