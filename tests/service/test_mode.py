"""``door.mode`` and what it does to the door, through the real daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.decision.outcome import Kind, Outcome
from edged.door.door import PulsedDoor
from edged.door.mode import Moment, ordered, write_order
from edged.door.simulated import SimulatedLine
from edged.errors import DoorError, StorageError
from edged.mqtt.catalogue import Context, SetMode
from edged.service.door_mode import NOTE, DoorMode
from edged.service.journal import Journal
from edged.service.state import State
from tests.service.kit import PERSON, wait
from tests.service.manager import allowed, lives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tests.service.kit import Door, Terminal, Views


def mode(door: Door) -> str:
    return str(door.site.state["door"]["mode"])


def knows_person(views: Views) -> Callable[[Terminal], None]:
    return lambda terminal: terminal.enrol(views)


def test_in_a_lockdown_nobody_is_let_in_and_everybody_afterwards(
    open_door: Callable[..., Door], views: Views
) -> None:
    door = open_door(knows_person(views), mqtt=allowed())
    seq = door.site.seq
    reply = door.site.command("door.mode", mode="locked_down", cause="drill")
    assert (reply["result"], reply["data"]["before"]) == ("ok", "normal")
    event = door.site.event("door.mode_changed", after=seq)
    assert event["data"] == {
        "mode": "locked_down",
        "before": "normal",
        "by": "command",
        "command": reply["id"],
        "key": "site",
        "cause": "drill",
        "until": None,
    }
    wait(lambda: mode(door) == "locked_down")

    refused = door.site.command("door.unlock")
    assert (refused["result"], refused["reason"]) == ("refused", "locked_down")
    door.site.event("command.refused", id=refused["id"], key="site", reason="locked_down")

    door.stage.show("near")
    denied = door.site.event("access.denied", after=seq)
    assert denied["data"]["reason"] == "locked_down"
    assert denied["data"]["person_id"] == PERSON
    wait(lambda: door.terminal.phase == "denied")
    assert "on" not in door.terminal.relay
    assert not door.site.events("access.granted")
    assert not door.site.events("door.unlocked")

    door.leave()
    assert door.site.command("door.mode", mode="secured")["result"] == "ok"
    assert door.site.command("door.unlock", duration_s=0.5)["result"] == "ok"
    wait(lambda: door.terminal.relay == ["rest", "on", "off"])

    assert door.site.command("door.mode", mode="normal")["result"] == "ok"
    seq = door.site.seq
    wait(lambda: door.terminal.phase == "idle")
    door.stage.show("near")
    door.site.event("access.granted", after=seq)


def test_an_open_door_stays_open_until_its_time_is_over_or_another_mode_comes(
    open_door: Callable[..., Door],
) -> None:
    door = open_door(mqtt=allowed(), door={"pulse_s": 0.3})
    reply = door.site.command("door.mode", mode="open")
    assert reply["data"]["until"] is None
    wait(lambda: door.site.state["door"] == _OPEN)
    door.site.command("door.unlock", duration_s=0.5)  # changes nothing, and does not end it
    assert door.terminal.relay == ["rest", "on"]
    door.site.command("door.mode", mode="locked_down")
    assert door.terminal.relay == ["rest", "on", "off"]

    seq = door.site.seq
    reply = door.site.command("door.mode", mode="open", for_s=1)
    assert reply["data"]["until"].endswith("Z")
    ended = door.site.event("door.mode_changed", after=seq, mode="normal")
    assert (ended["data"]["before"], ended["data"]["by"]) == ("open", "time")
    assert ended["data"]["command"] is None
    assert door.terminal.relay == ["rest", "on", "off", "on", "off"]
    wait(lambda: mode(door) == "normal")

    # if the daemon dies, the line goes with it: what is on record is what the next one finds
    door.site.command("door.mode", mode="open")
    door.terminal.kill()
    door.terminal.start().ready()
    assert door.terminal.relay[-2:] == ["on", "rest"]
    lost = door.site.event("door.mode_changed", by="start")
    assert (lost["data"]["mode"], lost["data"]["before"]) == ("normal", "open")


_OPEN = {
    "mode": "open",
    "by": "command",
    "until": None,
    "relay": "on",
    "causes": ["open"],
    "contact": None,
    "fire": None,
    "tamper": None,
    "alarms": [],
}


def test_a_lockdown_outlasts_the_daemon(open_door: Callable[..., Door]) -> None:
    door = open_door(mqtt=allowed())
    door.site.command("door.mode", mode="locked_down")
    door.terminal.kill()
    door.terminal.start().ready()
    wait(lambda: mode(door) == "locked_down" and lives(door) == 1)
    assert door.site.command("door.unlock")["reason"] == "locked_down"


@pytest.mark.parametrize(
    "args", [{}, {"mode": "ajar"}, {"mode": "open", "for_s": 0}, {"mode": "open", "for_s": 1e6}]
)
def test_a_mode_that_there_is_not_is_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        SetMode.model_validate(args)


class Notes:
    """Where the outbox would keep notes; refuses while `full`."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.full = False
        self.told: list[dict[str, Any]] = []

    def note(self, name: str) -> str | None:
        return self.kept.get(name)

    def keep_note(self, name: str, value: str | None) -> None:
        if self.full:
            raise StorageError("no room")
        self.kept.pop(name, None)
        if value is not None:
            self.kept[name] = value

    def append(self, type: str, data: dict[str, Any]) -> object:  # noqa: A002
        if self.full:
            raise StorageError("no room")
        self.told.append(data)
        return object()


