"""Every way to be refused, without a network."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from edged.config.schema import Commands as Settings
from edged.errors import BrokerError, DiskFull
from edged.events.outbox import Outbox
from edged.mqtt import Reply
from edged.mqtt.auth import LARGEST_COMMAND, Keyring, Refusal
from edged.mqtt.flood import Flood
from edged.vault.secret import Secret
from tests.mqtt.conftest import ENROLLER, STRANGER, TOPICS
from tests.mqtt.conftest import settings as mqtt_settings
from tests.mqtt.desk import (
    Desk,
    Watch,
    claims,
    confused_hs256,
    good,
    part,
    signed,
    tampered,
)
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def make_desk(outbox: Outbox) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(**more: Any) -> Desk:
        made.append(Desk(outbox, **more))
        return made[-1]

    yield make
    for desk in made:
        desk.hold.set()
        desk.commands.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


DEEP = "[" * 50_000
REFUSED: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "empty": ("malformed", lambda: b""),
    "garbage": ("malformed", lambda: b"open sesame"),
    "not UTF-8": ("not_text", lambda: b"\xff\xfe\x00"),
    "1 MB": ("oversized", lambda: b"x" * 1_000_000),
    "one byte too many": ("oversized", lambda: b"x" * (LARGEST_COMMAND + 1)),
    "deep JSON": ("too_deep", lambda: DEEP),
    "deep JSON object": ("too_deep", lambda: '{"a":' * 10_000),
    "deep JSON in the header": (
        "malformed",
        lambda: base64.urlsafe_b64encode(b'{"a":' + b"[" * 40_000).decode() + ".e30.e30",
    ),
    "deep JSON, signed": ("too_deep", lambda: signed(b'{"args":' + b"[" * 5000)),
    "half JSON": ("malformed", lambda: '{"cmd":'),
    "a key twice": ("malformed", lambda: signed(b'{"aud":"a","aud":"b"}')),
    "NaN": ("malformed", lambda: signed(b'{"iat":NaN}')),
    "a number of 10,000 digits": ("malformed", lambda: signed(b'{"iat":' + b"9" * 10_000 + b"}")),
    "unsigned": ("unsigned", lambda: json.dumps(claims())),
    "unsigned, and so long that nobody reads it": ("unsigned", lambda: "[" + "{}," * 30_000),
    "alg none": ("wrong_algorithm", lambda: f"{part({'alg': 'none'})}.{part(claims())}."),
    "HS256 with the public key": ("wrong_algorithm", confused_hs256),
    "no alg": ("wrong_algorithm", lambda: f"{part({'kid': 'operator'})}.{part(claims())}.AAAA"),
    "crit in the header": ("malformed", lambda: signed(claims(), {"jku": "http://evil.test/"})),
    "unknown key": ("unknown_key", lambda: good(key=STRANGER, kid="stranger")),
    "no key id": ("unknown_key", lambda: f"{part({'alg': 'EdDSA'})}.{part(claims())}.AAAA"),
    "signed by another key": ("bad_signature", lambda: good(key=STRANGER)),
    "signed by another key of ours": ("bad_signature", lambda: good(key=ENROLLER)),
    "tampered": ("bad_signature", tampered),
    "signature cut off": ("bad_signature", lambda: good()[:-4]),
    "no signature": ("bad_signature", lambda: good().rsplit(".", 1)[0] + "."),
    "a list": ("bad_claims", lambda: signed([1])),
    "no nonce": ("bad_claims", lambda: signed(claims(jti=...))),
    "no end": ("bad_claims", lambda: signed(claims(exp=...))),
    "no beginning": ("bad_claims", lambda: signed(claims(iat=...))),
    "ends before it begins": ("bad_claims", lambda: signed(claims(exp=time.time() - 60))),
    "infinite": ("bad_claims", lambda: signed(b'{"exp":1e999}')),
    "nonce too short": ("bad_claims", lambda: signed(claims(jti="1"))),
    "nonce with a line end": ("bad_claims", lambda: signed(claims(jti="nonce-0123\n"))),
    "unknown claim": ("bad_claims", lambda: signed(claims(admin=True))),
    "unknown claim that is no Unicode": ("bad_claims", lambda: signed(claims(**{"\ud800": 1}))),
    "times as text": ("bad_claims", lambda: signed(claims(iat="now"))),
    "another terminal": ("wrong_audience", lambda: good(audience="hq/door-2")),
    "another command than the topic": (
        "wrong_command",
        lambda: good("enrol.start", {"person_id": "7"}),
    ),
    "wrong role": ("wrong_role", lambda: good(key=ENROLLER, kid="enroller")),
    "expired": (
        "expired",
        lambda: signed(claims(iat=time.time() - 50, exp=time.time() - 0.5)),
    ),
    "from the future": (
        "from_future",
        lambda: signed(claims(iat=time.time() + 20, exp=time.time() + 40)),
    ),
    "valid too long": ("too_long", lambda: good(valid_s=61)),
    "unknown argument": ("bad_args", lambda: good(args={"force": True})),
    "argument too large": ("bad_args", lambda: good(args={"duration_s": 61})),
    "argument of the wrong type": ("bad_args", lambda: good(args={"duration_s": "3"})),
    "cause with control characters": ("bad_args", lambda: good(args={"cause": "a\nb"})),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_its_reason_on_the_record_and_no_effect(desk: Desk, case: str) -> None:
    reason, make = REFUSED[case]
    reply = desk.ask(make())
    assert (reply["result"], reply["reason"]) == ("refused", reason)
    assert reply["text"]
    assert len(desk.replies) == 1
    assert desk.done == []
    (event,) = desk.outbox.pending()
    assert event.type == "command.refused"
    assert event.data["reason"] == reason
    assert event.data["command"] == "door.unlock"


def test_what_the_handler_refuses_is_on_the_record_too_without_a_word_about_people(
    make_desk: Callable[..., Desk],
) -> None:
    shut = Reply("refused", "locked_down", "the door is locked down")
    twin = Reply("refused", "duplicate", "looks like eileen", {"other": "eileen"})
    desk = make_desk(handlers={"door.unlock": lambda *_: shut, "enrol.start": lambda *_: twin})
    first = desk.ask(good())
    order = good("enrol.start", {"person_id": "frank"}, key=ENROLLER, kid="enroller")
    second = desk.ask(order, TOPICS.command("enrol.start"))
    assert (first["reason"], second["reason"]) == ("locked_down", "duplicate")
    assert second["text"] == "looks like eileen"
    told = [event.data for event in desk.outbox.pending()]
    assert told == [
        {"command": "door.unlock", "id": first["id"], "key": "operator", "reason": "locked_down",
         "text": "the door is locked down", "unrecorded": 0},
        {"command": "enrol.start", "id": second["id"], "key": "enroller", "reason": "duplicate",
         "text": "", "unrecorded": 0},
    ]  # fmt: skip


def test_an_enrolment_that_is_cancelled_at_once_was_begun_before(
    make_desk: Callable[..., Desk],
) -> None:
    looking, begun = threading.Event(), []

    def look(*_: Any) -> Reply:
        looking.wait(20)
        return Reply()

    def note(_args: Any, context: Any) -> Reply:
        begun.append(context.command)
        return Reply()

    desk = make_desk(
        handlers={"enrol.photo": look, "enrol.start": note, "enrol.cancel": note}, rate_hz=100
    )
    for name, args in (
        ("enrol.photo", {"person_id": "7", "image": "eA=="}),
        ("enrol.start", {"person_id": "8"}),
        ("enrol.cancel", {"person_id": "8"}),
    ):
        desk.put(good(name, args, key=ENROLLER, kid="enroller"), TOPICS.command(name))
    until(lambda: "enrol.cancel" in begun)
    looking.set()
    until(lambda: len(desk.replies) == 3)
    assert begun == ["enrol.start", "enrol.cancel"]


def test_a_good_command_is_obeyed_once_and_answered_once(desk: Desk) -> None:
    reply = desk.ask(good(args={"duration_s": 2, "cause": "visitor"}), correlation=b"\x00\xff")
    assert reply == {
        "v": 1,
        "command": "door.unlock",
        "id": desk.done[0][2].id,
        "result": "ok",
        "reason": "done",
        "text": "unlocked",
        "data": {"pulse_s": 3},
    }
    ((command, args, context),) = desk.done
    assert (command, args.duration_s, args.cause) == ("door.unlock", 2, "visitor")
    assert context.key_id == "operator"
    topic, _, correlation = desk.replies[0]
    assert (topic, correlation) == (TOPICS.result("door.unlock"), b"\x00\xff")
    assert desk.outbox.pending() == []


def test_a_replay_is_refused_also_after_a_restart(desk: Desk, make_desk: Any) -> None:
    command = good()
    assert desk.ask(command)["result"] == "ok"
    assert desk.ask(command)["reason"] == "replayed"
    desk.commands.close()
    again = make_desk()
    assert again.ask(command)["reason"] == "replayed"
    assert len(desk.done) == 1
    assert again.done == []


def test_two_keys_may_choose_the_same_nonce(desk: Desk) -> None:
    assert desk.ask(signed(claims()))["result"] == "ok"
    content = json.dumps(claims(cmd="enrol.start", args={"person_id": "7"})).encode()
    other = jwt.PyJWS().encode(
        content, ENROLLER.private, algorithm="EdDSA", headers={"kid": "enroller"}
    )
    assert desk.ask(other, TOPICS.command("enrol.start"))["result"] == "ok"


def test_a_retained_command_is_refused_though_it_is_good(desk: Desk) -> None:
    assert desk.ask(good(), retained=True)["reason"] == "retained"
    assert desk.done == []


def test_an_unknown_command_is_refused(desk: Desk) -> None:
    reply = desk.ask(good("door.explode"), TOPICS.command("door.explode"))
    assert reply["reason"] == "unknown_command"


def test_a_malformed_command_name_gets_no_reply_topic_of_its_own(desk: Desk) -> None:
    desk.put(good("Door"), f"{TOPICS.root}/cmd/Door")
    desk.ask(good("Door"), f"{TOPICS.root}/cmd/Door", response_topic="edged/hq/ctl/replies")
    ((topic, reply, _),) = desk.replies
    assert topic == "edged/hq/ctl/replies"
    assert (reply["reason"], reply["command"]) == ("wrong_command", None)


@pytest.mark.parametrize(
    "topic", ["edged/hq/door-2/cmd/door.unlock", "elsewhere/x", "edged/hq/+/x", ""]
)
def test_a_reply_is_not_sent_where_it_could_do_harm(desk: Desk, topic: str) -> None:
    desk.ask(good(), response_topic=topic)
    assert desk.replies[0][0] == TOPICS.result("door.unlock")


def test_an_unsynced_clock_refuses_unless_it_is_accepted(make_desk: Any) -> None:
    strict, lenient = make_desk(), make_desk(unsynced_clock="accept")
    strict.watch.trusted = lenient.watch.trusted = False
    assert strict.ask(good())["reason"] == "clock_unsynced"
    old = signed(claims(iat=1000.0, exp=1030.0))
    assert lenient.ask(old)["result"] == "ok"
    assert lenient.ask(old)["reason"] == "replayed"
    assert lenient.ask(signed(claims(iat=1000.0, exp=5000.0)))["reason"] == "too_long"


def test_unsigned_commands_are_a_loud_choice(
    make_desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk(allow_unsigned=True)
    assert "allow_unsigned" in caplog.text
    assert desk.ask(json.dumps(claims()))["result"] == "ok"
    assert desk.ask(json.dumps(claims()))["reason"] == "replayed"
    assert desk.done[0][2].key_id is None
    assert desk.ask(json.dumps(claims(exp=time.time() - 1, iat=time.time() - 9)))["reason"] == (
        "expired"
    )
    assert desk.ask(good())["result"] == "ok"


def test_without_keys_everything_is_refused(make_desk: Any) -> None:
    assert make_desk(keys=[]).ask(good())["reason"] == "unknown_key"


def test_too_many_commands_of_one_key_are_refused_and_may_be_sent_again(make_desk: Any) -> None:
    desk = make_desk(rate_hz=0.1)
    for _ in range(10):
        assert desk.ask(good())["result"] == "ok"
    late = good()
    assert desk.ask(late)["reason"] == "too_often"
    gate = desk.commands._gate
    assert gate is not None
    gate._rates.clear()
    assert desk.ask(late)["result"] == "ok"


@pytest.mark.parametrize(
    ("cause", "result", "reason", "says"),
    [
        ("jam", "failed", "failed", "the relay does not obey"),
        ("bug", "failed", "internal", "see its log"),
        ("no json", "failed", "internal", "see its log"),
    ],
)
def test_a_handler_that_fails_is_answered_and_the_next_command_works(
    desk: Desk, cause: str, result: str, reason: str, says: str
) -> None:
    reply = desk.ask(good(args={"cause": cause}))
    assert (reply["result"], reply["reason"]) == (result, reason)
    assert says in reply["text"]
    assert desk.ask(good())["result"] == "ok"


def test_a_full_queue_refuses_at_once_and_does_not_block(desk: Desk) -> None:
    desk.hold.clear()
    for _ in range(200):
        desk.put(good())
    busy = [reply for _, reply, _ in desk.replies if reply["reason"] == "busy"]
    assert len(busy) == desk.commands.counts["busy"] >= 100
    desk.hold.set()
    until(lambda: len(desk.replies) == 200)


def test_a_flood_of_refusals_does_not_fill_the_disk(desk: Desk) -> None:
    for number in range(300):
        desk.put(b"flood")
        if number % 50 == 49:
            until(desk.commands._waiting.empty)
    until(lambda: len(desk.replies) == 300)
    assert len(desk.outbox.pending(limit=1000)) <= 22
    assert desk.ask(good())["result"] == "ok"


class FullDisk:
    def append(self, type: str, data: dict[str, Any]) -> Any:  # noqa: A002
        raise DiskFull("the disk is full")

    def use_nonce(self, nonce: str, expires: float, now: float | None = None) -> bool:
        raise DiskFull("the disk is full")


def test_without_room_to_remember_the_nonce_nothing_is_obeyed() -> None:
    desk = Desk(FullDisk())
    assert desk.ask(good())["reason"] == "storage"
    assert desk.ask(b"garbage")["reason"] == "malformed"
    assert desk.done == []
    desk.commands.close()


def test_close_is_safe_twice_and_drops_what_waits(make_desk: Any) -> None:
    desk = make_desk()
    desk.hold.clear()
    for _ in range(70):
        desk.put(good())
    closer = threading.Thread(target=desk.commands.close)
    closer.start()
    desk.hold.set()
    closer.join(20)
    assert not closer.is_alive()
    desk.commands.close()


@pytest.mark.parametrize("pem", ["-----BEGIN PUBLIC KEY-----\nnonsense", "rsa"])
def test_a_key_that_is_no_ed25519_key_is_told_at_open(pem: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if pem == "rsa":
        other = generate_private_key(SECP256R1()).public_key()
        pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    config = Settings.model_validate({"keys": [{"id": "a", "public_key": pem, "roles": []}]})
    with pytest.raises(BrokerError, match=r"mqtt\.commands\.keys: a: not"):
        Keyring(config)


KEYRING = Keyring(mqtt_settings(1883).commands)


def test_a_changed_bit_anywhere_is_refused() -> None:
    token = bytearray(good().encode())
    for place in range(len(token)):
        token[place] ^= 1
        assert isinstance(KEYRING.open(bytes(token)), Refusal)
        token[place] ^= 1


def test_the_outbox_outlives_the_process_that_used_a_nonce(tmp_path: Path) -> None:
    path, key = tmp_path / "events.db", Secret(bytes(32))
    first = Outbox(path, key, 1000)
    first.open()
    desk = Desk(first)
    command = good()
    assert desk.ask(command)["result"] == "ok"
    desk.commands.close()
    first.close()
    second = Outbox(path, key, 1000)
    second.open()
    desk = Desk(second)
    assert desk.ask(command)["reason"] == "replayed"
    desk.commands.close()
    second.close()


DAY = 86_400


def test_a_clock_that_was_set_back_revives_nothing(make_desk: Any) -> None:
    desk = make_desk()
    desk.watch.floor = time.time() + 3600  # it had been an hour later already
    assert desk.ask(good())["reason"] == "expired"
    lenient = make_desk(unsynced_clock="accept", watch=Watch(trusted=False))
    assert lenient.ask(good())["result"] == "ok"
    lenient.watch.floor = time.time() + 3600
    assert lenient.ask(good())["reason"] == "expired"
    assert len(lenient.done) == 1


def test_a_clock_that_runs_ahead_unbelieved_ends_no_command(make_desk: Any) -> None:
    desk = make_desk(unsynced_clock="accept", watch=Watch(trusted=False, ahead_s=400 * DAY))
    assert desk.ask(good())["result"] == "ok"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_clock_that_is_set_ahead_and_back_makes_no_used_command_new(
    make_desk: Any, trusted: bool
) -> None:
    watch = Watch(trusted=trusted)
    desk = make_desk(unsynced_clock="accept", watch=watch)
    command = good()
    assert desk.ask(command)["result"] == "ok"
    watch.trusted, watch.ahead_s = False, 400 * DAY
    assert desk.ask(good())["result"] == "ok"  # looks after what may be forgotten
    watch.trusted, watch.ahead_s = trusted, 0
    desk.commands.close()
    again = make_desk(unsynced_clock="accept", watch=watch)
    assert again.ask(command)["reason"] == "replayed"


def test_a_replay_takes_nothing_of_what_the_key_may_send(make_desk: Any) -> None:
    desk = make_desk(rate_hz=0.1)
    command = good()
    desk.ask(command)
    for _ in range(20):
        assert desk.ask(command)["reason"] == "replayed"
    assert desk.ask(good())["result"] == "ok"


class Slow:
    """A handler that takes its time, and one of the door that does not."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.begun = threading.Event()
        self.done: list[str] = []

    def handlers(self) -> dict[str, Any]:
        return {"gallery.remove": self._enrol, "door.unlock": self._unlock}

    def _enrol(self, _args: Any, context: Any) -> Reply:
        self.begun.set()
        self.hold.wait(20)
        self.done.append(context.command)
        return Reply()

    def _unlock(self, _args: Any, context: Any) -> Reply:
        self.done.append(context.command)
        return Reply()


