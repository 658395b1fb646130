from __future__ import annotations

import threading
from typing import Any

from edged.service.state import State
from tests.wait import until


def watched() -> tuple[State, list[dict[str, Any]]]:
    state, told = State(), []
    state.on_change = lambda: told.append(state.document())
    return state, told


def test_a_fact_is_told_when_it_is_new_and_not_again() -> None:
    state, told = watched()
    state.set(relay="rest", people=0)
    state.set(relay="rest")
    state.set(relay="on")
    assert told == [
        {"relay": "rest", "people": 0, "degraded": {}},
        {"relay": "on", "people": 0, "degraded": {}},
    ]


def test_a_fact_that_is_none_is_told_too() -> None:
    state, told = watched()
    state.set(contact=None)
    assert told == [{"contact": None, "degraded": {}}]


def test_a_lost_part_is_news_once_and_its_return_once() -> None:
    state, told = watched()
    assert state.degrade("camera", "unplugged")
    assert not state.degrade("camera", "unplugged")
    assert not state.degrade("camera", "still unplugged")
    assert state.degraded == {"camera": "still unplugged"}
    assert state.restore("camera")
    assert not state.restore("camera")
    assert [document["degraded"] for document in told] == [
        {"camera": "unplugged"},
        {"camera": "still unplugged"},
        {},
    ]


def test_what_was_told_last_is_how_things_are_although_threads_overtake_each_other() -> None:
    state = State()
    told: list[dict[str, Any]] = []
    first_has_read, first_may_tell = threading.Event(), threading.Event()

    def tell() -> None:
        document = state.document()
        if not first_has_read.is_set():
            first_has_read.set()
            first_may_tell.wait(20)
        told.append(document)

    state.on_change = tell
    slow = threading.Thread(target=state.set, kwargs={"relay": "on"})
    fast = threading.Thread(target=state.set, kwargs={"relay": "rest"})
    slow.start()
    assert first_has_read.wait(20)
    fast.start()
    until(lambda: state.document()["relay"] == "rest")
    fast.join(0.05)  # it has told already, or waits for the first one
    first_may_tell.set()
    slow.join(20)
    fast.join(20)
    assert told[-1] == state.document()


def test_a_document_is_a_copy() -> None:
    state = State()
    state.degrade("camera", "unplugged")
    state.document()["degraded"].clear()
    state.degraded.clear()
    assert state.degraded == {"camera": "unplugged"}
