"""The newest wins, nothing queues, nobody waits for ever."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from edged.camera.mailbox import Mailbox
from tests.wait import until


def test_the_newest_wins_and_the_rest_is_counted():
    mailbox: Mailbox[int] = Mailbox()
    for number in range(5):
        mailbox.put(number)
    assert mailbox.take(0) == 4
    assert mailbox.dropped == 4
    assert mailbox.take(0) is None


def test_nothing_in_time_is_none():
    assert Mailbox().take(0.001) is None


def test_a_taker_is_woken_by_a_put():
    mailbox: Mailbox[str] = Mailbox()
    got = []
    taker = threading.Thread(target=lambda: got.append(mailbox.take(20)))
    taker.start()
    mailbox.put("thing")
    taker.join(20)
    assert got == ["thing"]


def test_a_taker_is_woken_by_close():
    mailbox: Mailbox[str] = Mailbox()
    got = []
    taker = threading.Thread(target=lambda: got.append(mailbox.take()))
    taker.start()
    mailbox.close()
    mailbox.close()
    taker.join(20)
    assert got == [None]
    assert mailbox.closed


def test_what_lay_there_at_the_close_can_still_be_taken():
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put(1)
    mailbox.close()
    mailbox.put(2)
    assert mailbox.take() == 1
    assert mailbox.take() is None
    assert mailbox.dropped == 1


def test_with_waiting_nothing_is_lost():
    mailbox: Mailbox[int] = Mailbox()

    def produce() -> None:
        for number in range(500):
            mailbox.put(number, wait=True)
        until(lambda: not mailbox._slot)
        mailbox.close()

    producer = threading.Thread(target=produce)
    producer.start()
    got = []
    while (thing := mailbox.take(20)) is not None:
        got.append(thing)
    producer.join(20)
    assert got == list(range(500))
    assert mailbox.dropped == 0


def test_a_producer_that_waits_is_freed_by_close():
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put(1)
    producer = threading.Thread(target=lambda: mailbox.put(2, wait=True))
    producer.start()
    mailbox.close()
    producer.join(20)
    assert not producer.is_alive()


@given(st.lists(st.booleans()))
def test_every_thing_is_taken_once_or_counted_as_dropped(steps):
    mailbox: Mailbox[int] = Mailbox()
    put, taken = 0, []
    for is_put in steps:
        if is_put:
            mailbox.put(put)
            put += 1
        elif (thing := mailbox.take(0)) is not None:
            taken.append(thing)
    waiting = mailbox.take(0) is not None
    assert put == len(taken) + mailbox.dropped + waiting
    assert taken == sorted(set(taken))
