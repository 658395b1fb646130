"""What goes next, whatever happens: on a real outbox, without a broker."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edged.events.outbox import Outbox
from edged.events.types import Event
from edged.mqtt.streams import Streams, is_fresh
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIVE_S = 10.0
FAST_HZ = 100_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path, clock: Clock) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(32)), 100_000, clock=clock)
    outbox.open()
    yield outbox
    outbox.close()


@pytest.fixture
def make(
    outbox: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Streams, set[int]]]:
    monkeypatch.setattr("edged.mqtt.streams._LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr("edged.mqtt.streams._LOOK_SHARE", 0.0)

    def made(backlog_hz: float = FAST_HZ) -> tuple[Streams, set[int]]:
        held: set[int] = set()
        return Streams(outbox, held, LIVE_S, backlog_hz, clock), held

    return made


def record(outbox: Outbox, count: int) -> list[int]:
    return [outbox.append("access.granted", {"n": number}).seq for number in range(count)]


def sent(take: Callable[[], Event | None], held: set[int]) -> list[int]:
    """All that comes, none of it acknowledged."""
    found = []
    while (event := take()) is not None:
        held.add(event.seq)
        found.append(event.seq)
    return found


def test_what_waited_is_backlog_and_what_comes_is_live(outbox: Outbox, make: Any) -> None:
    old = record(outbox, 250)
    streams, held = make()
    new = record(outbox, 250)
    assert sent(streams.live, held) == new
    assert sent(streams.backlog, held) == old


def test_a_live_one_goes_while_the_backlog_waits(outbox: Outbox, make: Any) -> None:
    record(outbox, 300)
    streams, held = make()
    assert streams.backlog().seq == 1
    (new,) = record(outbox, 1)
    streams.look()
    assert sent(streams.live, held) == [new]
    assert streams.backlog().seq == 2


def test_a_live_one_that_got_too_old_joins_the_end_of_the_backlog(
    outbox: Outbox, make: Any, clock: Clock
) -> None:
    old = record(outbox, 20)
    streams, held = make()
    late = record(outbox, 20)
    clock.now += LIVE_S + 1
    new = record(outbox, 20)
    assert sent(streams.live, held) == new
    assert sent(streams.backlog, held) == old + late


def test_live_ones_on_their_way_are_not_taken_for_backlog(
    outbox: Outbox, make: Any, clock: Clock
) -> None:
    streams, held = make()
    first = record(outbox, 5)
    assert sent(streams.live, held) == first
    late = record(outbox, 5)
    clock.now += LIVE_S + 1
    streams.look()
    assert sent(streams.live, held) == []
    assert sent(streams.backlog, held) == late


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
def test_a_clock_that_was_set_makes_no_event_live_that_is_not(
    outbox: Outbox, make: Any, clock: Clock, jump_s: float
) -> None:
    streams, held = make()
    before = record(outbox, 3)
    clock.now += jump_s
    after = record(outbox, 3)
    assert sent(streams.live, held) == after
    assert sent(streams.backlog, held) == before


def test_what_the_site_wants_again_follows_the_backlog(outbox: Outbox, make: Any) -> None:
    record(outbox, 300)
    streams, held = make()
    first = [streams.backlog().seq for _ in range(150)]
    outbox.acknowledge(first)
    assert outbox.again(50, 60) == 11
    rest = sent(streams.backlog, held)
    assert rest == [*range(151, 301), *range(50, 61)]


def test_what_was_delivered_live_is_sent_again_as_backlog(outbox: Outbox, make: Any) -> None:
    streams, held = make()
    live = record(outbox, 30)
    assert sent(streams.live, held) == live
    outbox.acknowledge(live)
    held.clear()
    outbox.again(10, 12)
    streams.look()
    assert sent(streams.live, held) == []
    assert sent(streams.backlog, held) == [10, 11, 12]


def test_the_backlog_keeps_its_pace_and_live_ones_do_not(outbox: Outbox, make: Any) -> None:
    record(outbox, 50)
    streams, held = make(backlog_hz=0.001)
    new = record(outbox, 50)
    assert sent(streams.backlog, held) == [1]
    assert sent(streams.live, held) == new


def test_a_faster_backlog_is_asked_for_more_often(
    outbox: Outbox, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(outbox, 5)
    made = make(backlog_hz=0.001)[0], make(backlog_hz=20)[0], make(backlog_hz=100_000)[0]
    monkeypatch.setattr("edged.mqtt.streams._LOOK_AGAIN_S", 1.0)
    assert [streams.pause_s for streams in made] == pytest.approx([1.0, 0.05, 0.0125])


def test_looking_for_what_is_wanted_again_takes_little_of_the_time(
    outbox: Outbox, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams, held = make()
    monkeypatch.setattr("edged.mqtt.streams._LOOK_AGAIN_S", 1000.0)
    assert sent(streams.backlog, held) == []
    monkeypatch.setattr(outbox, "pending", lambda *_: pytest.fail("looked again"))
    assert sent(streams.backlog, held) == []


def test_an_event_without_a_readable_time_is_not_live() -> None:
    from datetime import UTC, datetime

    event = Event("a" * 32, 1, "access.granted", "yesterday", "synced", {})
    assert not is_fresh(event, datetime.now(UTC), LIVE_S)


class Life(RuleBasedStateMachine):
    """Any order of recording, sending, acknowledging, breaking, asking again and clock jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.outbox = Outbox(
            self.folder / "events.db", Secret(bytes(32)), 100_000, clock=self.clock
        )
        self.outbox.open()
        self.recorded: dict[int, str] = {}
        self.delivered: set[int] = set()
        self.wanted: Counter[int] = Counter()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("edged.mqtt.streams._LOOK_AGAIN_S", 0.0)
        self.patch.setattr("edged.mqtt.streams._LOOK_SHARE", 0.0)
        self.patch.setattr("edged.mqtt.streams._PAGE", 3)
        self.connect()

    def teardown(self) -> None:
        self.connect()
        self.drain()
        assert self.outbox.depth == 0
        assert self.delivered == self.recorded.keys()
        self.outbox.close()
        self.patch.undo()
        shutil.rmtree(self.folder)

    def connect(self) -> None:
        self.held: set[int] = set()
        self.on_way: list[int] = []
        self.seen: dict[str, list[int]] = {"live": [], "backlog": []}
        self.streams = Streams(self.outbox, self.held, LIVE_S, FAST_HZ, self.clock)
        self.boundary = self.outbox.head.seq

    def drain(self) -> None:
        while True:
            self.streams.look()
            if not (self.send("live") or self.send("backlog")):
                return
            self.acknowledge(len(self.on_way))

    def send(self, stream: str) -> bool:
        event = getattr(self.streams, stream)()
        if event is None:
            return False
        assert self.recorded[event.seq] == event.id, "made up"
        assert event.seq not in self.on_way, "sent while it is on its way"
        if stream == "live":
            assert event.seq > self.boundary, "what waited is not live"
        again = event.seq in self.delivered
        if not again:
            fresh = [seq for seq in self.seen[stream] if seq not in self.wanted]
            assert not fresh or fresh[-1] < event.seq, "out of order"
            self.seen[stream].append(event.seq)
        self.held.add(event.seq)
        self.on_way.append(event.seq)
        return True

    def acknowledge(self, count: int) -> None:
        done, self.on_way = self.on_way[:count], self.on_way[count:]
        self.outbox.acknowledge(done)
        self.held.difference_update(done)
        self.delivered.update(done)

    @rule(count=st.integers(1, 8))
    def record(self, count: int) -> None:
        for event in (self.outbox.append("access.granted", {}) for _ in range(count)):
            self.recorded[event.seq] = event.id

    @rule(count=st.integers(1, 8))
    def send_live(self, count: int) -> None:
        self.streams.look()
        for _ in range(count):
            self.send("live")

    @rule(count=st.integers(1, 8))
    def send_backlog(self, count: int) -> None:
        for _ in range(count):
            self.send("backlog")

    @precondition(lambda self: self.on_way)
    @rule(count=st.integers(1, 8))
    def acknowledged(self, count: int) -> None:
        self.acknowledge(count)

    @rule()
    def reconnect(self) -> None:
        self.connect()

    @rule(seconds=st.sampled_from([1.0, 11.0, -3600.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(1, max(self.recorded)))
        self.outbox.again(first, first + 3)
        self.wanted.update(range(first, first + 4))

    @invariant()
    def nothing_is_lost(self) -> None:
        waiting = {event.seq for event in self.outbox.pending(limit=100_000)}
        assert waiting | self.delivered >= self.recorded.keys()


TestLife = Life.TestCase
TestLife.settings = effort(max_examples=20, stateful_step_count=30, deadline=None)
