"""The real daemon with a contact, a button, fire and tamper inputs that are files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.service.kit import wait
from tests.service.manager import allowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.kit import Door

INPUTS = {
    name: {"file": name, "debounce_s": 0.02}
    for name in ("contact", "exit_button", "fire", "tamper")
}
WIRED: dict[str, Any] = {
    **INPUTS,
    "pulse_s": 2,
    "held_open_after_s": 1.5,
    "pre_alarm_s": 1,
    "outputs": {"siren": {"on": ["forced", "held_open"]}, "lamp": {"on": ["unlocked"]}},
}


class House:
    """A terminal whose door somebody moves by hand."""

    def __init__(self, door: Door, folder: Path) -> None:
        self.door = door
        self._folder = folder

    def put(self, name: str) -> int:
        """An input leaves its normal state; the last sequence number before it."""
        seq = self.door.site.seq
        (self._folder / name).touch()
        return seq

    def back(self, name: str) -> int:
        seq = self.door.site.seq
        (self._folder / name).unlink()
        return seq

    def event(self, kind: str, after: int, **data: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.door.site.event(kind, after=after, **data)["data"]
        return found

    def state(self, **expected: Any) -> None:
        wait(lambda: expected.items() <= self.door.site.state["door"].items())

    def press(self) -> int:
        seq = self.put("exit_button")
        self.event("door.exit", seq)
        self.back("exit_button")
        return seq

    def shown(self, name: str) -> list[str]:
        return [entry[name] for entry in self.door.terminal.door_record() if name in entry]


@pytest.fixture
def house(open_door: Callable[..., Door], tmp_path: Path) -> Callable[..., House]:
    def make(**settings: Any) -> House:
        schedules = settings.pop("schedules", {})
        door = open_door(mqtt=allowed(), door={**WIRED, **settings}, schedules=schedules)
        return House(door, tmp_path)

    return make


def test_a_day_at_the_door(house: Callable[..., House]) -> None:
    one = house()
    one.state(mode="normal", by=None, relay="rest", contact="closed", fire=False, alarms=[])

    # the button, through the door, and it locks behind
    seq = one.press()
    one.state(relay="on", causes=["exit"])
    one.put("contact")
    assert one.event("door.opened", seq) == {"causes": ["exit"]}
    one.back("contact")
    one.event("door.closed", seq)
    one.state(relay="rest", causes=[], contact="closed")
    wait(lambda: one.shown("lamp")[-1] == "off")

    # forced
    seq = one.put("contact")
    assert one.event("door.forced", seq) == {}
    one.state(contact="open", relay="rest", alarms=["forced"])
    wait(lambda: one.shown("siren")[-1] == "on")
    one.back("contact")
    assert one.event("door.alarm_over", seq)["alarm"] == "forced"
    wait(lambda: one.shown("siren")[-1] == "off")

    # held open
    one.door.site.command("door.unlock", duration_s=2)
    seq = one.put("contact")
    assert one.event("door.opened", seq) == {"causes": ["ordered"]}
    one.event("door.pre_alarm", seq)
    one.event("door.held_open", seq)
    one.state(alarms=["held_open"])
    one.back("contact")
    assert one.event("door.alarm_over", seq)["alarm"] == "held_open"

    # tamper
    seq = one.put("tamper")
    one.event("door.tamper", seq)
    one.state(tamper=True, alarms=["tamper"])
    one.back("tamper")
    one.event("door.tamper_over", seq)

    # a lockdown, and a fire in it
    one.door.site.command("door.mode", mode="locked_down")
    seq = one.put("exit_button")
    assert one.event("door.exit", seq) == {"refused": "locked_down"}
    one.back("exit_button")
    one.state(relay="rest", mode="locked_down", by="command")
    seq = one.put("fire")
    one.event("door.fire", seq)
    one.state(relay="on", causes=["fire"], fire=True, mode="locked_down")
    assert one.door.site.command("restart")["reason"] == "busy"
    one.put("contact")
    assert one.event("door.opened", seq) == {"causes": ["fire"]}

    # killed meanwhile: what the inputs say is known again, and nothing is told twice
    one.door.terminal.kill()
    one.door.terminal.start().ready()
    one.state(relay="on", causes=["fire"], fire=True, contact="open", mode="locked_down")
    seq = one.back("contact")
    one.event("door.closed", seq)
    one.back("fire")
    one.event("door.fire_over", seq)
    one.state(relay="rest", causes=[], fire=False)
    assert len({event["seq"] for event in one.door.site.events("door.fire")}) == 1
    assert one.door.terminal.stop() == 0
    assert {one.shown(name)[-1] for name in ("relay", "siren", "lamp")} == {"rest"}


def test_a_timetable_keeps_the_door_secured_whatever_is_commanded(
    house: Callable[..., House],
) -> None:
    one = house(timetable=[{"mode": "secured", "when": "always"}])
    one.state(mode="secured", by="timetable", until=None)
    assert one.door.site.events("door.mode_changed")[0]["data"]["by"] == "timetable"
    reply = one.door.site.command("door.mode", mode="open")
    assert (reply["result"], reply["data"]["mode"]) == ("ok", "secured")
    one.state(relay="rest", mode="secured", by="timetable")
    seq = one.press()
    one.state(relay="on", causes=["exit"])
    reply = one.door.site.command("door.mode", mode="locked_down")
    one.state(relay="rest", mode="locked_down", by="command")
    assert one.event("door.mode_changed", seq)["before"] == "secured"


def test_an_input_that_cannot_be_read_is_told_and_the_door_works(
    house: Callable[..., House], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    one = house(contact={"file": "file/contact", "debounce_s": 0.02})
    fault = one.door.site.event("door.input_fault")["data"]
    assert (fault["input"], fault["fault"]) == ("contact", "unreadable")
    wait(lambda: "door_inputs" in one.door.site.state["degraded"])
    one.state(contact=None, alarms=[])
    one.press()
    one.state(relay="on")
    (tmp_path / "file").unlink()
    one.door.site.event("door.input_fault", fault=None)
    one.state(contact="closed")
    wait(lambda: one.door.site.state["degraded"] == {})
