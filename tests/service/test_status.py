"""What the terminal says of itself, retained at the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged import __version__
from tests.service.kit import Site, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.kit import Door, Views


def last_retained(port: int, topic: str) -> dict[str, object]:
    """What somebody hears who subscribes only now."""
    with Site(port) as late:
        found = wait(lambda: [m for m in late.heard if m.retained and m.topic == topic])
    content: dict[str, object] = found[0].content
    return content


def test_who_subscribes_late_hears_status_and_state(door: Door, views: Views) -> None:
    status = last_retained(door.site.port, "status")
    assert (status["status"], status["software"]) == ("online", __version__)
    state = last_retained(door.site.port, "state")
    assert state["degraded"] == {}
    assert state["model"] == status["model"] == views.model
    door = state["door"]
    assert (door["mode"], door["relay"], door["contact"]) == ("normal", "rest", None)


def test_the_state_follows_the_gallery(door: Door, views: Views) -> None:
    before = door.site.state
    assert before["gallery"]["people"] == 1
    assert before["decision"]["threshold"] > before["decision"]["review"]
    door.terminal.enrol(views)
    wait(lambda: door.site.state["gallery"]["revision"] > before["gallery"]["revision"])
    after = door.site.state
    assert after["gallery"]["people"] == 2
    assert after["gallery"]["revision"] == before["gallery"]["revision"] + 3
    risk = {name: (before["decision"][name], after["decision"][name]) for name in after["decision"]}
    assert risk["people"] == (1, 2)
    assert risk["implied_fpir"][0] < risk["implied_fpir"][1] <= after["decision"]["fpir"] == 0.003
    assert risk["threshold"][0] <= risk["threshold"][1]
    assert risk["review"][0] <= risk["review"][1]
    with door.terminal.gallery() as gallery:
        assert after["gallery"]["revision"] == gallery.revision


def test_the_false_accepts_of_a_year_are_unknown_until_the_traffic_is(
    door: Door, open_door: Callable[..., Door]
) -> None:
    unknown = door.site.state["decision"]
    assert (unknown["strangers_per_day"], unknown["false_accepts_per_year"]) == (None, None)
    assert "until a day has been measured" in unknown["traffic"]
    told = open_door(decision={"strangers_per_day": 200})
    risk = wait(lambda: told.site.state.get("decision"))
    assert (risk["strangers_per_day"], risk["traffic"]) == (200, "configured")
    assert risk["false_accepts_per_year"] == 0  # nobody is enrolled there


def test_the_broker_tells_when_the_terminal_was_killed(open_door: Callable[..., Door]) -> None:
    door = open_door()
    door.terminal.kill()
    assert door.site.status("offline")["reason"] == "connection lost"


def test_an_installation_that_is_not_safe_says_so(open_door: Callable[..., Door]) -> None:
    mqtt = {"host": "127.0.0.1", "commands": {"allow_unsigned": True}}
    door = open_door(mqtt=mqtt)
    assert "unsigned" in wait(lambda: door.site.state.get("degraded", {}).get("commands"))
