"""What time it is believed to be, whatever happens to the clocks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import DiskFull, StorageError
from edged.events.trusted import JUMP_S, MARK, Mark, Sync, TrustedTime, read_mark, write_mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.events.types import Clock

NOW = 1_800_000_000.0
DAY = 86_400.0
YEAR = 365 * DAY


@dataclass
class Disk:
    """Notes that outlast everything; they can be out of order."""

    texts: dict[str, str] = field(default_factory=dict)
    written: int = 0
    fault: StorageError | None = None

    def note(self, name: str) -> str | None:
        if self.fault:
            raise self.fault
        return self.texts.get(name)

    def keep_note(self, name: str, value: str | None) -> None:
        if self.fault:
            raise self.fault
        self.written += 1
        if value is None:
            self.texts.pop(name, None)
        else:
            self.texts[name] = value


@dataclass
class Machine:
    """All clocks of one terminal, and its disk."""

    disk: Disk = field(default_factory=Disk)
    wall_s: float = NOW
    count_s: float = 100.0
    kernel: Clock = "unsynced"
    error_s: float = 0.02
    boot: str = "boot-1"
    rtc: bool = True

    def start(self) -> TrustedTime:
        time = TrustedTime(
            self.disk,
            lambda: self.kernel,
            lambda: self.wall_s,
            lambda: self.count_s,
            error=lambda: self.error_s,
            boot=lambda: self.boot,
            rtc=lambda: self.rtc,
        )
        time.open()
        return time

    def pass_(self, seconds: float) -> None:
        self.wall_s += seconds
        self.count_s += seconds

    def reboot(self, wall_s: float) -> None:
        self.boot += "+"
        self.count_s, self.wall_s, self.kernel = 3.0, wall_s, "unsynced"

    def set_by_hand(self, wall_s: float) -> None:
        self.wall_s, self.kernel = wall_s, "unsynced"


def synced_machine() -> tuple[Machine, TrustedTime]:
    machine = Machine(kernel="synced")
    time = machine.start()
    time.tick()
    return machine, time


def source(time: TrustedTime) -> str:
    return str(time.document()["source"])


def nothing(machine: Machine) -> None:
    pass


def network_lost(machine: Machine) -> None:
    machine.kernel = "unsynced"
    machine.pass_(DAY)


def network_lost_for_a_week(machine: Machine) -> None:
    machine.kernel = "unsynced"
    machine.pass_(7 * DAY)


def set_back(machine: Machine) -> None:
    machine.set_by_hand(machine.wall_s - YEAR)


def set_forward(machine: Machine) -> None:
    machine.set_by_hand(machine.wall_s + YEAR)


def crept(machine: Machine) -> None:
    machine.kernel = "unsynced"
    for _ in range(3):
        machine.wall_s -= 2


def nudged(machine: Machine) -> None:
    machine.set_by_hand(machine.wall_s - 2)


def set_and_put_right(machine: Machine) -> None:
    machine.set_by_hand(machine.wall_s + YEAR)
    machine.wall_s -= YEAR


def corrected_by_ntp(machine: Machine) -> None:
    machine.wall_s += 3600


def set_back_by_ntp(machine: Machine) -> None:
    machine.wall_s -= YEAR


def asleep(machine: Machine) -> None:
    machine.pass_(8 * 3600)
    machine.kernel = "unsynced"


def rebooted(machine: Machine) -> None:
    machine.reboot(machine.wall_s + 60)


def rebooted_in_1970(machine: Machine) -> None:
    machine.reboot(12.0)


def rebooted_in_2000(machine: Machine) -> None:
    machine.reboot(946_684_800.0)


def rebooted_without_rtc(machine: Machine) -> None:
    machine.rtc = False
    machine.reboot(machine.wall_s + 60)


def rebooted_and_synced(machine: Machine) -> None:
    machine.reboot(machine.wall_s + 60)
    machine.kernel = "synced"


def garbage_of_a_clock(machine: Machine) -> None:
    machine.wall_s = math.inf


@pytest.mark.parametrize("process", ["goes on", "is restarted"])
@pytest.mark.parametrize(
    ("happens", "believed"),
    [
        (nothing, "ntp"),
        (network_lost, "holdover"),
        (network_lost_for_a_week, "unknown"),
        (set_back, "unknown"),
        (set_forward, "unknown"),
        (crept, "unknown"),
        (nudged, "holdover"),
        (set_and_put_right, "holdover"),
        (corrected_by_ntp, "ntp"),
        (set_back_by_ntp, "unknown"),
        (asleep, "holdover"),
        (garbage_of_a_clock, "unknown"),
    ],
)
def test_what_is_believed_of_a_clock_that_was_right(
    happens: Callable[[Machine], None], believed: str, process: str
) -> None:
    machine, time = synced_machine()
    earliest = time.earliest()
    if process == "is restarted":
        time.close()
    happens(machine)
    if process == "is restarted":
        time = machine.start()
    assert source(time) == believed
    assert time.trusted == (believed in ("ntp", "holdover"))
    assert time.clock() == ("synced" if time.trusted else "unsynced")
    assert time.document()["synced"] == time.trusted
    assert (time.document()["error_s"] is None) == (not time.trusted)
    assert time.now() >= earliest >= NOW


@pytest.mark.parametrize(
    ("happens", "believed"),
    [
        (rebooted, "rtc"),
        (rebooted_in_1970, "unknown"),
        (rebooted_in_2000, "unknown"),
        (rebooted_without_rtc, "unknown"),
        (rebooted_and_synced, "ntp"),
    ],
)
@pytest.mark.parametrize("end", ["in order", "power cut"])
def test_what_is_believed_after_a_reboot(
    happens: Callable[[Machine], None], believed: str, end: str
) -> None:
    machine, time = synced_machine()
    machine.pass_(30)
    time.tick()
    if end == "in order":
        time.close()
    happens(machine)
    again = machine.start()
    assert source(again) == believed
    assert again.now() >= NOW + (30 if end == "in order" else 0)


@pytest.mark.parametrize(
    ("wall_s", "rtc", "believed"),
    [
        (NOW, True, "rtc"),
        (NOW, False, "unknown"),
        (0.0, True, "unknown"),
        (946_684_800.0, True, "unknown"),
        (math.inf, True, "unknown"),
        (math.nan, True, "unknown"),
        (1e12, True, "unknown"),
    ],
)
def test_what_a_new_terminal_believes_without_a_network(
    wall_s: float, rtc: bool, believed: str
) -> None:
    time = Machine(wall_s=wall_s, rtc=rtc).start()
    assert source(time) == believed
    assert not time.trusted
    assert time.earliest() == 0.0


def test_an_untrusted_clock_moves_no_mark() -> None:
    machine = Machine()
    time = machine.start()
    time.tick()
    machine.set_by_hand(NOW + YEAR)
    assert source(time) == "unknown"
    time.tick()
    time.close()
    assert machine.disk.texts == {}


def test_a_clock_that_is_set_back_stops_no_time() -> None:
    machine, time = synced_machine()
    machine.set_by_hand(NOW - YEAR)
    machine.pass_(1000)
    assert time.now() == pytest.approx(NOW + 1000, abs=1)
    time.close()
    again = machine.start()
    assert again.now() == pytest.approx(NOW + 1000, abs=1)


def test_a_time_server_that_lied_is_found_when_it_is_put_right_and_a_reset_helps() -> None:
    machine, time = synced_machine()
    machine.wall_s += YEAR  # it lies, and the kernel believes it
    time.tick()
    machine.wall_s -= YEAR
    assert not time.trusted
    assert time.problem is not None
    assert "edged clock reset" in time.problem
    assert time.now() >= NOW + YEAR
    machine.pass_(120)
    time.tick()
    machine.disk.keep_note(MARK, None)  # as the command does
    machine.pass_(10)
    time.tick()
    assert time.trusted
    assert time.problem is None
    assert time.now() == machine.wall_s


def test_a_reset_just_before_the_end_is_not_undone() -> None:
    machine, time = synced_machine()
    machine.wall_s += YEAR
    time.tick()
    machine.wall_s -= YEAR
    machine.disk.keep_note(MARK, None)
    time.close()
    kept = machine.disk.texts.get(MARK)
    assert kept is None or (read_mark(kept) or Mark(0, 0, "")).wall_s < NOW + DAY


GARBAGE = [
    "",
    "garbage",
    "[]",
    "null",
    "{}",
    '{"v":1}',
    '{"v":1,"wall_s":NaN,"at_s":1,"boot":"b","sync":null}',
    '{"v":1,"wall_s":Infinity,"at_s":1,"boot":"b","sync":null}',
    '{"v":1,"wall_s":-1,"at_s":1,"boot":"b","sync":null}',
    '{"v":1,"wall_s":1e300,"at_s":1,"boot":"b","sync":null}',
    '{"v":1,"wall_s":"soon","at_s":1,"boot":"b","sync":null}',
    '{"v":2,"wall_s":1.0,"at_s":1,"boot":"b","sync":null}',
    '{"v":1,"wall_s":1.0,"at_s":1,"boot":"b","sync":[1]}',
    '{"v":1,"wall_s":1.0,"at_s":1,"boot":"b","sync":{"offset_s":NaN,"at_s":1,"error_s":0}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", GARBAGE)
def test_a_damaged_mark_is_told_and_trusts_nothing_until_a_time_service_does(text: str) -> None:
    machine = Machine(disk=Disk({MARK: text}))
    time = machine.start()
    assert source(time) == "unknown"
    assert time.problem is not None
    assert "damaged" in time.problem
    time.tick()
    time.close()
    assert machine.disk.texts[MARK] == text
    time = machine.start()
    machine.kernel = "synced"
    time.tick()
    assert time.trusted
    assert time.problem is None
    assert read_mark(machine.disk.texts[MARK]) is not None


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_too_strange(text: str) -> None:
    assert read_mark(text) is None
    assert Machine(disk=Disk({MARK: text})).start().now() == NOW


finite = st.floats(0, 7e9)


@given(finite, finite, st.text(max_size=40), st.none() | st.tuples(finite, finite, finite))
def test_a_mark_comes_back_as_it_was(
    wall_s: float, at_s: float, boot: str, sync: tuple[float, float, float] | None
) -> None:
    mark = Mark(wall_s, at_s, boot, None if sync is None else Sync(*sync))
    assert read_mark(write_mark(mark)) == mark


moves = st.sampled_from(["pass", "set", "sync", "lose", "reboot", "restart", "kill"])


@given(st.lists(st.tuples(moves, st.floats(0, 3 * YEAR)), max_size=30))
def test_it_never_becomes_earlier_than_it_was_for_certain(
    history: list[tuple[str, float]],
) -> None:
    machine, time = synced_machine()
    lowest = time.earliest()
    for move, amount in history:
        if move == "pass":
            machine.pass_(amount)
        elif move == "set":
            machine.set_by_hand(amount * 20)
        elif move in ("sync", "lose"):
            machine.kernel = "synced" if move == "sync" else "unsynced"
        else:
            if move != "kill":
                time.close()
            if move == "reboot":
                machine.reboot(amount * 20)
            time = machine.start()
            if move == "kill":
                lowest = time.earliest()  # a minute may be lost
        time.tick()
        assert time.now() >= time.earliest() >= lowest - 1e-3
        lowest = time.earliest()


def test_the_mark_is_written_once_a_minute_and_at_the_end() -> None:
    machine, time = synced_machine()
    assert machine.disk.written == 1
    for _ in range(119):
        machine.pass_(0.5)
        time.tick()
    assert machine.disk.written == 1
    machine.pass_(0.5)
    time.tick()
    assert machine.disk.written == 2
    time.close()
    assert machine.disk.written == 3
    time.close()
    assert machine.disk.written == 3


def test_it_is_written_when_the_clock_becomes_trusted() -> None:
    machine = Machine()
    time = machine.start()
    time.tick()
    assert machine.disk.written == 0
    machine.pass_(1)
    machine.kernel = "synced"
    time.tick()
    assert machine.disk.written == 1


def test_a_clock_that_is_set_is_told_once() -> None:
    machine, time = synced_machine()
    machine.pass_(10)
    assert time.tick() is None
    machine.set_by_hand(NOW - YEAR)
    jump = time.tick()
    assert jump is not None
    assert jump.document() == {
        "from": "2027-01-15T08:00:10Z",
        "to": "2026-01-15T08:00:00Z",
        "source": "unknown",
    }
    machine.pass_(10)
    assert time.tick() is None


def test_what_a_time_service_mends_is_a_jump_too_and_sleep_is_none() -> None:
    machine, time = synced_machine()
    machine.wall_s += JUMP_S + 1
    jump = time.tick()
    assert jump is not None
    assert jump.source == "ntp"
    machine.pass_(3 * DAY)
    assert time.tick() is None


@pytest.mark.parametrize("wall_s", [-math.inf, math.inf, 1e300, -5.0])
def test_a_jump_to_nowhere_can_be_told(wall_s: float) -> None:
    machine, time = synced_machine()
    machine.set_by_hand(wall_s)
    jump = time.tick()
    assert jump is not None
    json.dumps(jump.document(), allow_nan=False)
    json.dumps(time.document(), allow_nan=False)
    assert math.isfinite(time.earliest())


def test_a_disk_that_takes_nothing_stops_nothing_and_is_told() -> None:
    machine, time = synced_machine()
    machine.disk.fault = DiskFull("no room")
    machine.pass_(61)
    time.tick()
    assert time.trusted
    assert time.problem == "the time cannot be remembered: no room"
    machine.disk.fault = None
    machine.pass_(61)
    time.tick()
    assert time.problem is None


def test_notes_that_cannot_be_read_are_no_start() -> None:
    machine = Machine(disk=Disk(fault=StorageError("no")))
    with pytest.raises(StorageError):
        machine.start()


def test_the_state_stays_the_same_while_nothing_happens() -> None:
    machine, time = synced_machine()
    before = time.document()
    for _ in range(1000):
        machine.pass_(0.5)
        machine.error_s = 0.02 + machine.count_s % 7 / 1000
        time.tick()
        assert time.document() == before


def test_the_bound_of_the_error_grows_slower_than_the_kernel_s() -> None:
    machine, time = synced_machine()
    machine.pass_(1000)
    machine.error_s = 0.5  # the kernel adds 500 ppm until the next poll
    time.tick()
    machine.kernel = "unsynced"
    machine.pass_(0.9 * DAY)
    assert time.document()["error_s"] == 30.0
    assert time.trusted
    machine.pass_(3 * DAY)
    assert not time.trusted


def test_before_it_is_opened_it_is_only_a_clock() -> None:
    machine = Machine()
    time = TrustedTime(machine.disk, lambda: machine.kernel, lambda: machine.wall_s)
    assert time.now() == NOW
    assert not time.trusted
    time.close()
    assert machine.disk.texts == {}
