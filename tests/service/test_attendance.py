"""Punches on a real log: which they are, and that none is lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from edged.attendance.punch import CORRECTED, PUNCHED
from edged.config.attendance import Attendance
from edged.events.canon import dumps
from edged.events.outbox import Outbox
from edged.mqtt.catalogue import Context, CorrectPunch, Reply
from edged.mqtt.contract.table import EVENTS
from edged.service.attendance import MARK, Punches
from edged.service.journal import Journal
from edged.service.punch_log import PunchLog
from edged.service.state import State
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.events.types import Event

NOON = datetime.fromisoformat("2026-03-02T12:00+01:00").timestamp()
YEAR_S = 365 * 86_400.0


class Office:
    """A terminal's attendance with a clock, a zone and a timetable that tests set."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.now = NOON
        self.zone = ZoneInfo("Europe/Berlin")
        self.in_force: set[str] = set()
        self.enrolled = {"4711"}
        self.settings = Attendance(**settings)
        self.outbox = Outbox(folder / "events.db", Secret(b"k" * 32), 10_000, clock=self.clock)
        self.outbox.believe = lambda: "synced"
        self.outbox.open()
        self.state = State()
        self.journal = Journal(self.outbox, self.state)
        self.punches = self.make()
        self.punches.open()

    def clock(self) -> float:
        return self.now

    def make(self) -> Punches:
        return Punches(
            self.settings,
            self.outbox,
            self.journal,
            self.state,
            in_force=lambda name, _at: name in self.in_force,
            zone=lambda: self.zone,
            known=lambda person: person in self.enrolled,
            wall=self.clock,
            monotonic=self.clock,
        )

    def comes(self, after_s: float = 0.0, person: str = "4711", reader: str = "camera") -> Any:
        self.now += after_s
        return self.punches.granted(person, self.now, reader)

    def at(self, local: str, person: str = "4711") -> Any:
        """Somebody comes at a time of the office's zone."""
        self.now = datetime.fromisoformat(local).replace(tzinfo=self.zone).timestamp()
        return self.comes(person=person)

    def events(self, kind: str = PUNCHED) -> list[Event]:
        return [event for event in self.outbox.events() if event.type == kind]

    def correct(self, **args: Any) -> Reply:
        asked = {"person_id": "4711", "why": "forgot"} | args
        handler = self.punches.handlers()["attendance.correct"]
        return handler(CorrectPunch(**asked), Context("attendance.correct", "jti", "hr"))

    def close(self) -> None:
        self.punches.close()
        self.outbox.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def make(**settings: Any) -> Office:
        made.append(Office(tmp_path, settings))
        return made[-1]

    yield make
    for office in made:
        office.close()


def described(office: Office) -> bool:
    """Every event is as the contract says."""
    for event in office.outbox.events():
        if event.type in (PUNCHED, CORRECTED):
            EVENTS[event.type].data.model_validate_json(dumps(event.data))
    return True


def test_in_and_out_follow_each_other_within_the_working_day(
    make: Callable[..., Office],
) -> None:
    office = make()
    assert office.at("2026-03-02T08:00") == "in"
    assert office.at("2026-03-02T12:00") == "out"
    assert office.at("2026-03-02T13:00") == "in"
    assert office.at("2026-03-02T13:30", "4712") == "in"
    assert office.at("2026-03-03T03:59") == "out"  # of the day before
    assert office.at("2026-03-03T04:00") == "in"
    assert office.at("2026-03-04T09:00") == "in"  # nobody is taken to have stayed a night
    (first, *_) = office.events()
    assert first.data == {
        "person_id": "4711",
        "state": "in",
        "by": "role",
        "reader": "camera",
        "count": 1,
    }
    assert described(office)


def test_who_comes_again_within_a_minute_is_counted_and_nothing_is_rewritten(
    make: Callable[..., Office],
) -> None:
    office = make()
    assert office.comes() == "in"
    assert office.comes(20) == "in"
    assert office.comes(39) == "in"
    assert office.comes(1, person="4712") == "in"
    assert office.comes(0) == "out"  # 60 s after the first
    first, *rest = office.events()
    assert [(e.data.get("folds"), e.data["count"]) for e in rest] == [
        (first.id, 2),
        (first.id, 3),
        (None, 1),
        (None, 1),
    ]
    assert described(office)