ENROL = TOPICS.command("gallery.remove")


def enrol(**more: Any) -> str:
    return good("gallery.remove", {"person_id": "7"}, key=ENROLLER, kid="enroller", **more)


def test_nobody_waits_outside_while_something_else_takes_its_time(make_desk: Any) -> None:
    slow = Slow()
    desk = make_desk(handlers=slow.handlers())
    desk.put(enrol(), ENROL)
    assert desk.ask(good())["result"] == "ok"
    assert slow.done == ["door.unlock"]
    slow.hold.set()
    until(lambda: len(desk.replies) == 2)
    assert slow.done == ["door.unlock", "gallery.remove"]


def test_what_there_is_no_room_for_is_refused_and_may_be_sent_again(make_desk: Any) -> None:
    slow = Slow()
    desk = make_desk(handlers=slow.handlers(), rate_hz=1000)
    for _ in range(31):  # one is worked on, 16 wait
        desk.put(enrol(), ENROL)
        until(desk.commands._waiting.empty)
    until(lambda: len(desk.replies) >= 14)
    assert {reply["reason"] for _, reply, _ in desk.replies} == {"busy"}
    late = enrol()
    assert desk.ask(late, ENROL)["reason"] == "busy"
    slow.hold.set()
    until(lambda: len(desk.replies) == 32)
    assert desk.ask(late, ENROL)["result"] == "ok"
    assert slow.done.count("gallery.remove") == sum(r["result"] == "ok" for _, r, _ in desk.replies)


