"""The relay follows the state machine at once; what else follows comes in order, and never late
on anybody's account."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.door import SimulatedDoor
from edged.door.acts import Contact, Fire
from edged.door.door import PulsedDoor
from edged.door.simulated import SimulatedLine
from edged.errors import DoorError, StorageError
from edged.mqtt.catalogue import Context, SetMode
from edged.service import door_mode as module
from edged.service.door_control import NOTE, DoorControl
from edged.service.door_mode import DoorMode
from edged.service.door_timetable import NOTE as FIRST_IN
from edged.service.journal import Journal
from edged.service.state import State
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Store:
    """Notes and events in memory; `gate` holds up who writes an event, `full` refuses."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.full = False
        self.gate = threading.Event()
        self.gate.set()

    def note(self, name: str) -> str | None:
        return self.kept.get(name)

    def keep_note(self, name: str, value: str | None) -> None:
        if self.full:
            raise StorageError("no room")
        self.kept.pop(name, None)
        if value is not None:
            self.kept[name] = value

    def append(self, type: str, data: dict[str, Any]) -> object:  # noqa: A002
        assert self.gate.wait(20)
        if self.full:
            raise StorageError("no room")
        self.events.append((type, data))
        return object()

    def types(self) -> list[str]:
        return [kind for kind, _ in self.events]


class Hours:
    """One schedule, "office", that is in force as we say."""

    def __init__(self) -> None:
        self.on = False
        self.began_s: float | None = 1e9
        self.ends_s: float | None = None

    def in_force(self, _name: str, _at: float) -> bool:
        return self.on

    def began(self, _name: str, _at: float) -> float | None:
        return self.began_s

    def next_change(self, _name: str, _at: float) -> float | None:
        return self.ends_s


class Peer:
    """The other door of an interlock, answering when we say."""

    def __init__(self) -> None:
        self.open = False
        self.claims: list[Callable[[bool, str], None]] = []
        self.told: list[bool] = []

    def blocked(self) -> str | None:
        return "other_open" if self.open else None

    def claim(self, on_answer: Callable[[bool, str], None]) -> None:
        self.claims.append(on_answer)

    def door_is(self, shut_and_locked: bool, *, fire: bool = False) -> None:
        assert not (fire and shut_and_locked)
        self.told.append(shut_and_locked)