def test_a_key_counts_for_the_next_person_once_and_not_for_long(
    make: Callable[..., Office],
) -> None:
    office = make(keys=["break", "return", "field"], key_within_s=15)
    office.comes()
    assert not office.punches.key("out")
    assert not office.punches.key("garbage" * 1000)
    assert office.punches.key("break")
    assert office.comes(5) == "break"  # for something else: it is no repeat of "in"
    assert office.events()[-1].data["by"] == "key"
    assert office.comes(5, "4712") == "in"
    assert office.punches.key("field")
    assert office.comes(100) == "return"  # too late: what follows a break
    assert office.punches.key("field", office.now - 16)
    assert office.comes(100) == "out"


def test_the_timetable_says_what_no_key_does(make: Callable[..., Office]) -> None:
    spans = [{"state": "break", "when": "lunch"}, {"state": "out", "when": "evening"}]
    office = make(keys=["field"], timetable=spans, role="in", fold_within_s=0)
    assert office.comes() == "in"
    office.in_force = {"evening", "lunch"}
    assert office.comes(1) == "break"
    assert office.events()[-1].data["by"] == "timetable"
    office.punches.key("field")
    assert office.comes(1) == "field"
    office.in_force = {"evening"}
    assert office.comes(1) == "out"


@pytest.mark.parametrize("jump_s", [-YEAR_S, YEAR_S, -3600.0, 1e11, -NOON])
def test_a_clock_that_jumps_makes_another_day_and_loses_nothing(
    make: Callable[..., Office], jump_s: float
) -> None:
    office = make()
    assert office.comes() == "in"
    assert office.comes(jump_s) == "in"
    assert office.comes(120) == "out"
    office.now = NOON + 300
    assert office.comes() == "out"
    assert len(office.events()) == 4


def test_another_zone_of_the_device_is_another_working_day(make: Callable[..., Office]) -> None:
    office = make()
    assert office.comes() == "in"
    office.zone = ZoneInfo("Pacific/Auckland")  # midnight there: still the same day
    assert office.comes(3600) == "out"
    assert office.comes(4 * 3600) == "in"
    office.zone = ZoneInfo("Europe/Berlin")
    assert office.comes(3600) == "out"


@pytest.mark.parametrize(
    ("night", "hours"), [("2026-03-28", 5), ("2026-10-24", 7), ("2024-02-28", 6), ("2026-12-31", 6)]
)
def test_a_night_shift_is_one_day_also_when_the_clocks_change(
    make: Callable[..., Office], night: str, hours: int
) -> None:
    office = make(day_begins="12:00")
    assert office.at(f"{night}T22:00") == "in"
    assert office.comes(hours * 3600) == "out"
    assert office.outbox.head.time.endswith("00.000Z")
    assert datetime.fromtimestamp(office.now, office.zone).hour == 4


def test_corrections_count_for_what_follows(make: Callable[..., Office]) -> None:
    office = make()
    office.comes()
    (first,) = office.events()
    reply = office.correct(action="void", punch=first.id)
    assert (reply.result, reply.data["id"], reply.data["state"]) == ("ok", first.id, None)
    assert office.comes(600) == "in"
    when = datetime.fromtimestamp(office.now - 60, office.zone).isoformat()
    reply = office.correct(action="add", state="break", time=when, who="hr-7")
    assert reply.data["id"] == reply.data["event"]
    assert office.comes(600) == "out"
    now = datetime.fromtimestamp(office.now + 1, office.zone).isoformat()
    assert office.correct(action="replace", punch=reply.data["id"], time=now).result == "ok"
    assert office.comes(600) == "return"
    assert described(office)
    told = office.events(CORRECTED)
    assert [(e.data["by"], e.data["command"], e.data["key"]) for e in told] == [
        ("command", "jti", "hr")
    ] * 3
    assert told[1].data["who"] == "hr-7"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"action": "void", "punch": "0" * 32}, "no_such_punch"),
        ({"action": "void", "punch": "OTHER"}, "no_such_punch"),
        ({"action": "void"}, "bad_correction"),
        ({"action": "replace", "punch": "FIRST"}, "bad_correction"),
        ({"action": "void", "punch": "FIRST", "person_id": "4712"}, "bad_correction"),
        ({"action": "add", "state": "in", "time": "noon"}, "bad_correction"),
        ({"action": "add", "state": "in", "time": "2026-03-02T12:00"}, "bad_correction"),
        (
            {"action": "add", "state": "in", "time": "2026-03-02T12:00Z", "person_id": "nobody"},
            "not_enrolled",
        ),
    ],
)
def test_a_correction_that_cannot_be_is_refused_and_not_recorded(
    make: Callable[..., Office], asked: dict[str, Any], reason: str
) -> None:
    office = make()
    office.comes()
    other = office.journal.record("access.granted", person_id="4711")
    assert other is not None
    ids = {"FIRST": office.events()[0].id, "OTHER": other.id}
    if "punch" in asked:
        asked = asked | {"punch": ids.get(asked["punch"], asked["punch"])}
    reply = office.correct(**asked)
    assert (reply.result, reply.reason) == ("refused", reason)
    assert office.events(CORRECTED) == []