def test_what_waited_until_it_expired_is_not_done(make_desk: Any) -> None:
    slow = Slow()
    desk = make_desk(handlers=slow.handlers())
    desk.put(enrol(), ENROL)
    until(slow.begun.is_set)
    desk.put(enrol(valid_s=20), ENROL)
    until(lambda: desk.commands._slow.qsize() == 1)
    desk.watch.ahead_s = 30
    slow.hold.set()
    until(lambda: len(desk.replies) == 2)
    assert [reply["reason"] for _, reply, _ in desk.replies] == ["done", "expired"]
    assert slow.done == ["gallery.remove"]


def test_in_a_flood_nobody_listens_for_a_while_and_all_of_it_is_counted(
    make_desk: Any, outbox: Outbox
) -> None:
    pauses: list[float] = []
    told: list[float] = []
    desk = make_desk(deafen=pauses.append, on_flood=told.append, rate_hz=1)
    for _ in range(5000):
        desk.put(b"flood")
    assert pauses == [5]
    assert desk.commands.counts["dropped"] >= 4500
    until(lambda: told == [5])
    desk.commands.close()
    events = outbox.pending(limit=1000)
    assert [e.data for e in events if e.type == "command.flood"] == [{"pause_s": 5}]
    refused = [e.data for e in events if e.type == "command.refused"]
    assert len(refused) <= 22
    unread = sum(data["unrecorded"] for data in refused)
    single = [data for data in refused if data["reason"] != "many"]
    assert unread + len(single) == 5000


def test_the_pauses_grow_and_a_calm_time_forgets_them() -> None:
    now = [0.0]
    flood = Flood(1, lambda: now[0])

    def until_flooded() -> float:
        while not (pause_s := flood.arrived(10)):
            pass
        return pause_s

    pauses = []
    for _ in range(6):
        pauses.append(until_flooded())
        assert not flood.over
        now[0] += pauses[-1]
        assert flood.over
        assert not flood.settled
        now[0] += 3
        assert flood.settled
    assert pauses == [5, 10, 20, 40, 60, 60]
    now[0] += 60
    assert until_flooded() == 5


def test_few_large_messages_are_no_flood_and_many_are() -> None:
    flood = Flood(1, lambda: 0.0)
    assert [flood.arrived(1_000_000) for _ in range(40)] == [0.0] * 40
    assert sum(flood.arrived(1_000_000) for _ in range(40)) > 0