class Bench:
    """A mode with a door, without a daemon; a counter that is ours."""

    trusted = False

    def __init__(self, notes: Notes, *, may_forget: bool = False, boot: str = "one") -> None:
        self.line = SimulatedLine()
        self.door = PulsedDoor(self.line, 1)
        self.door.open()
        self.state = State()
        self.up_s = 100.0
        self.mode = DoorMode(
            notes,
            self.door,
            Journal(notes, self.state),  # type: ignore[arg-type]
            self.state,
            self,
            may_forget=may_forget,
            boot=lambda: boot,
            up=lambda: self.up_s,
        )
        self.mode.open()

    def close(self) -> None:
        self.mode.close()
        self.door.close()

    def now(self) -> float:
        return 1.8e9

    def order(self, **args: Any) -> tuple[str, str]:
        context = Context("door.mode", "12345678", "site")
        reply = self.mode.handlers()["door.mode"](SetMode(**args), context)
        return reply.result, reply.reason


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def bench(notes: Notes) -> Iterator[Bench]:
    bench = Bench(notes)
    yield bench
    bench.close()


def test_a_full_disk_does_not_stand_in_the_way_of_a_lockdown(notes: Notes, bench: Bench) -> None:
    bench.mode.pulse("recognised", 60)
    notes.full = True
    assert bench.order(mode="locked_down") == ("failed", "not_recorded")
    assert bench.mode.order.mode == "locked_down"
    assert not bench.door.relay
    with pytest.raises(DoorError, match="locked down"):
        bench.mode.entrance("ordered").pulse()


@pytest.mark.parametrize("before", ["locked_down", "secured", "normal"])
def test_what_opens_more_is_in_force_only_when_it_is_recorded(
    notes: Notes, bench: Bench, before: str
) -> None:
    bench.order(mode=before)
    kept = dict(notes.kept)
    notes.full = True
    assert bench.order(mode="open") == ("failed", "not_recorded")
    assert bench.mode.order.mode == before
    assert not bench.door.relay
    assert notes.kept == kept


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ({"mode": "locked_down"}, {"mode": "locked_down", "for_s": 1}),
        ({"mode": "secured", "for_s": 600}, {"mode": "secured", "for_s": 60}),
        ({"mode": "open", "for_s": 60}, {"mode": "open", "for_s": 600}),
        ({"mode": "open", "for_s": 60}, {"mode": "open"}),
    ],
)
def test_what_opens_sooner_or_longer_is_in_force_only_when_it_is_recorded(
    notes: Notes, bench: Bench, before: dict[str, Any], then: dict[str, Any]
) -> None:
    assert bench.order(**before) == ("ok", "done")
    order = bench.mode.order
    notes.full = True
    assert bench.order(**then) == ("failed", "not_recorded")
    assert bench.mode.order == order
    notes.full = False
    assert bench.order(**then) == ("ok", "done")


def test_no_restart_opens_a_door_without_a_record(notes: Notes) -> None:
    now = Moment(1.8e9, False, "one", 99.0)
    kept = write_order(
        ordered("open", 60, now, command="12345678", key="site", cause=None)
    )  # killed before it was told
    notes.kept[NOTE] = kept
    first = Bench(notes)
    assert first.door.relay
    assert [(told["mode"], told["by"]) for told in notes.told] == [("open", "start")]
    first.close()
    notes.full = True
    second = Bench(notes)
    assert not second.door.relay
    assert second.mode.order.mode == "normal"
    second.close()


def test_where_the_installer_allows_it_a_door_opens_without_a_record(notes: Notes) -> None:
    bench = Bench(notes, may_forget=True)
    notes.full = True
    assert bench.order(mode="open") == ("ok", "done")
    assert bench.door.relay
    bench.close()


def test_a_mode_that_cannot_be_read_lets_nobody_in_by_their_face(notes: Notes) -> None:
    notes.kept[NOTE] = "{garbage"
    bench = Bench(notes)
    assert bench.mode.order.mode == "secured"
    assert "door_mode" in bench.state.degraded
    assert bench.order(mode="normal") == ("ok", "done")
    assert bench.state.degraded == {}
    bench.close()


def test_an_order_that_was_taken_up_is_counted_by_this_start_of_the_machine(notes: Notes) -> None:
    first = Bench(notes)
    first.order(mode="locked_down", for_s=60)
    first.close()
    second = Bench(notes, boot="two")
    second.close()
    third = Bench(notes, boot="two")  # of the same start: what is left, not the whole again
    third.up_s = 159.0
    third.mode.tick()
    assert third.mode.order.mode == "locked_down"
    third.up_s = 160.0
    third.mode.tick()
    assert third.mode.order.mode == "normal"
    assert NOTE not in notes.kept
    third.close()


def test_who_is_not_recognised_is_not_said_to_be_locked_out(bench: Bench) -> None:
    bench.order(mode="locked_down")
    for kind in (Kind.DENIED, Kind.REVIEW):
        outcome = Outcome(kind, "unknown", None, 0.1, None, 0.4, 0.01, 1, 0.9, 3, 1.0, ())
        assert bench.mode.judged(outcome) is outcome


def test_ticks_hold_a_door_open_and_only_they(bench: Bench) -> None:
    bench.order(mode="open")
    before = bench.door._deadline
    bench.mode.tick()
    assert bench.door._deadline >= before
    bench.door.rest()  # as when the keeper ended it: nobody renewed it in time
    bench.mode.tick()
    assert bench.door.relay
