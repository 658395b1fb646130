"""Nothing can be taken out of a log, changed in it, moved or put in without being found."""

from __future__ import annotations

import copy
import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.errors import KeyUnavailable
from edged.events.canon import dumps, loads
from edged.events.chain import Report, verify
from edged.events.outbox import Outbox
from edged.events.types import GAP, Event
from tests.events.chains import (
    IDENTITY,
    KEY,
    OTHER,
    PUBLIC,
    Message,
    checkpoint,
    export,
    sent,
    signed,
    visit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 12


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "events.db", KEY, 1000)
    outbox.open()
    yield outbox
    outbox.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Message], Message]:
    """A small log, signed, and the checkpoint of its end."""
    outbox = Outbox(tmp_path_factory.mktemp("log") / "events.db", KEY, 1000)
    outbox.open()
    for number in range(COUNT):
        outbox.append("access.granted", visit(number))
    found = export(outbox), checkpoint(outbox.head)
    outbox.close()
    return found


def kinds(report: Report) -> set[str]:
    return {one.what for one in report.findings}


def places(report: Report) -> set[tuple[str, int, int]]:
    return {(one.what, one.seq, one.to_seq) for one in report.findings}


def test_what_was_not_touched_is_whole(log: tuple[list[Message], Message]) -> None:
    report = verify(log[0], [PUBLIC], [log[1]])
    assert report.whole
    (part,) = report.parts
    assert (part.first, part.last, part.events, part.signed) == (1, COUNT, COUNT, COUNT)
    assert (part.begins, part.checkpoint, part.lost, part.redacted) == (True, COUNT, (), 0)


def test_events_from_json_that_others_wrote_differently_are_the_same(
    log: tuple[list[Message], Message],
) -> None:
    text = [json.dumps(message, indent=3, sort_keys=True) for message in log[0]]
    report = verify([loads(one.replace("1e+21", "1000000000000000000000")) for one in text])
    assert report.whole


def test_the_first_event_of_a_log_names_none_before_it(outbox: Outbox) -> None:
    first, second = outbox.append("a.b", {}), outbox.append("a.b", {})
    assert first.prev == ""
    assert second.prev == first.hash
    assert (second.log, second.seq) == (first.log, first.seq + 1)
    head = outbox.head
    assert (head.log, head.seq, head.hash, head.time) == (
        second.log,
        2,
        second.hash,
        second.time,
    )


def test_the_hash_is_what_the_contract_says_it_is() -> None:
    event = Event(
        "a" * 32, 2, "a.b", "2030-01-01T00:00:00.000Z", "synced", {"b": 1.0, "a": "ü"}, "0" * 16, ""
    )
    assert (
        event.canonical()
        == (
            '{"clock":"synced","data":{"a":"ü","b":1},"id":"'
            + "a" * 32
            + '","log":"'
            + "0" * 16
            + '",'
            '"prev":"","seq":2,"time":"2030-01-01T00:00:00.000Z","type":"a.b","v":1}'
        ).encode()
    )
    assert len(event.hash) == 43


@pytest.mark.parametrize("at", range(1, COUNT - 1))
def test_a_removed_event_is_missed_at_its_place(
    log: tuple[list[Message], Message], at: int
) -> None:
    left = [*log[0][:at], *log[0][at + 1 :]]
    assert places(verify(left, [PUBLIC])) == {("removed", at + 1, at + 1)}
    assert places(verify(left)) == {("removed", at + 1, at + 1)}


def test_a_removed_beginning_is_told_and_found_where_it_must_be_there(
    log: tuple[list[Message], Message],
) -> None:
    from edged.events.chain import Chain

    report = verify(log[0][3:], [PUBLIC], [log[1]])
    assert report.whole
    assert (report.parts[0].first, report.parts[0].begins) == (4, False)
    strict = Chain([PUBLIC], from_seq=1)
    for line, message in enumerate(log[0][3:], 1):
        strict.add(message, line)
    assert places(strict.report()) == {("removed", 1, 3)}


