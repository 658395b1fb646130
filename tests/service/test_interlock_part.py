"""The interlock's part of a terminal, two of them at a wire that we hold."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import Config
from edged.errors import KeyUnavailable
from edged.mqtt.contract.interlock import TYP
from edged.service.interlock import Interlock, make_interlock
from edged.service.state import State
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTITIES = {name: Identity(Secret(bytes([n]) * 32)) for n, name in enumerate("abx", 1)}
OTHER = {"a": "b", "b": "a"}


def config(name: str, **door: Any) -> Config:
    other = OTHER[name]
    return Config.model_validate(
        {
            "site": "hq",
            "terminal": name,
            "camera": {"driver": "replay", "source": "stage"},
            "key": {"file": "key"},
            "mqtt": {"host": "127.0.0.1"},
            "peers": [{"terminal": other, "public_key": IDENTITIES[other].signing_public}],
            "door": {
                "driver": "simulated",
                "contact": {"file": "open", "debounce_s": 0.001},
                "interlock": {"peer": other, "timeout_s": 0.6},
                **door,
            },
        }
    )


class Wire:
    """Brings words to the other side, unless it is cut."""

    def __init__(self) -> None:
        self.sides: dict[str, Interlock] = {}
        self.states = {name: State() for name in OTHER}
        self.said: list[tuple[str, bytes]] = []
        self.cut = False
        for name in OTHER:
            settings = config(name).door.interlock
            assert settings is not None
            self.sides[name] = Interlock(
                config(name),
                settings,
                IDENTITIES[name],
                self.states[name],
                settle_s=0.1,
                heartbeat_s=0.3,
            )
            self.sides[name].connect(self.send)

    def send(self, topic: str, message: bytes) -> bool:
        self.said.append((topic, message))
        if not self.cut:
            self.bring(topic, message)
        return not self.cut

    def bring(self, topic: str, message: bytes) -> None:
        for side in self.sides.values():
            if topic in side.subscriptions:
                side.subscriptions[topic](message)

    def open(self) -> None:
        for side in self.sides.values():
            side.open()
            side.door_is(shut_and_locked=True)
        until(lambda: all(side.blocked() is None for side in self.sides.values()))

    def close(self) -> None:
        for side in self.sides.values():
            side.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


def asked(side: Interlock) -> tuple[bool, str]:
    """Claim, and unlock the door if that is granted."""
    answers: list[tuple[bool, str]] = []
    done = threading.Event()

    def answer(granted: bool, why: str) -> None:
        if granted:
            side.door_is(shut_and_locked=False)
        answers.append((granted, why))
        done.set()

    side.claim(answer)
    assert done.wait(20)
    assert len(answers) == 1
    return answers[0]


def test_one_door_opens_and_the_other_waits_until_it_is_shut(wire: Wire) -> None:
    wire.open()
    a, b = wire.sides["a"], wire.sides["b"]
    assert asked(a) == (True, "")
    assert asked(a) == (True, "")  # somebody else, while it is open
    until(lambda: b.blocked() == "other_passing")
    assert asked(b) == (False, "other_passing")
    a.door_is(shut_and_locked=True)
    until(lambda: b.blocked() is None)
    assert asked(b) == (True, "")


def test_a_door_that_is_forced_and_a_fire_keep_the_other_one_shut(wire: Wire) -> None:
    wire.open()
    a, b = wire.sides["a"], wire.sides["b"]
    a.door_is(shut_and_locked=False)
    until(lambda: b.blocked() == "other_open")
    assert asked(b) == (False, "other_open")
    a.door_is(shut_and_locked=False, fire=True)
    until(lambda: b.blocked() == "other_fire")
    a.door_is(shut_and_locked=True)
    until(lambda: b.blocked() is None)


def test_silence_keeps_the_door_shut_is_told_once_and_ends(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.open()
    a, state = wire.sides["a"], wire.states["a"]
    wire.cut = True
    assert asked(a) == (False, "timed_out")
    until(lambda: a.blocked() == "unheard")
    assert asked(a) == (False, "unheard")
    until(lambda: "interlock" in state.degraded)
    assert state.degraded["interlock"] == "the terminal b does not answer; this door stays shut"
    wire.cut = False
    until(lambda: a.blocked() is None)
    until(lambda: not state.degraded)
    assert caplog.text.count("terminal b does not answer") == 1
    assert asked(a) == (True, "")


def test_a_yielder_that_hears_nothing_more_stays_shut(wire: Wire) -> None:
    wire.open()
    a, b = wire.sides["a"], wire.sides["b"]
    assert asked(a) == (True, "")
    until(lambda: b.blocked() == "other_passing")
    wire.cut = True
    a.door_is(shut_and_locked=True)
    until(lambda: b.blocked() == "unheard")
    assert asked(b) == (False, "unheard")
    wire.cut = False
    until(lambda: b.blocked() is None)


def test_of_two_that_ask_at_once_one_passes(wire: Wire) -> None:
    wire.open()
    for _ in range(10):
        answers: dict[str, tuple[bool, str]] = {}

        def ask(name: str, answers: dict[str, tuple[bool, str]] = answers) -> None:
            answers[name] = asked(wire.sides[name])

        threads = [threading.Thread(target=ask, args=(name,)) for name in OTHER]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(granted for granted, _ in answers.values()) == 1
        for side in wire.sides.values():
            side.door_is(shut_and_locked=True)
        until(lambda: all(side.blocked() is None for side in wire.sides.values()))


def forged(claims: dict[str, Any], signer: str = "a", typ: str = TYP) -> bytes:
    return IDENTITIES[signer].sign(claims, typ).encode()


def test_a_word_that_is_forged_altered_or_not_for_us_is_never_taken_in(wire: Wire) -> None:
    wire.open()
    a, b = wire.sides["a"], wire.sides["b"]
    a.door_is(shut_and_locked=False)
    until(lambda: b.blocked() == "other_open")
    wire.cut = True  # only what we bring arrives
    topic = "edged/hq/a/interlock"
    last = next(message for to, message in reversed(wire.said) if to == topic)
    claims = json.loads(base64.urlsafe_b64decode(last.split(b".")[1] + b"=="))
    good = {**claims, "shut": True, "number": claims["number"] + 1}
    for bad in (
        forged(good, signer="x"),
        forged(good, signer="b"),
        forged(good, typ="JOSE"),
        forged({**good, "aud": "hq/c"}),
        forged({**good, "iss": "hq/b"}),
        forged({**good, "number": "7"}),
        forged({**good, "number": 0}),
        forged({**good, "echo": [1, 2, 3]}),
        forged({**good, "boot": "x"}),
        forged({**good, "extra": 1}),
        forged({key: good[key] for key in ("aud", "iss")}),
        forged(good)[:-4],
        b"\xff\xfe",
        b"",
        b"a.b.c",
        b"x" * 100_000,
        last,
    ):
        wire.bring(topic, bad)
        assert asked(b) == (False, "other_open")
    wire.bring(topic, forged(good))  # the one that is right counts
    until(lambda: b.blocked() is None)


def test_a_flood_of_words_leaves_the_door_shut_and_ends(wire: Wire) -> None:
    wire.open()
    b = wire.sides["b"]
    for _ in range(20_000):
        wire.bring("edged/hq/a/interlock", b"a.b.c")
    assert asked(b)[1] in ("", "timed_out", "unheard")
    b.door_is(shut_and_locked=True)
    until(lambda: b.blocked() is None)


def test_who_fails_to_take_an_answer_ends_nothing(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.open()

    def fail(_granted: bool, _why: str) -> None:
        raise RuntimeError

    wire.sides["a"].claim(fail)
    until(lambda: "was not taken" in caplog.text)
    until(lambda: wire.sides["b"].blocked() is None)  # it was not used, and is over
    assert asked(wire.sides["a"]) == (True, "")


def test_what_nobody_foresaw_is_logged_and_the_interlock_goes_on(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.open()
    failed = threading.Event()

    def fail(_topic: str, _message: bytes) -> bool:
        failed.set()
        raise RuntimeError

    wire.sides["a"].connect(fail)
    assert failed.wait(20)
    until(lambda: "nobody foresaw" in caplog.text)
    wire.sides["a"].connect(wire.send)
    until(lambda: wire.sides["a"].blocked() is None)
    assert asked(wire.sides["a"]) == (True, "")


def test_it_is_closed_twice_before_it_is_opened_and_with_somebody_waiting(wire: Wire) -> None:
    a = wire.sides["a"]
    a.close()
    wire.open()
    a.open()
    assert (a.tick(), a.handlers()) == (None, {})
    wire.cut = True
    answers: list[tuple[bool, str]] = []
    a.claim(lambda granted, why: answers.append((granted, why)))
    a.close()
    a.close()
    assert answers == [(False, "not_ready")]
    assert asked(a) == (False, "not_ready")


def test_a_key_of_the_other_terminal_that_is_none_is_said_at_the_start() -> None:
    broken = config("a").model_dump(mode="json")
    broken["peers"][0]["public_key"] = "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"
    part = make_interlock(Config.model_validate(broken), IDENTITIES["a"], State())
    assert part is not None
    with pytest.raises(KeyUnavailable, match="key of b"):
        part.open()
    part.close()


def test_a_terminal_without_an_interlock_has_none() -> None:
    assert make_interlock(config("a", interlock=None), IDENTITIES["a"], State()) is None
