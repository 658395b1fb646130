"""``desired``: schedules and holidays that the site sets, over the YAML's."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from edged.access.rulebook import Rulebook
from edged.errors import ConfigError
from edged.service.desired import merged
from tests.access.books import ask, at, configured
from tests.service.kit import PERSON, wait
from tests.service.manager import allowed, applied, desire, lives

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.kit import Door, Views

OFFICE = {"days": {"mon-fri": ["08:00-18:00"], "holidays": []}}
LATER = {"days": {"mon-fri": ["10:00-18:00"], "holidays": []}, "valid_from": "2026-01-01"}
YAML = configured(
    schedules={"office": OFFICE},
    holidays={"dates": ["2026-12-24"]},
    access={"rules": [{"name": "staff", "when": "office"}]},
)


def opens(moment: str, **settings: Any) -> bool:
    book = Rulebook.of(merged(YAML, settings))
    return book.rule(ask("staff", when=at(moment))).allowed


def test_a_schedule_of_the_site_takes_the_place_of_the_yaml_s() -> None:
    assert opens("2026-06-01T09:00")
    assert not opens("2026-06-01T09:00", schedules={"office": LATER})
    assert opens("2026-06-01T11:00", schedules={"office": LATER})
    beside = merged(YAML, {"schedules": {"spare": LATER}})
    assert set(beside.schedules) == {"office", "spare"}


def test_holidays_of_the_site_take_the_place_of_the_yaml_s() -> None:
    assert not opens("2026-12-24T12:00")
    days = {"dates": ["2026-06-01", "2026-06-02"]}
    assert not opens("2026-06-01T12:00", holidays=days)
    assert opens("2026-12-24T12:00", holidays=days)
    assert merged(YAML, {"holidays": days}).holidays.dates[0] == date(2026, 6, 1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"schedules": {"office": {"days": {"mon": ["8-18"]}}}}, "schedules"),
        ({"schedules": {"office": {"days": {"mon": ["08:00-08:00"]}}}}, "ends when it begins"),
        ({"schedules": {"office": None}}, "schedules.office"),
        ({"schedules": {"a b": OFFICE}}, "schedules"),
        ({"schedules": {"always": OFFICE}}, "built in"),
        ({"schedules": [OFFICE]}, "schedules (not an object)"),
        ({"schedules": {"office": {**OFFICE, "valid_until": "soon"}}}, "valid_until"),
        ({"holidays": {"country": "FR"}}, "cannot be set from afar: holidays.country"),
        ({"holidays": {"calendars": ["/etc/shadow"]}}, "cannot be set from afar"),
        ({"holidays": {"dates": ["2026-02-30"]}}, "holidays.dates.0"),
        ({"access": {"rules": []}}, "cannot be set from afar: access"),
    ],
)
def test_what_makes_no_rulebook_is_refused_with_the_reason(
    settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        merged(YAML, settings)
    assert text in str(caught.value)


def test_a_schedule_of_the_site_decides_at_the_door(
    open_door: Callable[..., Door], views: Views
) -> None:
    never = {"days": {"daily": []}}
    door = open_door(
        lambda terminal: terminal.enrol(views),
        mqtt=allowed(),
        schedules={"office": {"days": {"daily": ["00:00-24:00"]}}},
        access={"rules": [{"name": "staff", "when": "office"}]},
    )
    door.stage.show("near")
    granted = door.site.event("access.granted", person_id=PERSON)
    assert granted["data"]["by"]["rule"] == "staff"
    seq = door.leave()
    desire(door.site, 1, {"schedules": {"office": never}})
    wait(lambda: lives(door) == 2)
    applied(door.site, 1, "applied")
    door.stage.show("near")
    denied = door.site.event("access.denied", after=seq)
    assert (denied["data"]["reason"], denied["data"]["person_id"]) == ("no_rule", PERSON)