@pytest.mark.parametrize("kept", [0, 1, COUNT - 1])
def test_a_cut_off_end_is_found_with_a_checkpoint(
    log: tuple[list[Message], Message], kept: int
) -> None:
    report = verify(log[0][:kept], [PUBLIC], [log[1]])
    assert places(report) == {("cut_off", kept + 1, COUNT)}


def test_a_checkpoint_of_a_beginning_that_was_replaced_is_no_longer_true(outbox: Outbox) -> None:
    outbox.append("a.b", {})
    promised = checkpoint(outbox.head)
    forged = [signed(one, OTHER) for one in outbox.events()]
    forged[0]["data"] = {"forged": True}
    assert kinds(verify(forged, (), [promised])) == {"altered"}
    after = outbox.append("a.b", {})
    assert verify([signed(after)], [PUBLIC], [promised]).whole
    bent = {**signed(after), "prev": "x" * 43}
    assert kinds(verify([bent], (), [promised])) == {"altered"}


@pytest.mark.parametrize("field", ["data", "time", "type", "id", "clock"])
@pytest.mark.parametrize("at", [0, 5, COUNT - 1])
def test_an_altered_event_is_named(log: tuple[list[Message], Message], at: int, field: str) -> None:
    new = {
        "data": {"person_id": "mallory"},
        "time": "2031-01-01T00:00:00.000Z",
        "type": "access.denied",
        "id": "f" * 32,
        "clock": "other",
    }
    bad = copy.deepcopy(log[0])
    bad[at][field] = new[field]
    assert ("wrongly_signed", at + 1, at + 1) in places(verify(bad, [PUBLIC], [log[1]]))
    # without a key the chain alone tells, but for the very end, which needs a checkpoint
    assert ("altered", at + 1, at + 1) in places(verify(bad, (), [log[1]]))


def test_whoever_alters_an_event_and_all_after_it_lacks_the_key(
    log: tuple[list[Message], Message],
) -> None:
    bad, prev = [], ""
    for number, message in enumerate(copy.deepcopy(log[0])):
        if number == 3:
            message["data"] = {"forged": True}
        event = Event(
            message["id"], message["seq"], message["type"], message["time"], message["clock"],
            message["data"], message["log"], prev,
        )  # fmt: skip
        bad.append(signed(event, OTHER))
        prev = event.hash
    assert verify(bad).whole  # hashes anybody can compute
    assert kinds(verify(bad, (), [log[1]])) == {"altered"}
    assert len(verify(bad, [PUBLIC]).findings) == COUNT


def test_an_exported_file_in_another_order_is_found(log: tuple[list[Message], Message]) -> None:
    bad = [*log[0]]
    bad[4], bad[5] = bad[5], bad[4]
    report = verify(bad, [PUBLIC])
    assert places(report) == {("reordered", 5, 5)}
    assert report.findings[0].line == 6


def test_a_captured_stream_may_come_in_two_streams_and_twice(outbox: Outbox) -> None:
    events = [outbox.append("access.granted", visit(n)) for n in range(20)]
    live = [sent(event) for event in events[10:]]
    late = [sent(event, historical=True) for event in events[:12]]  # two of them a second time
    capture = [*late[:3], *live, *late[3:]]
    assert verify(capture, [PUBLIC], [checkpoint(outbox.head)]).whole
    assert places(verify([one for one in capture if one["seq"] != 11])) == {("removed", 11, 11)}


def test_the_numbers_of_two_events_exchanged_are_found(log: tuple[list[Message], Message]) -> None:
    bad = copy.deepcopy(log[0])
    bad[4]["seq"], bad[5]["seq"] = bad[5]["seq"], bad[4]["seq"]
    assert not verify(bad).whole
    assert {("wrongly_signed", 5, 5), ("wrongly_signed", 6, 6)} <= places(verify(bad, [PUBLIC]))


def test_two_events_with_one_number_are_found(log: tuple[list[Message], Message]) -> None:
    other = copy.deepcopy(log[0][4])
    other["data"]["person_id"] = "mallory"
    report = verify([*log[0], other], [PUBLIC])
    assert ("forked", 5, 5) in places(report)
    assert {one.line for one in report.findings} == {COUNT + 1}
    assert verify([*log[0], log[0][4]], [PUBLIC]).whole  # the same twice


