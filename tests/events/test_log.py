"""Delivered events stay for a while, within bounds; and what was asked for again, or has to go."""

from __future__ import annotations

import json
import os
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.errors import DiskFull
from edged.events import room
from edged.events.chain import verify
from edged.events.outbox import Outbox
from edged.events.room import _MOST
from edged.events.rows import NAMING
from edged.events.types import GAP
from tests.events.chains import KEY, checkpoint, visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY_S = 86_400.0
START_S = 1_900_000_000.0


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Outbox]]:
    made: list[Outbox] = []

    def make(capacity: int = 100_000, **more: Any) -> Outbox:
        made.append(Outbox(tmp_path / "events.db", KEY, capacity, **more))
        made[-1].believe = lambda: "synced"
        made[-1].open()
        return made[-1]

    yield make
    for outbox in made:
        outbox.close()


def fill(outbox: Outbox, number: int, size: int = 0) -> None:
    for n in range(number):
        pad = {"pad": os.urandom(size // 2).hex()} if size else {}
        outbox.append("access.granted", {**visit(n, f"E{n % 5}"), **pad})


def seqs(outbox: Outbox) -> list[int]:
    return [event.seq for event in outbox.events()]


def used(outbox: Outbox) -> int:
    with outbox._database.snapshot() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return int(pages) * 4096


def whole(outbox: Outbox) -> bool:
    report = verify(outbox.events(), (), [checkpoint(outbox.head)])
    assert report.whole, report.findings
    with outbox._database.snapshot() as connection:
        tables = "waiting", "again"
        counted = sum(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
        )
    assert outbox.depth == counted
    return True


def test_delivered_events_stay_and_are_found_by_their_id(make: Callable[..., Outbox]) -> None:
    outbox = make()
    fill(outbox, 520)  # more than a page
    outbox.acknowledge(range(1, 521))
    assert outbox.pending() == []
    events = list(outbox.events())
    assert [event.seq for event in events] == list(range(1, 521))
    assert [event.seq for event in outbox.events(400, 402)] == [400, 401, 402]
    assert outbox.event(events[5].id) == events[5]
    for unknown in ("0" * 32, "", "x", "A" * 32, events[5].id[:16] + "0" * 16):
        assert outbox.event(unknown) is None
    assert whole(outbox)


def test_delivered_events_go_when_their_days_are_over(make: Callable[..., Outbox]) -> None:
    clock = [START_S]
    outbox = make(keep_days=2, clock=lambda: clock[0])
    fill(outbox, 10)
    clock[0] += 1.5 * DAY_S
    fill(outbox, 10)
    outbox.acknowledge(range(1, 16))
    clock[0] += DAY_S
    outbox.append("a.b", {})
    assert seqs(outbox) == list(range(11, 22))
    clock[0] += 9 * DAY_S
    outbox.append("a.b", {})
    assert seqs(outbox) == list(range(16, 23))  # what waits stays, however old it is
    assert whole(outbox)


def test_with_no_days_delivered_events_go_at_once(make: Callable[..., Outbox]) -> None:
    clock = [START_S]
    outbox = make(keep_days=0, clock=lambda: clock[0])
    fill(outbox, 10)
    outbox.acknowledge(range(1, 11))
    clock[0] += 1
    outbox.append("a.b", {})
    assert seqs(outbox) == [11]
    assert whole(outbox)


def test_a_clock_that_jumps_back_and_forth_takes_away_nothing_that_waits(
    make: Callable[..., Outbox],
) -> None:
    clock = [START_S]
    outbox = make(keep_days=1, clock=lambda: clock[0])
    for moment in (START_S, 0.0, START_S + 400 * DAY_S, START_S - 400 * DAY_S, START_S):
        clock[0] = moment
        fill(outbox, 3)
    assert seqs(outbox) == list(range(1, 16)) == [event.seq for event in outbox.pending()]
    assert whole(outbox)


def test_at_its_largest_delivered_events_give_way_silently(make: Callable[..., Outbox]) -> None:
    outbox = make(largest_mb=4)
    for _ in range(15):
        fill(outbox, 20, 40_000)
        outbox.acknowledge(range(1, outbox.head.seq + 1))
    assert used(outbox) <= 4 << 20
    kept = seqs(outbox)
    assert 20 < len(kept) < 220
    assert kept == list(range(kept[0], 301))
    assert not any(event.type == GAP for event in outbox.events())
    assert whole(outbox)


def test_at_its_largest_what_waits_gives_way_with_a_gap(make: Callable[..., Outbox]) -> None:
    outbox = make(largest_mb=4)
    fill(outbox, 300, 40_000)
    assert used(outbox) <= 4 << 20
    events = outbox.pending(limit=10_000)
    gaps = [event.data for event in events if event.type == GAP]
    assert {gap["reason"] for gap in gaps} == {"size"}
    assert sum(gap["count"] for gap in gaps) + len(events) - len(gaps) == 300
    assert gaps[-1]["to_seq"] == events[0].seq - 1
    assert gaps[-1]["last_hash"] == events[0].prev
    assert whole(outbox)


def test_what_gives_way_for_too_many_stays_in_the_log_and_can_be_asked_for(
    make: Callable[..., Outbox],
) -> None:
    outbox = make(10)
    fill(outbox, 40)
    kept = seqs(outbox)
    assert kept == list(range(1, kept[-1] + 1))  # and no append had to take all of it away
    waiting = [event.seq for event in outbox.pending()]
    gap = next(event.data for event in outbox.events() if event.type == GAP)
    assert (gap["from_seq"], gap["to_seq"], gap["count"]) == (1, 2, 2)
    assert verify(outbox.events()).parts[0].lost == ()
    outbox.acknowledge(waiting)
    assert outbox.again(1, 2) == 2
    assert whole(outbox)


def test_what_gave_way_names_nobody_who_was_erased_meanwhile(make: Callable[..., Outbox]) -> None:
    outbox = make(10)
    fill(outbox, 6)
    outbox.redact("E0")
    fill(outbox, 40)
    assert [event.redacted != "" for event in outbox.events(1, 6)] == [
        n in (0, 5) for n in range(6)
    ]
    assert whole(outbox)


def test_an_event_that_cannot_be_delivered_does_not_let_the_log_grow_for_ever(
    make: Callable[..., Outbox],
) -> None:
    outbox = make(largest_mb=4)
    fill(outbox, 1)
    for _ in range(300):
        fill(outbox, 1, 40_000)
        outbox.acknowledge([outbox.head.seq])
    assert used(outbox) <= 4 << 20
    lost = [event.data for event in outbox.pending(limit=1000)]
    assert [(gap["from_seq"], gap["to_seq"], gap["count"]) for gap in lost] == [(1, 1, 1)]
    assert len(seqs(outbox)) > 50  # of those that were delivered only the oldest went
    assert whole(outbox)


def test_one_that_was_asked_for_again_gives_way_before_one_that_was_never_delivered(
    make: Callable[..., Outbox],
) -> None:
    outbox = make(10)
    fill(outbox, 10)
    outbox.acknowledge([1])
    outbox.again(1, 1)
    fill(outbox, 1)
    assert [event.seq for event in outbox.pending()] == list(range(2, 12))


def test_on_a_disk_that_fills_up_the_log_does_not_grow(
    make: Callable[..., Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make(keep_free_mb=1)
    fill(outbox, 260, 40_000)
    before = used(outbox)
    assert before > room.SMALLEST_MB << 20
    outbox.close()
    outbox = make(keep_free_mb=1 << 40)  # no disk has so much
    fill(outbox, 150, 40_000)
    assert used(outbox) <= before + (1 << 20)
    gaps = [event.data for event in outbox.events() if event.type == GAP]
    assert {gap["reason"] for gap in gaps} == {"disk"}
    assert whole(outbox)


def test_a_small_log_may_grow_on_any_disk(make: Callable[..., Outbox]) -> None:
    outbox = make(keep_free_mb=1 << 40)
    fill(outbox, 200, 1000)
    assert outbox.depth == 200


def test_no_append_takes_much_away_at_once(make: Callable[..., Outbox]) -> None:
    clock = [START_S]
    outbox = make(keep_days=1, clock=lambda: clock[0])
    fill(outbox, 150)
    outbox.acknowledge(range(1, 151))
    clock[0] += 2 * DAY_S
    left = []
    for _ in range(4):
        outbox.append("a.b", {})
        left.append(next(outbox.events()).seq)
    assert left == [1 + _MOST, 1 + 2 * _MOST, 151, 151]


def test_by_age_nothing_goes_while_the_clock_is_not_believed(make: Callable[..., Outbox]) -> None:
    clock = [START_S]
    outbox = make(keep_days=1, clock=lambda: clock[0])
    outbox.believe = lambda: "unsynced"
    fill(outbox, 3)
    outbox.acknowledge(range(1, 4))
    clock[0] += 400 * DAY_S
    fill(outbox, 1)
    assert seqs(outbox) == [1, 2, 3, 4]


def test_a_full_disk_takes_delivered_events_before_it_refuses(make: Callable[..., Outbox]) -> None:
    outbox = make()
    fill(outbox, 40, 2000)
    outbox.acknowledge(range(1, 31))
    connection = outbox._database._opened()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull):
        fill(outbox, 1000, 2000)
    kept = seqs(outbox)
    assert kept[0] == 31
    assert [event.seq for event in outbox.pending(limit=1000)] == kept
    assert len(kept) > 15
    assert whole(outbox)


def test_what_was_delivered_waits_again(make: Callable[..., Outbox]) -> None:
    outbox = make()
    fill(outbox, 20)
    outbox.acknowledge(range(1, 16))
    assert outbox.wait(0)
    assert outbox.again(3, 17) == 13
    assert outbox.wait(0)
    assert outbox.again(3, 17) == 0
    assert [event.seq for event in outbox.pending()] == list(range(3, 21))
    assert [event.seq for event in outbox.pending(5, 3)] == [6, 7, 8]
    assert [event.seq for event in outbox.pending(5, until_seq=7)] == [6, 7]
    outbox.acknowledge([3, 4, 17])
    assert outbox.depth == 15
    assert outbox.again(0, 10**12) == 5
    assert outbox.again(10, 1) == 0
    assert whole(outbox)


def test_what_waits_again_is_no_loss_and_makes_none(make: Callable[..., Outbox]) -> None:
    outbox = make(20)
    fill(outbox, 15)
    outbox.acknowledge(range(1, 16))
    assert outbox.again(1, 15) == 15
    fill(outbox, 18)
    assert [event.seq for event in outbox.pending() if event.seq > 15] == list(range(16, 34))
    assert outbox.depth <= 20
    assert not any(event.type == GAP for event in outbox.events())
    outbox.again(1, 15)
    assert outbox.depth <= 20
    assert whole(outbox)


def texts(outbox: Outbox) -> str:
    return json.dumps([event.data for event in outbox.events()])


def test_who_is_erased_leaves_delivered_events_now_and_the_others_later(
    make: Callable[..., Outbox],
) -> None:
    outbox = make()
    for who in ("alice", "bob", "alice", "bob", "alice"):
        outbox.append("access.granted", visit(1, who))
    outbox.append("enrol.failed", {"person_id": "bob", "other": "alice", "text": "alice it is"})
    hashes = [event.hash for event in outbox.events()]
    outbox.acknowledge([1, 2])
    outbox.again(1, 2)
    assert outbox.redact("alice") == 1
    assert [event.seq for event in outbox.pending()] == [2, 3, 4, 5, 6]
    assert outbox.pending()[1].data["person_id"] == "alice"  # the site has yet to hear it
    assert outbox.redact("alice") == 0
    outbox.append("enrol.completed", {"person_id": "alice"})  # somebody new under this id
    outbox.acknowledge([2, 3, 4, 5, 6, 7])
    found = list(outbox.events())
    assert [bool(event.redacted) for event in found] == [
        True,
        False,
        True,
        False,
        True,
        True,
        False,
    ]
    assert [event.hash for event in found][:6] == hashes
    assert found[0].data == {}
    assert found[0].type == "access.granted"
    assert outbox.again(1, 7) == 3
    assert [event.seq for event in outbox.naming("alice")] == [7]
    assert [event.seq for event in outbox.naming("bob")] == [2, 4]
    assert whole(outbox)


def test_nobody_else_is_redacted(make: Callable[..., Outbox]) -> None:
    outbox = make()
    fill(outbox, 50)
    outbox.acknowledge(range(1, 51))
    before = texts(outbox)
    for stranger in ("nobody", "", "E", "matched", "%", "' OR 1"):
        assert outbox.redact(stranger) == 0
    assert texts(outbox) == before


def test_a_person_with_very_many_events_is_redacted(make: Callable[..., Outbox]) -> None:
    outbox = make()
    for _ in range(450):
        outbox.append("access.granted", visit(1, "alice"))
    outbox.acknowledge(range(1, 451))
    assert outbox.redact("alice") == 450
    assert "alice" not in texts(outbox)
    assert whole(outbox)


def test_a_person_s_day_is_found_by_the_clock_of_the_terminal(
    make: Callable[..., Outbox],
) -> None:
    clock = [START_S]
    outbox = make(clock=lambda: clock[0])
    for hour in range(72):
        clock[0] = START_S + hour * 3600
        outbox.append("access.granted", visit(hour, f"E{hour % 2}"))
    outbox.acknowledge(range(1, 30))
    found = [e.seq for e in outbox.naming("E0", START_S + DAY_S, START_S + 2 * DAY_S)]
    assert found == list(range(25, 49, 2))
    assert len(list(outbox.naming("E0"))) == 36
    assert list(outbox.naming("nobody")) == []


def test_a_person_named_anywhere_is_found(make: Callable[..., Outbox]) -> None:
    outbox = make()
    deep = {"warnings": [{"lookalikes": [{"person_id": "deep"}], "other": "aside"}], "n": "no"}
    outbox.append("enrol.completed", deep)
    assert len(list(outbox.naming("deep"))) == len(list(outbox.naming("aside"))) == 1
    assert list(outbox.naming("no")) == []


def test_whatever_names_people_by_the_contract_is_found() -> None:
    folder = resources.files("edged.mqtt.contract")
    pages = [page.read_text() for page in folder.iterdir() if page.name.endswith(".py")]
    says = re.compile(r"^ +(\w+): Person\b", re.MULTILINE)
    naming = {name for page in pages for name in says.findall(page)}
    assert naming == NAMING


def test_notes_are_kept_across_restarts(make: Callable[..., Outbox]) -> None:
    outbox = make()
    assert outbox.note("clock") is None
    outbox.keep_note("clock", "1")
    outbox.keep_note("clock", "zwölf \0 😀")
    outbox.keep_note("other", "x" * 65_536)
    outbox.close()
    outbox.open()
    assert outbox.note("clock") == "zwölf \0 😀"
    outbox.keep_note("clock", None)
    outbox.keep_note("clock", None)
    assert outbox.note("clock") is None
    with pytest.raises(ValueError, match="65536 bytes"):
        outbox.keep_note("other", "ü" * 40_000)
    assert outbox.note("other") == "x" * 65_536


def test_an_event_is_small(make: Callable[..., Outbox]) -> None:
    outbox = make()
    fill(outbox, 700)
    assert used(outbox) / 700 <= 400  # with the empty file's pages


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    capacity=st.integers(4, 20),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 8)),
            st.tuples(st.just("acknowledge"), st.integers(1, 60)),
            st.tuples(st.just("again"), st.integers(1, 60)),
            st.tuples(st.just("redact"), st.integers(0, 4)),
            st.tuples(st.just("days"), st.integers(0, 3)),
            st.tuples(st.just("reopen"), st.just(0)),
        ),
        max_size=30,
    ),
)
def test_whatever_happens_the_log_is_whole_and_every_loss_is_told(
    tmp_path_factory: pytest.TempPathFactory, capacity: int, steps: list[tuple[str, int]]
) -> None:
    clock = [START_S]
    path = tmp_path_factory.mktemp("log") / "events.db"
    outbox = Outbox(path, KEY, capacity, keep_days=1, clock=lambda: clock[0])
    outbox.believe = lambda: "synced"
    outbox.open()
    recorded: set[int] = set()
    delivered: set[int] = set()
    told: dict[int, tuple[int, int]] = {}
    for step, number in steps:
        if step == "append":
            for n in range(number):
                recorded.add(outbox.append("access.granted", visit(n, f"E{n}")).seq)
        elif step == "acknowledge":
            waiting = [event.seq for event in outbox.pending(limit=number)]
            outbox.acknowledge(waiting)
            delivered |= set(waiting)
        elif step == "again":
            outbox.again(number, number + 10)
        elif step == "redact":
            outbox.redact(f"E{number}")
        elif step == "days":
            clock[0] += number * DAY_S
        else:
            outbox.close()
            outbox.open()
        for event in outbox.events():
            if event.type == GAP:
                told[event.seq] = event.data["from_seq"], event.data["to_seq"]
    assert whole(outbox)
    waiting = {event.seq for event in outbox.pending(limit=10_000)}
    assert len(waiting) == outbox.depth <= capacity
    for seq in recorded - delivered - waiting:
        assert any(first <= seq <= last for first, last in told.values())
    outbox.close()
