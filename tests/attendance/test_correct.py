"""What a correction comes to, or why it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from edged.attendance.correct import Request, corrected
from edged.errors import AttendanceError
from tests.attendance.makers import BERLIN, WHO, at, identity, ms

NOW = ms("2026-03-03T12:00+00:00")
STANDS = at(1, "in", ms("2026-03-02T08:00+00:00"))


def asked(action: str, stands: Any = STANDS, zone: Any = None, **more: Any) -> dict[str, Any]:
    punch = None if stands is None else identity(1)
    fields = {"person": WHO, "punch": punch, "why": "because", "who": "hr"} | more
    return corrected(Request(action=action, **fields), stands, NOW, zone)  # type: ignore[arg-type]


def test_what_is_left_out_stays_as_it_stands() -> None:
    assert asked("replace", state="out") == {
        "person_id": WHO,
        "action": "replace",
        "punch": identity(1),
        "state": "out",
        "time": "2026-03-02T08:00:00.000Z",
        "why": "because",
        "who": "hr",
    }
    moved = asked("replace", time="2026-03-02T09:30:00+01:00")
    assert (moved["state"], moved["time"]) == ("in", "2026-03-02T08:30:00.000Z")


def test_a_punch_is_added_and_one_made_void() -> None:
    added = asked("add", None, BERLIN, state="break", time="2026-03-02T12:00")
    assert (added["punch"], added["time"]) == (None, "2026-03-02T11:00:00.000Z")
    void = asked("void")
    assert (void["punch"], void["state"], void["time"]) == (identity(1), None, None)


@pytest.mark.parametrize(
    ("action", "more", "why"),
    [
        ("add", {"state": "in", "time": "2026-03-02T12:00Z"}, "name none"),
        ("add", {"stands": None, "state": "in"}, "its state and its time"),
        ("add", {"stands": None, "time": "2026-03-02T12:00Z"}, "its state and its time"),
        ("replace", {"stands": None, "state": "in"}, "name the event"),
        ("void", {"stands": None}, "name the event"),
        ("replace", {"person": "somebody", "state": "out"}, "somebody else's"),
        ("void", {"state": "in"}, "no state and no time"),
        ("void", {"time": "2026-03-02T12:00Z"}, "no state and no time"),
        ("replace", {}, "its state, its time, or both"),
        ("replace", {"time": "noon"}, "such as"),
        ("replace", {"time": "2026-03-02T12:00"}, "zone"),
        ("replace", {"time": "1999-12-31T23:59:59Z"}, "before 2000"),
        ("replace", {"time": "2026-03-04T12:00:01Z"}, "a day ahead"),
        ("replace", {"time": "0001-01-01T00:00:00+14:00"}, "before 2000|none"),
    ],
)
def test_what_makes_no_sense_is_refused_with_why(
    action: str, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(AttendanceError, match=why):
        asked(action, **more)
