"""What another terminal may sign, mad or stolen, and other words that nobody foresaw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edged.access.order import LATEST
from edged.access.request import Ruling, Subject
from edged.service.peers import Said
from tests.service.kit import wait
from tests.service.test_areas import ANYBODY, HARD, NOON, Here
from tests.service.test_areas import make as make  # noqa: PLC0414  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

TIME = "2026-03-01T12:00:00.000Z"
NOW = int(NOON * 1000)


def say(here: Here, kind: str, time: str = TIME, **data: Any) -> None:
    """As if it came from the wire; once it is done with."""
    done: list[None] = []
    whole = {"person_id": "eve", "area": "lab", "order": NOW, **data}
    if kind == "access.passed":
        whole = {"direction": "in", "groups": ["staff"], "passback": False, **whole}
    here.areas._inbox.put(Said("b", kind, time, whole, lambda: done.append(None)))
    wait(lambda: done)


@pytest.mark.parametrize(
    "time", ["2026-03-01T12:00:00", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"]
)
def test_a_time_that_cannot_be_costs_no_passage_of_ones_own(
    make: Callable[..., Here], time: str
) -> None:
    here = make(time_zone="Pacific/Kiritimati")
    going = here.areas.granted(Subject("ada"), ANYBODY, "in", NOON)
    say(here, "access.passed", time)
    going.entered()
    wait(lambda: [e["person_id"] for e in here.events("access.passed")] == ["ada"])
    assert "areas" not in here.state.degraded


def test_whoever_is_in_a_thousand_groups_is_the_first_one_in_all_the_same(
    make: Callable[..., Here],
) -> None:
    rules = [{"name": "crew", "groups": ["crew"], "after": ["zz-keys"]}]
    here = make(access={"area": HARD, "rules": rules})
    crew = Subject("bob", frozenset({"crew"}))
    ruling = Ruling(allowed=True, reason="permitted", rule="crew", after=("zz-keys",))
    found = here.areas.objection(crew, ruling, "in", NOON)
    assert found is not None
    assert found.reason == "nobody_in_yet"
    many = Subject("ada", frozenset({f"g{number:03}" for number in range(999)} | {"zz-keys"}))
    assert here.areas.objection(many, ANYBODY, "in", NOON) is None
    here.areas.granted(many, ANYBODY, "in", NOON).entered()
    wait(lambda: here.events("access.passed"))
    wait(lambda: here.areas.objection(crew, ruling, "in", NOON) is None)


def test_a_terminal_of_the_far_future_does_not_end_all_counting(make: Callable[..., Here]) -> None:
    here = make()
    say(here, "area.changed", person_id=None, area=None, order=LATEST - 1)
    here.passes("ada")
    assert here.reason("ada") == "anti_passback"


def test_a_terminal_whose_clock_is_a_year_ahead_counts(make: Callable[..., Here]) -> None:
    here = make()
    say(here, "access.passed", order=NOW + 365 * 86_400_000)
    assert here.reason("eve") == "anti_passback"
    here.passes("ada")
    assert here.reason("ada") == "anti_passback"