def test_who_is_not_enrolled_any_more_can_be_corrected(make: Callable[..., Office]) -> None:
    office = make()
    office.comes(person="left")
    added = office.correct(
        action="add", person_id="left", state="out", time="2026-03-02T13:00+01:00"
    )
    assert added.result == "ok"


def test_what_cannot_be_recorded_waits_is_told_and_comes_with_its_time(
    make: Callable[..., Office],
) -> None:
    office = make()
    assert office.comes() == "in"
    office.outbox.close()  # neither read nor written
    assert office.comes(600) is None
    assert office.comes(20) is None
    assert office.comes(20, "4712") is None
    assert "attendance" in office.state.degraded
    assert "3 punches" in office.state.degraded["attendance"]
    office.punches.tick()
    assert "attendance" in office.state.degraded
    office.outbox.open()
    assert office.comes(600) is None  # in its turn, behind those
    office.now += 5
    office.punches.tick()
    assert "attendance" not in office.state.degraded
    told = [event.data for event in office.events(CORRECTED)]
    assert [(one["person_id"], one["state"]) for one in told] == [
        ("4711", "out"),
        ("4711", "out"),
        ("4712", "in"),
        ("4711", "in"),
    ]
    assert told[0]["time"] == "2026-03-02T11:10:00.000Z"
    assert told[1]["folds"] == office.events(CORRECTED)[0].id
    assert {one["by"] for one in told} == {"terminal"}
    assert described(office)
    assert office.comes(600) == "out"
    log = PunchLog(office.outbox)
    last = log.last("4711", 0, int(office.now * 1000) - 900_000)
    assert last is not None
    assert (last.state, last.count) == ("out", 2)