def test_another_key_and_no_signature_are_found(outbox: Outbox) -> None:
    event = outbox.append("a.b", {})
    for bad in (signed(event, OTHER), event.document(), {**event.document(), "sig": 7}):
        assert places(verify([bad], [PUBLIC])) == {("wrongly_signed", 1, 1)}
    assert verify([signed(event, OTHER)], [PUBLIC, OTHER.signing_public]).whole


@pytest.mark.parametrize("typ", ["edged-checkpoint", "JOSE"])
def test_a_signature_made_for_something_else_is_none(outbox: Outbox, typ: str) -> None:
    event = outbox.append("a.b", {})
    bad = {**event.document(), "sig": IDENTITY.sign_detached(event.canonical(), typ)}
    assert kinds(verify([bad], [PUBLIC])) == {"wrongly_signed"}


@pytest.mark.parametrize("sig", ["", "..", "a.b.c", "a..b", "\ud800..", "." * 99_999, "é..é"])
def test_a_signature_that_is_garbage_is_none(outbox: Outbox, sig: str) -> None:
    bad = {**outbox.append("a.b", {}).document(), "sig": sig}
    assert kinds(verify([bad], [PUBLIC])) == {"wrongly_signed"}


def test_a_checkpoint_that_nobody_signed_proves_nothing(
    log: tuple[list[Message], Message],
) -> None:
    assert kinds(verify(log[0], [PUBLIC], [{**log[1], "seq": 99}])) == {"wrongly_signed"}


def test_a_file_that_was_made_anew_is_found(tmp_path: Path) -> None:
    messages = []
    for name in ("old.db", "new.db"):
        outbox = Outbox(tmp_path / name, KEY, 1000)
        outbox.open()
        outbox.append("a.b", {})
        messages += export(outbox)
        outbox.close()
    report = verify(messages, [PUBLIC])
    assert kinds(report) == {"another_log"}
    assert report.findings[0].line == 2
    assert len(report.parts) == 2


def test_declared_losses_are_no_removal(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "events.db", KEY, 10)
    outbox.open()
    events = [outbox.append("a.b", {"n": n}) for n in range(3)]
    heard = [sent(event) for event in events]
    outbox.acknowledge([1, 2, 3])
    for number in range(3, 60):
        outbox.append("a.b", {"n": number})
    rest = outbox.pending()
    heard += [sent(event, historical=True) for event in rest]
    head = checkpoint(outbox.head)
    outbox.close()
    report = verify(heard, [PUBLIC], [head])
    assert report.whole, report.findings
    assert report.parts[0].lost == ((4, rest[0].seq - 1),)
    gap = max(at for at, message in enumerate(heard) if message["type"] == GAP)
    removed = verify([one for at, one in enumerate(heard) if at != gap], [PUBLIC], [head])
    assert "removed" in kinds(removed)
    # the one after the loss is bound to what was lost
    bent = copy.deepcopy(heard)
    bent[3]["prev"] = "x" * 43
    assert ("altered", rest[0].seq, rest[0].seq) in places(verify(bent))


def test_a_gap_that_nobody_signed_excuses_nothing(log: tuple[list[Message], Message]) -> None:
    bad = copy.deepcopy(log[0])
    bad[8]["type"] = GAP
    bad[8]["data"] = {"from_seq": 4, "to_seq": 5, "count": 2, "last_hash": bad[5]["prev"]}
    del bad[3:5]
    assert ("removed", 4, 5) in places(verify(bad, [PUBLIC]))


def test_a_gap_about_the_future_excuses_nothing(outbox: Outbox) -> None:
    outbox.append(GAP, {"from_seq": 1, "to_seq": 99, "count": 9, "last_hash": "x" * 43})
    for _ in range(3):
        outbox.append("a.b", {})
    heard = export(outbox)
    del heard[2]
    assert places(verify(heard, [PUBLIC])) == {("removed", 3, 3)}


