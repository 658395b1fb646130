"""Whatever a broker does: nothing is lost, nothing made up, each stream stays in order, and the
terminal comes back."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tests.mqtt.conftest import SIGNER, TOPICS, connected
from tests.mqtt.fake_broker import (
    DISCONNECT,
    PUBLISH,
    QOS_1,
    FakeBroker,
    Manners,
    command,
    limits,
    packet,
    puback,
)
from tests.wait import until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from edged.events.outbox import Outbox
    from edged.mqtt import Link
    from tests.mqtt.fake_broker import Heard

GOOD = Manners()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.mqtt.client._FIRST_DELAY_S", 0.001)
    monkeypatch.setattr("edged.mqtt.client._GOODBYE_S", 0.5)


def events(outbox: Outbox, count: int) -> None:
    for number in range(count):
        outbox.append("access.granted", {"n": number})


def whole(broker: FakeBroker, outbox: Outbox) -> None:
    """Everything recorded has arrived as it was recorded, and each stream in order."""
    until(lambda: outbox.depth == 0)
    recorded = {event.seq: event for event in outbox.events()}
    assert {one.content["seq"] for one in broker.events} == recorded.keys()
    for one in broker.events:
        event = recorded[one.content["seq"]]
        assert (one.content["id"], one.content["data"]) == (event.id, event.data)
    for stream in ("event", "backlog"):
        first = list(dict.fromkeys(seqs(broker.events, stream)))
        assert first == sorted(first)


def seqs(heard: list[Heard], stream: str) -> list[int]:
    return [one.content["seq"] for one in heard if f"/{stream}/" in one.topic]


def came_back(broker: FakeBroker, link: Link) -> None:
    until(lambda: len(broker.visits) > 1)
    connected(link)


def test_a_good_broker_gets_everything_once(make_link: Any, outbox: Outbox) -> None:
    with FakeBroker() as broker:
        events(outbox, 50)
        connected(make_link(broker.port, backlog_hz=10_000, parts={"signer": SIGNER}))
        events(outbox, 50)
        whole(broker, outbox)
        assert seqs(broker.events, "backlog") == list(range(1, 51))
        assert seqs(broker.events, "event") == list(range(51, 101))


def test_one_that_never_acknowledges_is_given_up(
    make_link: Any, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.mqtt.sender._UNACKNOWLEDGED_S", 0.2)
    with FakeBroker(Manners(ack=None), Manners(ack=None), GOOD) as broker:
        events(outbox, 40)
        link = make_link(broker.port, backlog_hz=10_000)
        until(lambda: "does not acknowledge" in str(link.status().problem))
        whole(broker, outbox)
        assert sum(visit.messages for visit in broker.visits[:2]) <= 40


def test_one_that_does_not_even_acknowledge_the_status_is_given_up(
    make_link: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.mqtt.sender._UNACKNOWLEDGED_S", 0.2)
    with FakeBroker(Manners(ack=None), GOOD) as broker:
        link = make_link(broker.port)
        came_back(broker, link)


@pytest.mark.parametrize(
    "ack",
    [
        lambda mid: puback(mid) + puback(mid),
        lambda mid: puback(mid + 30_000) + puback(mid),
        lambda mid: puback(mid) + puback(1) + puback(0),
        lambda mid: puback(mid, 0x10),  # nobody listens, which is no refusal
    ],
    ids=["twice", "unknown", "old", "no-subscriber"],
)
def test_strange_acknowledgements_do_no_harm(
    make_link: Any, outbox: Outbox, ack: Callable[[int], bytes]
) -> None:
    with FakeBroker(Manners(ack=ack)) as broker:
        events(outbox, 100)
        connected(make_link(broker.port, backlog_hz=10_000))
        events(outbox, 30)
        whole(broker, outbox)
        assert len(broker.events) == 130
        assert len(broker.visits) == 1


@pytest.mark.parametrize("takes", [1, 2, 5, 17, 18])
def test_one_that_hangs_up_in_mid_burst_gets_the_rest_later(
    make_link: Any, outbox: Outbox, takes: int
) -> None:
    with FakeBroker(*[Manners(takes=takes)] * 4, GOOD) as broker:
        events(outbox, 60)
        make_link(broker.port, backlog_hz=10_000)
        whole(broker, outbox)
        assert len(broker.visits) > 3


@pytest.mark.parametrize(
    "says",
    [
        command(TOPICS.command("door.unlock"), b"x" * 500)[:100],
        b"\x30",
        b"\x30\xff\xff\xff\xff\xff",
        b"\x00\x00",
        packet(PUBLISH | QOS_1, b"\xff\xff"),
        packet(0x40, b""),
        packet(0x90, b"\x00"),
        packet(0x20, b"\x00\x00\x00"),
        packet(0xF0, b"\x00"),
    ],
)
def test_half_a_packet_or_none_at_all_and_the_end(
    make_link: Any, outbox: Outbox, says: bytes
) -> None:
    with FakeBroker(Manners(says=says, takes=3), GOOD) as broker:
        events(outbox, 30)
        link = make_link(broker.port, backlog_hz=10_000)
        whole(broker, outbox)
        came_back(broker, link)


def test_half_a_packet_and_silence(
    make_link: Any, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.mqtt.sender._UNACKNOWLEDGED_S", 0.2)
    half = command(TOPICS.command("door.unlock"), b"x" * 500)[:100]
    with FakeBroker(Manners(says=half), GOOD) as broker:  # what it says next ends in the other half
        events(outbox, 30)
        link = make_link(broker.port, backlog_hz=10_000)
        whole(broker, outbox)
        came_back(broker, link)


def test_a_packet_of_two_mebibytes_is_heard_and_does_no_harm(
    make_link: Any, outbox: Outbox
) -> None:
    heard: list[Any] = []
    huge = command(TOPICS.command("door.unlock"), b"x" * (2 * 1024 * 1024))
    late = command(TOPICS.command("door.unlock"), b"late")
    with FakeBroker(Manners(orders=huge + late)) as broker:
        events(outbox, 30)
        make_link(broker.port, heard.append, backlog_hz=10_000)
        whole(broker, outbox)
        until(lambda: heard)
        assert heard[-1].payload == b"late"


def test_a_command_before_we_listen_or_on_another_topic_is_no_problem(
    make_link: Any, outbox: Outbox
) -> None:
    says = command("elsewhere", b"x") + command(TOPICS.status, b"x") + command(TOPICS.desired, b"x")
    with FakeBroker(Manners(says=says)) as broker:
        events(outbox, 10)
        make_link(broker.port, backlog_hz=10_000)
        whole(broker, outbox)


def test_one_that_kept_a_session_of_ours_is_left_and_tried_again(
    make_link: Any, outbox: Outbox
) -> None:
    with FakeBroker(Manners(session=True), GOOD) as broker:
        events(outbox, 10)
        link = make_link(broker.port, backlog_hz=10_000)
        until(lambda: link.status().connected or "kept a session" in str(link.status().problem))
        whole(broker, outbox)
        assert not broker.visits[0].messages


def test_one_that_comes_back_with_an_empty_session_is_listened_to_again(
    make_link: Any, outbox: Outbox
) -> None:
    with FakeBroker() as broker:
        link = connected(make_link(broker.port, parts={"on_desired": lambda _: None}))
        until(lambda: len(broker.subscribed) == 2)
        broker.hang_up()
        until(lambda: len(broker.subscribed) == 4)
        assert broker.subscribed[2:] == [TOPICS.commands, TOPICS.desired]
        connected(link)
        events(outbox, 5)
        whole(broker, outbox)
        assert seqs(broker.events, "event") == [1, 2, 3, 4, 5]


def test_one_that_acknowledges_nothing_is_no_use(make_link: Any, outbox: Outbox) -> None:
    with FakeBroker(Manners(limits=limits(MaximumQoS=0))) as broker:
        events(outbox, 10)
        link = make_link(broker.port)
        until(lambda: "maximum QoS is 0" in str(link.status().problem))
        assert not broker.heard
        broker.behave(GOOD)
        whole(broker, outbox)


def test_one_that_refuses_subscriptions_gets_the_events_all_the_same(
    make_link: Any, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeBroker(Manners(suback=0x87)) as broker:
        events(outbox, 10)
        connected(make_link(broker.port, backlog_hz=10_000))
        whole(broker, outbox)
        until(lambda: "does not let us listen" in caplog.text)
        assert len(broker.visits) == 1


def test_one_that_takes_one_message_at_a_time_gets_one_at_a_time(
    make_link: Any, outbox: Outbox
) -> None:
    def answered(incoming: Any) -> None:
        for number in range(10):
            incoming.answer(TOPICS.result("door.unlock"), {"n": number}, None)

    orders = command(TOPICS.command("door.unlock"), b"x")
    manners = Manners(limits=limits(ReceiveMaximum=1), orders=orders)
    with FakeBroker(manners) as broker:
        events(outbox, 50)
        link = make_link(broker.port, answered, parts={"signer": SIGNER}, backlog_hz=10_000)
        link.set_state({"relay": False})
        events(outbox, 50)
        whole(broker, outbox)
        until(lambda: broker.on(TOPICS.state))
        until(lambda: len(broker.on(TOPICS.result("door.unlock"))) == 10)
        assert broker.most_waiting == 1


def test_small_events_pass_a_large_one_that_does_not_fit_and_waits(
    make_link: Any, outbox: Outbox
) -> None:
    troubles: list[str | None] = []
    with FakeBroker(Manners(limits=limits(MaximumPacketSize=512)), GOOD) as broker:
        events(outbox, 3)
        outbox.append("access.granted", {"pad": "x" * 600})
        events(outbox, 3)
        link = connected(
            make_link(broker.port, backlog_hz=10_000, parts={"on_trouble": troubles.append})
        )
        outbox.append("access.granted", {"pad": "x" * 700})
        events(outbox, 3)
        until(lambda: outbox.depth == 2)
        assert seqs(broker.events, "backlog") == [1, 2, 3, 5, 6, 7]
        assert seqs(broker.events, "event") == [9, 10, 11]
        assert all(one.size <= 512 for one in broker.heard)
        until(lambda: troubles and "of up to" in str(troubles[-1]))
        assert "no packet of more than 512 bytes" in str(troubles[-1])
        broker.hang_up()
        until(lambda: outbox.depth == 0)
        assert seqs(broker.events, "backlog")[-2:] == [4, 8]
        until(lambda: troubles[-1] is None)
        assert link.status().connected


def test_a_state_and_a_reply_that_do_not_fit_are_told_instead_of_breaking_the_link(
    make_link: Any, outbox: Outbox
) -> None:
    def answered(incoming: Any) -> None:
        reply = {"v": 1, "result": "ok", "reason": "done", "text": "", "data": {"pad": "x" * 600}}
        incoming.answer(TOPICS.result("diagnostics"), reply, b"7")

    troubles: list[str | None] = []
    manners = Manners(
        limits=limits(MaximumPacketSize=512), orders=command(TOPICS.command("diagnostics"), b"x")
    )
    with FakeBroker(manners) as broker:
        link = make_link(broker.port, answered, parts={"on_trouble": troubles.append})
        link.set_state({"pad": "x" * 600})
        until(lambda: troubles and TOPICS.state in str(troubles[-1]))
        link.set_state({"pad": "x"})
        until(lambda: broker.on(TOPICS.state))
        until(lambda: troubles[-1] is None)
        (reply,) = until(lambda: broker.on(TOPICS.result("diagnostics")))
        assert (reply.content["result"], reply.content["data"]) == ("ok", {})
        assert "as large as the whole reply" in reply.content["text"]


def test_an_event_that_is_refused_for_its_content_waits_and_the_others_go_on(
    make_link: Any, outbox: Outbox
) -> None:
    broker = FakeBroker()

    def ack(mid: int) -> bytes:
        large = [one for one in broker.heard if one.mid == mid][-1].size > 600
        return puback(mid, 0x99 if large else 0)

    with broker:
        broker.behave(Manners(ack=ack), GOOD)
        events(outbox, 3)
        outbox.append("access.granted", {"pad": "x" * 600})
        events(outbox, 3)
        make_link(broker.port, backlog_hz=10_000)
        until(lambda: outbox.depth == 1 and len(broker.events) == 7)
        broker.hang_up()
        whole_but_for_order(broker, outbox)


def whole_but_for_order(broker: FakeBroker, outbox: Outbox) -> None:
    until(lambda: outbox.depth == 0)
    assert {one.content["id"] for one in broker.events} == {event.id for event in outbox.events()}


@pytest.mark.parametrize("ends_with", [b"", packet(DISCONNECT, b"\x95\x00"), puback(3, 0x95)])
def test_an_event_at_which_the_broker_hangs_up_does_not_keep_the_others_waiting(
    make_link: Any, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, ends_with: bytes
) -> None:
    troubles: list[str | None] = []
    picky = Manners(refuses=5000, ends_with=ends_with)
    with FakeBroker(picky) as broker:
        events(outbox, 3)
        outbox.append("access.granted", {"pad": "x" * 6000})
        events(outbox, 3)
        make_link(broker.port, backlog_hz=10_000, parts={"on_trouble": troubles.append})
        until(lambda: outbox.depth == 1)
        outbox.append("access.granted", {"pad": "x" * 9000})
        events(outbox, 3)
        until(lambda: [event.seq for event in outbox.pending()] == [4, 8])
        arrived = (one.content["seq"] for one in broker.events)
        assert list(dict.fromkeys(seq for seq in arrived if seq <= 7)) == [1, 2, 3, 4, 5, 6, 7]
        until(lambda: "it waits" in str(troubles))
        broker.behave(GOOD)
        broker.hang_up()
        until(lambda: broker.visits[-1].messages)
        monkeypatch.setattr("edged.mqtt.suspect._AGAIN_S", 0)
        monkeypatch.setattr("edged.mqtt.suspect._TRIAL_S", 0)
        whole_but_for_order(broker, outbox)
        until(lambda: troubles[-1] is None)


def test_two_such_events_in_a_row_do_not_keep_the_others_waiting(
    make_link: Any, outbox: Outbox
) -> None:
    with FakeBroker(Manners(refuses=5000)) as broker:
        events(outbox, 3)
        outbox.append("access.granted", {"pad": "x" * 6000})
        outbox.append("access.granted", {"pad": "x" * 7000})
        events(outbox, 3)
        make_link(broker.port, backlog_hz=10_000)
        until(lambda: [event.seq for event in outbox.pending()] == [4, 5])


def test_a_broker_that_hangs_up_at_every_event_gets_them_in_order_when_it_is_well_again(
    make_link: Any, outbox: Outbox
) -> None:
    with FakeBroker(Manners(refuses=0)) as broker:
        events(outbox, 20)
        make_link(broker.port, backlog_hz=10_000)
        until(lambda: len(broker.visits) > 6)
        assert outbox.depth == 20
        broker.behave(GOOD)
        whole(broker, outbox)


def test_one_that_refuses_an_event_otherwise_gets_it_again_before_any_other(
    make_link: Any, outbox: Outbox
) -> None:
    over_quota = Manners(ack=lambda mid: puback(mid, 0x97 if mid > 4 else 0), patience=4)
    with FakeBroker(over_quota, GOOD) as broker:
        events(outbox, 30)
        link = make_link(broker.port, backlog_hz=10_000)
        whole(broker, outbox)
        came_back(broker, link)


def test_one_that_refuses_what_is_no_event_is_told_of_and_gets_the_events(
    make_link: Any, outbox: Outbox
) -> None:
    broker = FakeBroker()

    def ack(mid: int) -> bytes:
        audit = [one for one in broker.heard if one.mid == mid][-1].topic == TOPICS.audit
        return puback(mid, 0x87 if audit else 0)

    troubles: list[str | None] = []
    with broker:
        broker.behave(Manners(ack=ack))
        events(outbox, 10)
        parts = {"signer": SIGNER, "on_trouble": troubles.append}
        make_link(broker.port, backlog_hz=10_000, parts=parts)
        whole(broker, outbox)
        until(lambda: troubles)
        assert f"refuses {TOPICS.audit}" in str(troubles[-1])
        assert len(broker.visits) == 1


@pytest.mark.parametrize("topic", ["audit", "lock/config"])
def test_one_that_hangs_up_at_a_topic_that_it_does_not_know_gets_the_events_all_the_same(
    make_link: Any, outbox: Outbox, topic: str
) -> None:
    troubles: list[str | None] = []
    parts = {
        "signer": SIGNER,
        "announcements": {"homeassistant/door/config": {"a": 1}, "homeassistant/lock/config": {}},
        "on_trouble": troubles.append,
    }
    with FakeBroker(Manners(dislikes=topic)) as broker:
        events(outbox, 5)
        link = make_link(broker.port, backlog_hz=10_000, parts=parts)
        whole(broker, outbox)
        until(lambda: f"{topic} was sent" in str(troubles))
        connected(link)
        visits = len(broker.visits)
        events(outbox, 5)
        whole(broker, outbox)
        assert len(broker.visits) == visits


def test_one_that_keeps_nothing_is_asked_to_keep_nothing(make_link: Any, outbox: Outbox) -> None:
    nothing = limits(RetainAvailable=0)
    with FakeBroker(Manners(code=0x9A), Manners(limits=nothing)) as broker:
        events(outbox, 5)
        link = make_link(broker.port, backlog_hz=10_000)
        link.set_state({"relay": False})
        whole(broker, outbox)
        until(lambda: broker.on(TOPICS.state))
        assert [visit.will_retain for visit in broker.visits] == [True, False]
        assert not any(one.retain for one in broker.heard)
        broker.behave(GOOD, GOOD)
        broker.hang_up()
        until(lambda: len(broker.visits) == 3 and len(broker.on(TOPICS.state)) == 2)
        broker.hang_up()
        until(lambda: len(broker.on(TOPICS.state)) == 3)
        assert broker.visits[-1].will_retain
        assert broker.on(TOPICS.state)[-1].retain


def test_one_that_never_answers_connect_is_left(
    make_link: Any, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.mqtt.connection._CONNACK_S", 0.3)
    with FakeBroker(Manners(answers=False), Manners(answers=False), GOOD) as broker:
        events(outbox, 5)
        link = make_link(broker.port, backlog_hz=10_000)
        until(lambda: "no answer" in str(link.status().problem))
        whole(broker, outbox)


MISBEHAVIOUR = st.builds(
    Manners,
    takes=st.none() | st.integers(1, 40),
    patience=st.integers(1, 8),
    ack=st.sampled_from([puback, lambda mid: puback(mid) * 2]),
    says=st.just(b"") | st.binary(min_size=1, max_size=12),
    limits=st.sampled_from([b"\x00", limits(ReceiveMaximum=3), limits(TopicAliasMaximum=1)]),
    session=st.sampled_from([False, False, False, True]),
)


@pytest.fixture
def fresh(tmp_path: Any) -> Iterator[Callable[[], Outbox]]:
    from edged.events.outbox import Outbox
    from edged.vault.secret import Secret

    made: list[Outbox] = []

    def make() -> Outbox:
        made.append(Outbox(tmp_path / f"{len(made)}.db", Secret(bytes(32)), 10_000))
        made[-1].open()
        return made[-1]

    yield make
    for outbox in made:
        outbox.close()


@effort(
    max_examples=int(os.environ.get("EDGED_BROKERS", "5")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(MISBEHAVIOUR, max_size=4), st.integers(0, 40), st.randoms(use_true_random=False))
def test_any_series_of_misbehaving_brokers_loses_nothing(
    fresh: Callable[[], Outbox], manners: list[Manners], waiting: int, rng: random.Random
) -> None:
    from edged.mqtt import Link
    from tests.mqtt.conftest import settings

    outbox = fresh()
    events(outbox, waiting)
    with FakeBroker(*manners, GOOD) as broker, pytest.MonkeyPatch.context() as patch:
        patch.setattr("edged.mqtt.sender._UNACKNOWLEDGED_S", 0.3)
        config = settings(broker.port, backlog_hz=10_000)
        link = Link(config, TOPICS, outbox, lambda _: None, signer=SIGNER)
        link.open()
        writer = threading.Thread(target=events, args=(outbox, rng.randrange(60)))
        writer.start()
        writer.join()
        try:
            whole(broker, outbox)
        finally:
            link.close()