def test_a_punch_that_cannot_be_corrected_on_a_full_disk_is_told(
    make: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make()
    office.comes()
    (first,) = office.events()
    with office.outbox._database.transaction() as connection:
        connection.execute("PRAGMA max_page_count = 1")  # no smaller than it is: it is full
    office.outbox._database._opened().execute("PRAGMA query_only = ON")
    reply = office.correct(action="void", punch=first.id)
    assert (reply.result, reply.reason) == ("failed", "not_recorded")
    office.outbox._database._opened().execute("PRAGMA query_only = OFF")


def grant(office: Office, person: str) -> None:
    """Somebody is let in, and the power fails before their punch."""
    office.now += 90
    assert office.journal.record("access.granted", person_id=person) is not None


def restarted(office: Office, *, killed: bool = True) -> None:
    if not killed:
        office.punches.close()
    office.punches = office.make()
    office.punches.open()
    office.journal.record("terminal.started", software="1", model="m")


def test_a_power_cut_between_an_access_and_its_punch_loses_none(
    make: Callable[..., Office],
) -> None:
    office = make()
    office.journal.record("terminal.started", software="1", model="m")
    office.comes()
    grant(office, "4711")
    office.comes(90)  # that one is recorded
    grant(office, "4711")
    office.now += 7200
    restarted(office)
    (late,) = office.events(CORRECTED)
    assert (late.data["action"], late.data["state"], late.data["by"]) == ("add", "in", "terminal")
    assert late.data["time"] == "2026-03-02T11:04:30.000Z"
    assert described(office)
    restarted(office)  # and once only
    assert len(office.events(CORRECTED)) == 1
    assert office.comes(90) == "out"


def test_a_late_punch_of_a_clock_that_nobody_believed_is_told_as_that(
    make: Callable[..., Office],
) -> None:
    office = make()
    office.outbox.believe = lambda: "unsynced"
    office.journal.record("terminal.started", software="1", model="m")
    grant(office, "4711")  # whose punch the power cut takes
    office.outbox.close()
    office.outbox.open()
    office.outbox.believe = lambda: "synced"
    restarted(office)
    office.outbox.close()
    office.outbox.believe = lambda: "unsynced"
    assert office.comes(600, "4712") is None  # that the disk takes
    office.outbox.open()
    office.outbox.believe = lambda: "synced"
    office.now += 5
    office.punches.tick()
    assert [event.data["clock"] for event in office.events(CORRECTED)] == ["unsynced"] * 2
    assert [event.clock for event in office.events(CORRECTED)] == ["synced"] * 2
    assert described(office)
    for person in ("4711", "4712"):
        last = PunchLog(office.outbox).last(person, 0, int(office.now * 1000) + 1)
        assert last is not None
        assert not last.synced
        assert PunchLog(office.outbox).punch(last.id) == last


def test_several_that_a_full_disk_and_a_power_cut_took_are_all_made_good(
    make: Callable[..., Office],
) -> None:
    office = make()
    office.journal.record("terminal.started", software="1", model="m")
    office.comes()
    for person in ("4711", "4712", "4711"):
        grant(office, person)
    add = {"action": "add", "state": "break", "time": "2026-03-02T11:59+01:00"}
    assert office.correct(**add).result == "ok"  # a person's correction is no presentation
    restarted(office)
    late = [event.data for event in office.events(CORRECTED) if event.data["by"] == "terminal"]
    assert [(one["person_id"], one["state"]) for one in late] == [
        ("4711", "out"),
        ("4712", "in"),
        ("4711", "in"),
    ]


def test_a_repeat_that_a_power_cut_took_is_one_more_of_its_punch(
    make: Callable[..., Office],
) -> None:
    office = make()
    office.comes()
    office.now -= 60
    grant(office, "4711")
    restarted(office)
    (late,) = office.events(CORRECTED)
    assert late.data["folds"] == office.events()[0].id
    last = PunchLog(office.outbox).last("4711", 0, int(office.now * 1000) + 1)
    assert last is not None
    assert (last.state, last.count) == ("in", 2)


def test_who_was_not_let_in_or_came_while_nobody_punched_gets_none(
    make: Callable[..., Office],
) -> None:
    office = make()
    office.journal.record("terminal.started", software="1", model="m")
    grant(office, "4711")
    grant(office, "4712")
    office.journal.record("door.fault", reason="stuck")
    # then the section is left out for a while
    office.journal.record("terminal.started", software="1", model="m")
    grant(office, "4712")
    restarted(office)
    assert office.events(CORRECTED) == []
    restarted(office, killed=False)
    office.punches.close()
    assert office.outbox.note(MARK) is None
    office.punches.close()
    grant(office, "4713")
    restarted(office)  # it had ended by itself
    assert office.events(CORRECTED) == []


def test_a_note_that_is_garbage_is_no_reason_not_to_start(make: Callable[..., Office]) -> None:
    office = make()
    office.outbox.keep_note(MARK, "garbage")
    grant(office, "4711")
    restarted(office)
    assert office.outbox.note(MARK) == str(office.outbox.head.seq - 1)


def test_from_many_threads_none_is_lost(make: Callable[..., Office]) -> None:
    office = make(keys=["break"])

    def come(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            if dice.random() < 0.2:
                office.punches.key("break")
            office.punches.granted(dice.choice(["4711", "4712"]), office.now, "camera")

    threads = [threading.Thread(target=come, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = office.events()
    assert len(events) == 160
    heads = {event.id for event in events if "folds" not in event.data}
    counted = Counter(event.data.get("folds", event.id) for event in events)
    assert set(counted) == heads
    last = {event.data.get("folds", event.id): event.data["count"] for event in events}
    assert last == counted