class Bench:
    """A door without a daemon, and two clocks that are ours."""

    trusted = True

    def __init__(self, store: Store, *, may_forget: bool = False, **settings: Any) -> None:
        self.store = store
        self.settings = SimulatedDoor.model_validate({"driver": "simulated", **settings})
        self.line = SimulatedLine()
        self.door = PulsedDoor(self.line, 1)
        self.door.open()
        self.state = State()
        self.journal = Journal(store, self.state)  # type: ignore[arg-type]
        self.up_s = 100.0
        self.unix_s = 1.8e9
        self.hours = Hours()
        self.sure = True
        self.told: list[dict[str, Any]] = []
        self.mode = DoorMode(
            store,
            self.door,
            self.journal,
            self.state,
            self,
            may_forget=may_forget,
            tell=lambda: self.told.append(self.mode.document()),
            boot=lambda: "one",
            up=lambda: self.up_s,
            settings=self.settings,
            schedules=self.hours,
            sure=lambda: self.sure,
        )
        self.control: DoorControl = self.mode._control

    def open(self) -> Bench:
        self.mode.open()
        return self

    def close(self) -> None:
        self.mode.close()
        self.door.close()

    def now(self) -> float:
        return self.unix_s

    def order(self, **args: Any) -> Any:
        context = Context("door.mode", "12345678", "site")
        return self.mode.handlers()["door.mode"](SetMode(**args), context)

    def leaf(self, leaf: Any) -> None:
        self.control.happen(lambda t_s: Contact(t_s, leaf, t_s))

    def fire(self, active: bool) -> None:
        self.control.happen(lambda t_s: Fire(t_s, active))

    def later(self, seconds: float) -> None:
        self.up_s += seconds
        self.unix_s += seconds
        self.mode.tick()

    def heard(self, *types: str) -> None:
        """These events and no others were recorded, in this order."""
        until(lambda: len(self.store.events) >= len(types))
        assert self.store.types() == list(types)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def bench(store: Store) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        made.append(Bench(store, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.close()


CONTACT = {"contact": {"file": "/nowhere/open"}}


def test_fire_releases_and_grants_open_though_the_disk_hangs(
    store: Store, bench: Callable[..., Bench]
) -> None:
    one = bench().open()
    store.gate.clear()
    one.fire(active=True)
    assert one.door.relay
    ended: list[bool] = []
    one.mode.entrance("recognised").pulse(on_end=ended.append)
    one.fire(active=False)
    assert one.door.relay
    store.gate.set()
    one.heard("door.fire", "door.fire_over")
    until(lambda: ended == [True])


def test_the_relay_rests_when_its_cause_is_over_and_not_before(
    bench: Callable[..., Bench],
) -> None:
    one = bench(pulse_s=30).open()
    one.leaf("closed")
    one.mode.entrance("recognised").pulse()
    one.mode.entrance("ordered").pulse(20)
    one.leaf("open")
    one.later(1.0)
    assert one.door.relay
    one.leaf("closed")
    assert not one.door.relay
    one.heard("door.opened", "door.closed")
    assert [entry["relay"] for entry in one.line.history] == ["rest", "on", "off"]


def test_a_grant_that_is_shortened_ends_by_itself(bench: Callable[..., Bench]) -> None:
    one = bench(pulse_s=30, minimum_pulse_s=1.2).open()
    one.leaf("closed")
    one.mode.entrance("recognised").pulse()
    one.up_s += 1.0
    one.leaf("open")
    one.leaf("closed")
    assert one.door.relay
    until(lambda: not one.door.relay)  # nobody ticks


def test_what_is_held_open_ends_when_nobody_renews_it(bench: Callable[..., Bench]) -> None:
    one = bench().open()
    one.fire(active=True)
    first = one.door._deadline
    assert first is not None
    one.mode.tick()
    assert one.door._deadline >= first
    one.door.rest()
    one.mode.tick()
    assert one.door.relay


def test_a_grant_tells_once_how_it_ended_even_when_the_daemon_ends(
    bench: Callable[..., Bench],
) -> None:
    one = bench(**CONTACT).open()
    one.leaf("closed")
    used: list[bool] = []
    unused: list[bool] = []
    left: list[bool] = []
    one.mode.entrance("recognised").pulse(on_end=used.append)
    one.leaf("open")
    until(lambda: used == [True])
    one.leaf("closed")
    one.mode.entrance("recognised").pulse(on_end=unused.append)
    one.later(3.1)
    one.later(1.0)
    until(lambda: unused == [False])
    one.mode.entrance("recognised").pulse(on_end=left.append)
    one.close()
    assert (used, unused, left) == ([True], [False], [False])


def test_one_who_listens_and_fails_keeps_nothing_from_the_others(
    bench: Callable[..., Bench],
) -> None:
    one = bench().open()
    told: list[bool] = []
    one.mode.entrance("recognised").pulse(on_end=lambda _opened: 1 / 0)  # type: ignore[arg-type,return-value]
    one.mode.entrance("recognised").pulse(on_end=told.append)
    until(lambda: told == [True])


def test_who_needs_longer_has_the_longer_pulse(bench: Callable[..., Bench]) -> None:
    one = bench(extended_pulse_s=20).open()
    one.mode.entrance("recognised").pulse(extended=True)
    assert one.control.known.free_until_s == 120.0


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 61])
def test_an_absurd_grant_is_refused(bench: Callable[..., Bench], seconds: float) -> None:
    one = bench().open()
    with pytest.raises(DoorError, match="pulse lasts"):
        one.mode.entrance("ordered").pulse(seconds)
    assert not one.door.relay