def test_redacted_events_are_told_apart_and_only_the_terminal_redacts(outbox: Outbox) -> None:
    for number in range(6):
        outbox.append("access.granted", visit(number, "alice" if number == 2 else "bob"))
    before = export(outbox)
    outbox.acknowledge(range(1, 7))
    assert outbox.redact("alice") == 1
    after = export(outbox)
    assert "data" not in after[2]
    assert "alice" not in json.dumps(after)
    report = verify(after, [PUBLIC], [checkpoint(outbox.head)])
    assert report.whole
    assert report.parts[0].redacted == 1
    assert verify([*before, *after], [PUBLIC]).parts[0].events == 6
    forged = copy.deepcopy(before)
    forged[4]["redacted"] = forged[5]["prev"]
    del forged[4]["data"]
    assert places(verify(forged, [PUBLIC])) == {("wrongly_signed", 5, 5)}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_single_change_is_found(
    log: tuple[list[Message], Message], data: st.DataObject
) -> None:
    bad = copy.deepcopy(log[0])
    at = data.draw(st.integers(0, COUNT - 1))
    how = data.draw(st.sampled_from(["remove", "alter", "swap", "insert"]))
    if how == "remove":
        del bad[at]
        if at == 0:  # a log may begin anywhere: the report says where
            assert verify(bad, [PUBLIC], [log[1]]).parts[0].first == 2
            return
    elif how == "swap":
        other = data.draw(st.integers(0, COUNT - 1).filter(lambda n: n != at))
        bad[at], bad[other] = bad[other], bad[at]
    elif how == "insert":
        again = copy.deepcopy(bad[at])
        again["data"]["person_id"] = data.draw(st.text().filter(lambda t: t != "E1042"))
        bad.insert(data.draw(st.integers(0, COUNT)), again)
    else:
        name = data.draw(st.sampled_from(sorted(bad[at]["data"])))
        value = data.draw(st.none() | st.booleans() | st.floats(0, 1) | st.text())
        if dumps(value) == dumps(bad[at]["data"][name]):
            return
        bad[at]["data"][name] = value
    assert not verify(bad, [PUBLIC], [log[1]]).whole
    if how != "insert" or not random.Random(at).randrange(2):
        assert not verify(bad, (), [log[1]]).whole


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"v": 1},
        {"v": 2, "log": "0" * 16},
        {"v": 1, "log": "x" * 16, "seq": 1, "prev": ""},
        {"v": 1, "log": "0" * 16, "seq": True, "prev": ""},
        {"v": 1, "log": "0" * 16, "seq": 2**60, "prev": ""},
        {"v": 1, "log": "0" * 16, "seq": 1, "prev": "short"},
    ],
)
def test_what_is_no_event_is_refused(message: Message) -> None:
    with pytest.raises(ValueError, match="no "):
        verify([message])


@pytest.mark.parametrize(
    "change", [{"data": []}, {"data": {"x": float("nan")}}, {"data": {"x": "\ud800"}},
               {"data": {"x": 2**70}}, {"redacted": "x" * 43}, {"redacted": 5}, {"time": 5},
               {"id": "A" * 32}]
)  # fmt: skip
def test_an_event_with_an_impossible_member_is_refused(outbox: Outbox, change: Message) -> None:
    message = {**signed(outbox.append("a.b", {})), **change}
    with pytest.raises(ValueError):
        verify([message], [PUBLIC])


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(KeyUnavailable):
        verify([], ["no key"])


def test_a_clock_that_is_set_back_breaks_nothing(tmp_path: Path) -> None:
    clock = [1e9]
    outbox = Outbox(tmp_path / "events.db", KEY, 1000, clock=lambda: clock[0])
    outbox.open()
    for moment in (1.9e9, 1.0e9, 0.0, 1.8e9, 3.0e9, 1.7e9):
        clock[0] = moment
        outbox.append("access.granted", visit(1))
        outbox.append("access.granted", visit(2))
    assert verify(export(outbox), [PUBLIC], [checkpoint(outbox.head)]).whole
    assert [event.seq for event in outbox.pending()] == list(range(1, 13))
    outbox.close()
