"""Events are found by person, type and time, whatever happened to the log meanwhile."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from edged.errors import DiskFull
from edged.events import query
from edged.events.outbox import Outbox
from edged.events.query import LAST_MS, Wanted, fits
from edged.events.rows import body
from edged.events.types import utc_ms
from tests.events.chains import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.events.types import Event

START_S = 1_900_000_000.0
TYPES = ("access.granted", "access.denied", "attendance.punched", "door.fault", "clock.jumped")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Outbox]]:
    made: list[Outbox] = []

    def make(**more: Any) -> Outbox:
        made.append(Outbox(tmp_path / "events.db", KEY, 100_000, **more))
        made[-1].open()
        return made[-1]

    yield make
    for outbox in made:
        outbox.close()


def filled(make: Callable[..., Outbox], number: int = 300, seed: int = 1) -> Outbox:
    """Events of every type and of three people, by a clock that jumps both ways."""
    dice, clock = random.Random(seed), [START_S]
    outbox = make(clock=lambda: clock[0], keep_days=3650)
    with outbox._database.transaction() as connection:
        for _ in range(number):
            clock[0] += dice.choice([0, 0.001, 1, 60])
            if dice.random() < 0.01:
                clock[0] += dice.choice([-1, 1]) * 365 * 86_400
            who = dice.choice([{"person_id": "a"}, {"person_id": "b"}, {"other": "a"}, {}])
            outbox._chain(
                connection,
                dice.choice(TYPES),
                body(who),
                f"{dice.getrandbits(128):032x}",
                int(clock[0] * 1000),
            )
    return outbox


def expected(outbox: Outbox, wanted: Wanted) -> list[Event]:
    """By looking at every one of them."""
    found = [
        (utc_ms(event.time), event.seq, event)
        for event in outbox.events()
        if wanted.since_ms <= utc_ms(event.time) < wanted.until_ms and fits(event, wanted)
    ]
    return [event for _, _, event in sorted(found, key=lambda one: one[:2])]


def test_what_is_found_is_what_one_finds_by_looking_at_all(
    make: Callable[..., Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_PAGE", 37)
    outbox = filled(make)
    spans_s: list[tuple[int, int] | None] = [None, (0, 600), (600, 7000), (-(10**9), 10**9)]
    types = (), ("access.*",), ("attendance.punched", "door.fault"), ("nothing.*",)
    for person, kinds, span_s in product((None, "a", "nobody"), types, spans_s):
        since, until = (-LAST_MS, LAST_MS)
        if span_s is not None:
            since, until = (int((START_S + second) * 1000) for second in span_s)
        wanted = Wanted(person, kinds, since, until)
        right = expected(outbox, wanted)
        assert list(outbox.find(wanted)) == right
        for last in (1, 10, 10_000):
            assert list(outbox.find(wanted, last)) == right[-last:]
        records = list(outbox.records(wanted))
        assert [(one.seq, one.id, one.type, one.data) for one in records] == [
            (one.seq, one.id, one.type, one.data) for one in right
        ]


def test_a_file_of_the_version_before_gets_the_index_and_older_software_reads_it(
    make: Callable[..., Outbox],
) -> None:
    outbox = filled(make, 50)
    with outbox._database.transaction() as connection:
        connection.execute("DROP INDEX events_by_kind")
        before = connection.execute("PRAGMA user_version").fetchone()
    right = list(outbox.find(Wanted(types=("access.*",))))  # found all the same
    outbox.close()
    outbox.open()
    with outbox._database.snapshot() as connection:
        assert not query.is_due(connection)
        assert connection.execute("PRAGMA user_version").fetchone() == before
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT time, seq FROM events e WHERE e.kind = 1 AND e.time >= 0 "
            "AND (e.time > 0 OR e.seq > -1) AND e.time < 9 ORDER BY e.time, e.seq LIMIT 5"
        ).fetchall()
    assert "events_by_kind" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
    assert list(outbox.find(Wanted(types=("access.*",)))) == right


def test_without_room_for_the_index_the_log_opens_and_the_next_start_tries_again(
    make: Callable[..., Outbox], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = filled(make, 50)
    with outbox._database.transaction() as connection:
        connection.execute("DROP INDEX events_by_kind")
    outbox.close()

    def full(_connection: object) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(query, "prepare", full)
        outbox.open()
    assert "no room for the index" in caplog.text
    assert len(list(outbox.find(Wanted(), 5))) == 5
    outbox.close()
    outbox.open()
    with outbox._database.snapshot() as connection:
        assert not query.is_due(connection)


def test_what_was_pruned_or_redacted_is_not_found_by_whom_it_named(
    make: Callable[..., Outbox],
) -> None:
    clock = [START_S]
    outbox = make(clock=lambda: clock[0], keep_days=2)
    outbox.believe = lambda: "synced"
    for n in range(200):
        outbox.append("access.granted", {"person_id": f"E{n % 2}"})
        clock[0] += 1
    outbox.acknowledge(range(1, 201))
    clock[0] += 2 * 86_400 - 100
    while next(outbox.events()).seq <= 100:
        outbox.append("a.b", {})
        outbox.acknowledge([outbox.head.seq])
    assert [one.seq for one in outbox.find(Wanted(types=("access.*",)))] == list(range(101, 201))
    assert [one.seq for one in outbox.find(Wanted("E1"))] == list(range(102, 201, 2))
    outbox.redact("E1")
    assert list(outbox.find(Wanted("E1"))) == []
    assert list(outbox.records(Wanted("E1"))) == []
    found = list(outbox.find(Wanted(types=("access.*",))))
    assert [bool(one.redacted) for one in found] == [one.seq % 2 == 0 for one in found]
    assert len(list(outbox.records(Wanted(types=("access.*",))))) == 50
    with outbox._database.snapshot() as connection:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
    assert [tuple(row) for row in rows] == [("ok",)]


def test_what_is_looked_for_by_stands_nowhere_in_the_clear(
    make: Callable[..., Outbox], tmp_path: Path
) -> None:
    outbox = make()
    for _ in range(200):
        outbox.append("attendance.canary", {"person_id": "Canary-4711"})
    assert len(list(outbox.find(Wanted("Canary-4711", ("attendance.*",))))) == 200
    outbox._database.checkpoint()
    outbox.close()
    for file in tmp_path.iterdir():
        content = file.read_bytes().lower()
        assert b"canary" not in content
        assert b"events_by_kind" not in content