def test_a_relay_that_does_not_obey_is_told_to_who_asks_and_opens_for_nobody_later(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench().open()
    ended: list[bool] = []
    with monkeypatch.context() as broken:

        def fails(**_: Any) -> None:
            raise DoorError("line 17 does not obey")

        broken.setattr(one.line, "switch", fails)
        with pytest.raises(DoorError, match="does not obey"):
            one.mode.entrance("recognised").pulse(on_end=ended.append)
    until(lambda: one.door.describe()["fault"] is None)
    one.mode.tick()
    assert not one.door.relay
    one.fire(active=True)
    assert one.door.relay
    one.close()
    assert ended == []


def test_a_fire_that_the_relay_did_not_obey_is_tried_with_every_tick(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench().open()
    with monkeypatch.context() as broken:

        def fails(**_: Any) -> None:
            raise DoorError("line 17 does not obey")

        broken.setattr(one.line, "switch", fails)
        one.fire(active=True)
    until(lambda: one.door.describe()["fault"] is None)
    one.mode.tick()
    assert one.door.relay


INTERLOCK = {**CONTACT, "interlock": {"peer": "door-2"}}


def test_an_interlock_that_is_not_there_lets_nobody_in(bench: Callable[..., Bench]) -> None:
    one = bench(**INTERLOCK).open()
    ended: list[bool] = []
    assert one.mode.refusal_of("recognised") == "interlock"
    one.mode.entrance("recognised").pulse(on_end=ended.append)
    until(lambda: ended == [False])
    assert not one.door.relay
    one.heard("door.interlocked")


def test_the_door_opens_when_the_other_one_yields_and_says_how_it_stands(
    bench: Callable[..., Bench],
) -> None:
    one, peer = bench(**INTERLOCK).open(), Peer()
    one.mode.interlocked_with(peer)
    one.leaf("closed")
    assert peer.told == [False, True]
    ended: list[bool] = []
    one.mode.entrance("recognised").pulse(on_end=ended.append)
    assert not one.door.relay
    peer.claims.pop()(True, "")
    assert one.door.relay
    assert peer.told[-1] is False
    one.leaf("open")
    one.leaf("closed")
    until(lambda: ended == [True])
    one.later(4.0)
    assert peer.told[-1] is True


@pytest.mark.parametrize("silent", [True, False])
def test_the_door_stays_shut_when_the_other_one_refuses_or_is_silent(
    bench: Callable[..., Bench], silent: bool
) -> None:
    one, peer = bench(**INTERLOCK).open(), Peer()
    one.mode.interlocked_with(peer)
    one.leaf("closed")
    ended: list[bool] = []
    one.mode.entrance("recognised").pulse(on_end=ended.append)
    if silent:
        one.later(2.1)
        peer.claims[0](True, "")  # too late
    else:
        peer.claims[0](False, "other_open")
    until(lambda: ended == [False])
    assert not one.door.relay
    assert one.store.events[-1][1]["reason"] == ("silent" if silent else "other_open")


def test_what_is_known_to_be_blocked_is_refused_at_once_but_not_in_a_fire(
    bench: Callable[..., Bench],
) -> None:
    one, peer = bench(**INTERLOCK).open(), Peer()
    one.mode.interlocked_with(peer)
    assert one.mode.refusal() is None
    peer.open = True
    refusal = one.mode.refusal()
    assert refusal is not None
    assert refusal.reason == "interlock"
    one.fire(active=True)
    assert one.mode.refusal_of("recognised") is None


def test_a_door_with_an_interlock_is_not_held_open(
    store: Store, bench: Callable[..., Bench]
) -> None:
    first = bench().open()
    assert first.order(mode="open", for_s=600).result == "ok"
    first.close()
    one = bench(**INTERLOCK).open()
    assert not one.door.relay
    assert one.mode.mode == "normal"
    assert one.order(mode="open").reason == "interlock"


def test_an_interlock_that_answers_at_once_and_from_its_own_thread_does_no_harm(
    bench: Callable[..., Bench],
) -> None:
    class Quick(Peer):
        def claim(self, on_answer: Callable[[bool, str], None]) -> None:
            thread = threading.Thread(target=on_answer, args=(True, ""))
            thread.start()
            thread.join(20)

    one, peer = bench(**INTERLOCK).open(), Quick()
    one.mode.interlocked_with(peer)
    one.leaf("closed")
    one.mode.entrance("recognised").pulse()
    assert one.door.relay


OFFICE = {"timetable": [{"mode": "open", "when": "office"}]}


def test_the_timetable_opens_and_shuts_the_door_and_says_so(bench: Callable[..., Bench]) -> None:
    one = bench(**OFFICE).open()
    one.hours.ends_s = 1.8e9 + 3600
    one.hours.on = True
    one.later(0.5)
    assert one.door.relay
    document = one.mode.document()
    assert (document["mode"], document["by"]) == ("open", "timetable")
    assert document["until"] == "2027-01-15T09:00:00.000Z"
    kind, data = one.store.events[-1]
    assert kind == "door.mode_changed"
    assert (data["mode"], data["before"], data["by"]) == ("open", "normal", "timetable")
    assert data["until"] == document["until"]
    one.hours.on = False
    one.later(0.5)
    assert not one.door.relay
    assert one.store.events[-1][1]["mode"] == "normal"


def test_a_command_keeps_shut_what_the_timetable_opens_and_does_not_open_what_it_shuts(
    bench: Callable[..., Bench],
) -> None:
    one = bench(**OFFICE).open()
    one.hours.on = True
    one.later(0.5)
    assert one.order(mode="locked_down").data["mode"] == "locked_down"
    assert not one.door.relay
    reply = one.order(mode="normal")
    assert (reply.result, reply.data["mode"]) == ("ok", "open")
    assert "timetable" in reply.text
    assert one.door.relay

    two = bench(timetable=[{"mode": "secured", "when": "office"}])
    two.hours.on = True
    two.open()
    reply = two.order(mode="open")
    assert (reply.result, reply.data["mode"]) == ("ok", "secured")
    assert not two.door.relay
    two.hours.on = False
    two.later(0.5)
    assert two.door.relay


def test_no_timetable_opens_a_door_without_a_record_and_none_waits_to_shut_it(
    store: Store, bench: Callable[..., Bench]
) -> None:
    one = bench(**OFFICE).open()
    one.hours.on = store.full = True
    one.later(0.5)
    assert not one.door.relay
    store.full = False
    one.later(0.5)
    assert one.door.relay
    store.full, one.hours.on = True, False
    one.later(0.5)
    assert not one.door.relay


def test_the_end_of_a_lockdown_opens_no_door_by_the_timetable_without_a_record(
    store: Store, bench: Callable[..., Bench]
) -> None:
    one = bench(**OFFICE).open()
    one.order(mode="locked_down", for_s=60)
    one.hours.on = True
    one.later(0.5)
    store.full = True
    one.later(60)
    assert not one.door.relay
    assert one.mode.mode == "locked_down"
    store.full = False
    one.later(0.5)
    assert one.door.relay
    changes = [data for kind, data in one.store.events if kind == "door.mode_changed"]
    assert [(data["mode"], data["by"]) for data in changes][-1] == ("open", "time")


def test_where_the_installer_allows_it_the_timetable_opens_without_a_record(
    store: Store, bench: Callable[..., Bench]
) -> None:
    one = bench(may_forget=True, **OFFICE).open()
    one.hours.on = store.full = True
    one.later(0.5)
    assert one.door.relay


def test_a_timetable_that_does_not_know_the_time_says_so_and_opens_nothing(
    bench: Callable[..., Bench],
) -> None:
    one = bench(**OFFICE)
    one.hours.on, one.sure = True, False
    one.open()
    assert not one.door.relay
    assert "door_timetable" in one.state.degraded
    one.sure = True
    one.later(0.5)
    assert one.door.relay
    assert one.state.degraded == {}


FIRST = {"timetable": [{"mode": "open", "when": "office", "first_in": ["staff"]}]}


def test_the_door_opens_for_the_day_when_the_first_is_in_also_after_a_restart(
    store: Store, bench: Callable[..., Bench]
) -> None:
    one = bench(**FIRST).open()
    one.hours.on = True
    one.later(0.5)
    assert not one.door.relay
    one.mode.somebody_in(["visitors"], one.unix_s)
    assert not one.door.relay
    one.mode.somebody_in(["staff"], one.unix_s)
    assert one.door.relay
    one.close()
    again = bench(**FIRST)
    again.unix_s, again.hours.on = one.unix_s, True
    again.open()
    assert again.door.relay
    again.unix_s += 365 * 86_400
    again.hours.began_s = again.unix_s - 60
    again.mode.tick()
    assert not again.door.relay


@pytest.mark.parametrize("note", ["{garbage", "[]", '{"office staff": "soon"}', '{"x": NaN}'])
def test_who_came_first_cannot_be_read_so_somebody_comes_again(
    store: Store, bench: Callable[..., Bench], note: str
) -> None:
    store.kept[FIRST_IN] = note
    one = bench(**FIRST)
    one.hours.on = True
    one.open()
    assert not one.door.relay
    store.full = True
    one.mode.somebody_in(["staff"], one.unix_s)  # not kept, and not recorded: stays shut
    assert not one.door.relay
    store.full = False
    one.mode.tick()
    assert one.door.relay


@pytest.mark.parametrize("note", ["{garbage", '{"v": 2}'])
def test_a_door_whose_state_cannot_be_read_begins_anew(
    store: Store, bench: Callable[..., Bench], note: str
) -> None:
    store.kept[NOTE] = note
    one = bench(**CONTACT).open()
    assert one.mode.document()["alarms"] == []


def test_after_a_restart_a_forced_door_is_told_to_be_shut(
    store: Store, bench: Callable[..., Bench]
) -> None:
    first = bench(**CONTACT).open()
    first.leaf("closed")
    first.leaf("open")
    first.heard("door.forced")
    until(lambda: json.loads(store.kept.get(NOTE, "{}")).get("last") == "open")
    first.close()
    again = bench(**CONTACT).open()
    assert again.mode.document()["alarms"] == ["forced"]
    again.leaf("closed")
    again.heard("door.forced", "door.closed", "door.alarm_over")


def test_a_fire_goes_on_after_a_restart_until_its_input_says_otherwise(
    store: Store, bench: Callable[..., Bench], tmp_path: Path
) -> None:
    file = tmp_path / "fire"
    file.touch()
    fire = {"fire": {"file": str(file), "debounce_s": 0.01}}
    first = bench(**fire).open()
    until(lambda: first.door.relay)
    until(lambda: NOTE in store.kept)
    first.close()
    file.unlink()
    again = bench(**fire)
    again.control.open()
    assert again.door.relay
    again.open()
    until(lambda: not again.door.relay)
    again.heard("door.fire", "door.fire_over")


def test_the_thread_that_reads_a_fire_holds_the_door_though_nobody_ticks(
    bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.service.door_inputs._RENEW_S", 0.0)
    file = tmp_path / "fire"
    file.touch()
    one = bench(fire={"file": str(file), "debounce_s": 0.01}).open()
    until(lambda: one.door.relay)
    one.door.rest()
    until(lambda: one.door.relay)


@pytest.mark.parametrize(("wiring", "relay"), [("normally_closed", True), ("normally_open", False)])
def test_a_fire_input_that_cannot_be_read_is_as_if_it_were_cut(
    bench: Callable[..., Bench], tmp_path: Path, wiring: str, relay: bool
) -> None:
    (tmp_path / "file").touch()
    one = bench(fire={"file": str(tmp_path / "file" / "fire"), "wiring": wiring}).open()
    until(lambda: "door_inputs" in one.state.degraded)
    until(lambda: "door.input_fault" in one.store.types())
    until(lambda: one.door.relay is relay)
    assert one.store.events[0][1]["input"] == "fire"


def test_a_button_that_sticks_from_the_start_opens_nothing(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    file = tmp_path / "button"
    file.touch()
    one = bench(exit_button={"file": str(file), "debounce_s": 0.01}).open()
    until(lambda: one.mode._inputs._pressed)
    assert not one.door.relay
    file.unlink()
    until(lambda: one.mode._inputs._pressed is False)
    file.touch()
    until(lambda: one.door.relay)
    one.heard("door.exit")


def test_outputs_follow_their_alarms_and_rest_in_the_end(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    record = tmp_path / "door.jsonl"
    record.touch()
    one = bench(
        record=str(record),
        outputs={"siren": {"on": ["forced"]}, "lamp": {"on": ["unlocked", "bell"]}},
    ).open()

    def shown(name: str) -> list[str]:
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        return [line[name] for line in lines if name in line]

    until(lambda: shown("siren") == shown("lamp") == ["rest"])
    one.mode.ring("bell", 60)
    until(lambda: shown("lamp") == ["rest", "on"])
    one.leaf("closed")
    one.leaf("open")
    until(lambda: shown("siren") == ["rest", "on"])
    one.leaf("closed")
    until(lambda: shown("siren") == ["rest", "on", "off"])
    one.close()
    assert shown("lamp") == ["rest", "on", "rest"]


def test_an_output_that_does_not_obey_keeps_nothing_from_the_door(
    bench: Callable[..., Bench],
) -> None:
    one = bench(outputs={"siren": {"line": 4, "chip": "/dev/none", "on": ["fire"]}}).open()
    one.fire(active=True)
    assert one.door.relay
    until(lambda: "door_outputs" in one.state.degraded)


def test_what_stands_in_the_state_is_what_the_inputs_say(bench: Callable[..., Bench]) -> None:
    one = bench(**CONTACT, fire={"file": "/nowhere/fire"}).open()
    one.order(mode="locked_down", for_s=60)
    one.leaf("closed")
    one.leaf("open")
    assert one.mode.document() == {
        "mode": "locked_down",
        "by": "command",
        "until": "2027-01-15T08:01:00.000Z",
        "relay": "rest",
        "causes": [],
        "contact": "open",
        "fire": False,
        "tamper": None,
        "alarms": ["forced"],
    }
    until(lambda: one.told[-1] == one.mode.document())


def test_a_door_is_closed_without_having_been_opened(bench: Callable[..., Bench]) -> None:
    bench()


def test_without_threads_it_says_so(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    one = bench()
    with monkeypatch.context() as poor:
        poor.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(DoorError, match="no thread"):
            one.open()


def test_times_are_written_as_events_write_them() -> None:
    assert module.written(None) is None
