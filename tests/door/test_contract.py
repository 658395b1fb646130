"""What every door does; runs on each driver."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest

from edged.door import make_door, open_door, rest_door
from edged.errors import DoorError
from tests.wait import until


@pytest.fixture
def door(door_settings: Any) -> Any:
    door = open_door(door_settings)
    yield door
    door.close()


def keeper() -> threading.Thread:
    return next(thread for thread in threading.enumerate() if thread.name == "door-keeper")


def test_is_at_rest_when_opened_and_pulses_once(door: Any) -> None:
    assert not door.relay
    door.pulse(0.1)
    assert door.relay
    until(lambda: not door.relay)


def test_a_pulse_ends_by_itself_though_nobody_asks(door: Any) -> None:
    door.pulse(0.05)
    until(lambda: door._deadline is None)


def test_a_pulse_during_a_pulse_extends_it(door: Any) -> None:
    begin = time.monotonic()
    door.pulse(0.1)
    door.pulse(0.4)
    until(lambda: not door.relay)
    assert time.monotonic() - begin >= 0.4


def test_a_shorter_pulse_does_not_shorten_the_running_one(door: Any) -> None:
    begin = time.monotonic()
    door.pulse(0.4)
    door.pulse(0.05)
    until(lambda: not door.relay)
    assert time.monotonic() - begin >= 0.4


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 61])
def test_an_absurd_pulse_is_refused(door: Any, seconds: float) -> None:
    with pytest.raises(DoorError, match="pulse lasts"):
        door.pulse(seconds)
    assert not door.relay


def test_close_ends_a_pulse(door: Any) -> None:
    door.pulse(60)
    door.close()
    assert not door.relay
    assert not any(thread.name == "door-keeper" for thread in threading.enumerate())


def test_close_is_safe_twice_and_without_open(door_settings: Any) -> None:
    door = make_door(door_settings)
    door.close()
    door.open()
    door.open()
    door.close()
    door.close()


def test_a_closed_door_refuses_a_pulse_and_opens_again(door: Any) -> None:
    door.close()
    with pytest.raises(DoorError, match="not open"):
        door.pulse()
    door.open()
    door.pulse(0.05)
    until(lambda: not door.relay)


def test_a_dying_keeper_takes_the_relay_to_rest_first(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    door.pulse(60)
    thread = keeper()
    with monkeypatch.context() as broken:
        broken.setattr(door, "_time_left", lambda: 1 / 0)
        with door._changed:
            door._changed.notify_all()
        thread.join(20)
    assert not thread.is_alive()
    assert door._deadline is None


def test_a_pulse_after_the_keeper_died_ends_all_the_same(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_a_dying_keeper_takes_the_relay_to_rest_first(door, monkeypatch)
    door.pulse(0.05)
    until(lambda: door._deadline is None)


def test_without_a_keeper_to_end_it_there_is_no_pulse(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_a_dying_keeper_takes_the_relay_to_rest_first(door, monkeypatch)

    def no_thread(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with pytest.raises(DoorError, match="no thread"):
        door.pulse(1)
    assert not door.relay


def test_many_threads_may_pulse_and_ask(door: Any) -> None:
    def work() -> None:
        for _ in range(50):
            door.pulse(0.01)
            door.describe()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: not door.relay)
    assert door.describe()["fault"] is None


def test_rest_door_leaves_the_relay_at_rest(door_settings: Any) -> None:
    rest_door(door_settings)
    door = open_door(door_settings)
    assert not door.relay
    door.close()


def test_rest_ends_a_pulse_at_once_and_the_door_works_on(door: Any) -> None:
    door.pulse(60)
    door.rest()
    assert not door.relay
    door.rest()
    door.pulse(0.05)
    until(lambda: not door.relay)
    assert door.describe()["fault"] is None


def test_a_door_that_is_not_open_is_put_to_rest_without_complaint(door_settings: Any) -> None:
    make_door(door_settings).rest()
