"""What an event says of areas, whoever sent it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edged.access.presence import Erased, Forgotten, LetIn, Moved
from edged.mqtt.contract.table import EVENTS
from edged.service.areas_words import Reader

NOW = "2026-03-01T08:00:20.310Z"
ORDER = 1_772_352_020_310
READER = Reader("lobby-1", "lab", lambda: ZoneInfo("Europe/Berlin"))
PASSED: dict[str, Any] = EVENTS["access.passed"].example
CHANGED: dict[str, Any] = EVENTS["area.changed"].example


def test_a_passage_says_where_somebody_is_and_that_somebody_came() -> None:
    moved, let_in = READER.said("lobby-2", "access.passed", NOW, PASSED)
    assert moved == Moved("4711", "lab", ORDER, "lobby-2")
    assert isinstance(let_in, LetIn)
    assert let_in.groups == {"staff"}


@pytest.mark.parametrize("change", [{"area": "cellar"}, {"groups": []}, {"direction": "out"}])
def test_who_goes_elsewhere_opens_nobodys_day(change: dict[str, Any]) -> None:
    said = READER.said("lobby-2", "access.passed", NOW, PASSED | change)
    assert [type(word) for word in said] == [Moved]


def test_without_an_area_only_the_own_door_opens_the_day() -> None:
    reader = Reader("lobby-1", None, READER.zone)
    data = PASSED | {"area": None}
    assert [type(w) for w in reader.own("access.passed", NOW, data)] == [LetIn]
    assert reader.said("lobby-2", "access.passed", NOW, data) == []


def test_a_correction_moves_one_or_forgets_all() -> None:
    assert READER.said("a", "area.changed", NOW, CHANGED) == [Moved("4711", None, ORDER, "a")]
    everybody = CHANGED | {"person_id": None}
    assert READER.said("a", "area.changed", NOW, everybody) == [Forgotten(ORDER)]


def test_of_the_own_log_what_has_to_do_with_areas_counts() -> None:
    assert READER.own("gallery.erased", NOW, {"person_id": "4711"}) == [Erased("4711")]
    assert READER.own("gallery.erased", NOW, {}) == []
    assert READER.own("door.opened", NOW, {"order": 1}) == []
    assert READER.own("access.passed", NOW, {}) == []  # its content was taken away


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("access.passed", {"order": None}),
        ("access.passed", {"order": True}),
        ("access.passed", {"order": 0}),
        ("access.passed", {"order": 2**53}),
        ("access.passed", {"order": 1.5}),
        ("access.passed", {"area": 7}),
        ("access.passed", {"area": "a b"}),
        ("access.passed", {"area": "lab\n"}),
        ("access.passed", {"direction": "up"}),
        ("access.passed", {"direction": []}),
        ("access.passed", {"person_id": None}),
        ("access.passed", {"person_id": "x" * 65}),
        ("access.passed", {"groups": "staff"}),
        ("access.passed", {"groups": ["staff"] * 101}),
        ("access.passed", {"groups": [7]}),
        ("access.passed", {"groups": ["x" * 201]}),
        ("area.changed", {"person_id": ""}),
        ("access.granted", {}),
    ],
)
def test_what_cannot_be_is_refused(kind: str, change: dict[str, Any]) -> None:
    example = CHANGED if kind == "area.changed" else PASSED
    with pytest.raises(ValueError, match=r"is|passed"):
        READER.said("lobby-2", kind, NOW, example | change)


def test_a_passage_at_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="now"):
        READER.said("lobby-2", "access.passed", "now", PASSED)
