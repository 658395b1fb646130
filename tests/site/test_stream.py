"""Spans, streams and healing against a model; no network, no clock."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edged.events.types import Event, text_of
from edged.site.heal import Healing
from edged.site.spans import Spans
from edged.site.stream import Hole, Stream

LOG = "0123456789abcdef"
numbers = st.integers(1, 60)


def message(seq: int, kind: str = "access.granted", **data: object) -> dict[str, object]:
    prev = text_of(bytes(32)) if seq > 1 else ""
    event = Event(f"{seq:032x}", seq, kind, "2026-01-01T00:00:00.000Z", "synced", data, LOG, prev)
    return event.to_message(historical=False)


@given(st.lists(st.tuples(numbers, st.integers(0, 9))))
def test_spans_are_a_set_in_order(pairs: list[tuple[int, int]]) -> None:
    spans, model = Spans(), set()
    for start, more in pairs:
        spans.add(start, start + more)
        model |= set(range(start, start + more + 1))
    found = list(spans)
    assert {n for a, b in found for n in range(a, b + 1)} == model
    assert all(b + 1 < c for (_, b), (c, _) in pairwise(found))
    assert all((n in spans) == (n in model) for n in range(75))
    holes = {n for a, b in spans.holes() for n in range(a, b + 1)}
    assert holes == (set(range(min(model), max(model) + 1)) - model if model else set())


@given(st.lists(numbers, min_size=1), st.integers(0, 70))
def test_what_came_promised_and_is_missing_fit_together(came: list[int], promised: int) -> None:
    stream = Stream({}, from_seq=1)
    for at, seq in enumerate(came):
        expected = "repetition" if seq in came[:at] else "news"
        assert stream.take("d", message(seq)) == expected
    checkpoint = {"v": 1, "time": "t", "log": LOG, "seq": promised, "hash": ""}
    assert stream.take_checkpoint("d", checkpoint) == "checkpoint"
    missing = {n for hole in stream.holes() for n in range(hole.first, hole.last + 1)}
    assert missing == set(range(1, max(*came, promised) + 1)) - set(came)
    again = Stream({})
    again.restore(stream.document())
    for seq in came:
        assert again.take("d", message(seq)) == "repetition"


def test_what_is_excused_is_news_when_it_comes_all_the_same() -> None:
    stream = Stream({})
    stream.take("d", message(1))
    stream.take("d", message(5))
    assert stream.holes() == [Hole("d", LOG, 2, 4)]
    stream.excuse(Hole("d", LOG, 2, 4))
    assert stream.holes() == []
    assert stream.take("d", message(3)) == "news"


def test_what_a_gap_event_declares_is_not_waited_for() -> None:
    stream = Stream({})
    stream.take("d", message(1))
    gap = {"from_seq": 2, "to_seq": 8, "last_hash": text_of(bytes(32))}
    assert stream.take("d", message(9, "events.gap", **gap)) == "news"
    assert stream.holes() == []


def test_a_number_out_of_all_reason_is_not_believed_without_a_signature() -> None:
    stream = Stream({})
    stream.take("d", message(1))
    assert stream.take("d", message(2**52)) == "malformed"
    checkpoint = {"v": 1, "time": "t", "log": LOG, "seq": 2**52, "hash": ""}
    assert stream.take_checkpoint("d", checkpoint) == "malformed"
    assert stream.holes() == []


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


HOLE = Hole("d", LOG, 2, 4)


def test_a_hole_is_asked_for_when_it_stays_and_ever_more_rarely() -> None:
    clock = Clock()
    healing = Healing(10, clock)
    asked = []
    for _ in range(200):
        if healing.due([HOLE]) is not None:
            asked.append(clock.now_s - 100)
        clock.now_s += 1
    assert asked == [10, 30, 70, 150]


def test_while_a_terminal_sends_what_waited_it_is_left_in_peace_for_a_while() -> None:
    clock = Clock()
    healing = Healing(10, clock)
    first = None
    for _ in range(100):
        healing.came_late("d", 999)
        if first is None and healing.due([HOLE]) is not None:
            first = clock.now_s - 100
        clock.now_s += 1
    assert first == 60


def test_what_was_asked_for_does_not_keep_the_next_hole_waiting() -> None:
    clock = Clock()
    healing = Healing(10, clock)
    other = Hole("d", LOG, 8, 9)
    healing.due([HOLE, other])
    clock.now_s += 10
    assert healing.due([HOLE, other]) == HOLE
    healing.came_late("d", 3)
    assert healing.due([HOLE, other]) == other


def test_events_are_given_up_when_the_terminal_twice_had_none() -> None:
    clock = Clock()
    healing = Healing(10, clock)
    healing.due([HOLE])
    assert not healing.answered(HOLE, 0)
    assert not healing.answered(HOLE, 1)
    assert not healing.answered(HOLE, 0)
    assert healing.answered(HOLE, 0)
