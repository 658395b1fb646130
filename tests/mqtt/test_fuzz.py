"""Nothing that arrives breaks the gate, and nothing passes but what was signed, and that once.

EDGED_FUZZ=50 looks fifty times as long.
"""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from edged.mqtt.auth import CLOCK_SKEW_S, Claims, Keyring, Refusal, check_times, read_token
from edged.mqtt.catalogue import CATALOGUE
from edged.mqtt.gate import Case, Gate, Passed
from edged.mqtt.keys import Book, configured_keys, in_force, read_book, write_book
from edged.mqtt.topics import Topics
from tests.mqtt.conftest import TOPICS
from tests.mqtt.conftest import settings as mqtt_settings
from tests.mqtt.desk import AUDIENCE, Watch, claims, good, part, signed

LONGER = int(os.environ.get("EDGED_FUZZ", "1"))
SETTINGS = mqtt_settings(1883).commands
KEYRING = Keyring(SETTINGS)
DASHED = Topics("edged", "hq", "door-1", dash=True)


def fuzz(examples: int) -> Any:
    return settings(
        max_examples=examples * LONGER,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


class Memory:
    """Nonces and events of a gate, without a disk."""

    def __init__(self) -> None:
        self.nonces: set[str] = set()
        self.events: list[str] = []

    def append(self, type: str, data: dict[str, Any]) -> None:  # noqa: A002
        self.events.append(type)

    def use_nonce(self, nonce: str, expires: float, now: float | None = None) -> bool:
        fresh = nonce not in self.nonces
        self.nonces.add(nonce)
        return fresh


def gate() -> Gate:
    return Gate(SETTINGS, TOPICS, Memory(), CATALOGUE, KEYRING, Watch())


def judge(gate: Gate, payload: bytes, name: str | None = "door.unlock") -> Any:
    return gate.judge(payload, Case(name))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
ALPHABET = st.sampled_from(b'ABCxyz019-_.={}[]"\\\n \x00\xff')
PLACES = st.integers(0, 10_000)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("set"), PLACES, ALPHABET),
        st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
        st.tuples(st.just("put"), PLACES, ALPHABET),
        st.tuples(st.just("cut"), PLACES, st.integers(1, 40)),
        st.tuples(st.just("end"), PLACES, st.just(0)),
        st.tuples(st.just("again"), PLACES, st.integers(1, 40)),
    ),
    min_size=1,
    max_size=4,
)


def changed(token: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    text = bytearray(token)
    for kind, far, what in changes:
        place = far % (len(text) or 1)
        if kind == "set" and text:
            text[place] = what
        elif kind == "flip" and text:
            text[place] ^= 1 << what
        elif kind == "put":
            text[place:place] = bytes([what])
        elif kind == "cut":
            del text[place : place + what]
        elif kind == "end":
            del text[place:]
        elif kind == "again":
            text[place:place] = text[place : place + what]
    return bytes(text)


@fuzz(300)
@given(CHANGES)
@example([("put", 10_000, ord(" "))])
@example([("put", 0, ord("\n"))])
def test_only_the_original_passes_and_only_once(changes: list[tuple[str, int, int]]) -> None:
    token = good().encode()
    other = changed(token, changes)
    assume(other != token)
    here = gate()
    assert isinstance(judge(here, other), Refusal)
    assert isinstance(judge(here, token), Passed)
    for again in (token, other):
        assert isinstance(judge(here, again), Refusal)


@fuzz(100)
@given(st.permutations([0, 1, 2]), st.lists(st.integers(0, 1), min_size=3, max_size=3))
def test_parts_of_two_commands_make_no_third(order: list[int], whose: list[int]) -> None:
    tokens = [good(), good(args={"duration_s": 60})]
    parts = [token.split(".") for token in tokens]
    mixed = ".".join(parts[who][place] for who, place in zip(whose, order, strict=True))
    assume(mixed not in tokens)
    assert isinstance(judge(gate(), mixed.encode()), Refusal)


CLAIM = st.one_of(
    JSON,
    st.floats(time.time() - 100, time.time() + 100),
    st.just(AUDIENCE),
    st.sampled_from(sorted(CATALOGUE)),
)


@fuzz(200)
@given(st.dictionaries(st.sampled_from([*claims(), "admin"]), CLAIM, max_size=3))
def test_what_is_signed_passes_only_as_it_must_be(some: dict[str, Any]) -> None:
    content = claims() | some
    found = judge(gate(), signed(content).encode())
    if not isinstance(found, Passed):
        assert isinstance(found, Refusal)
        return
    now_s = time.time()
    assert set(content) <= set(Claims.model_fields)
    assert content["aud"] == AUDIENCE
    assert content["cmd"] == "door.unlock"
    assert content["iat"] <= now_s + CLOCK_SKEW_S
    assert now_s - 1 < content["exp"] <= content["iat"] + SETTINGS.longest_validity_s


@fuzz(300)
@given(st.binary(max_size=400), st.none() | st.text(max_size=70))
def test_no_bytes_pass_on_whatever_topic(payload: bytes, name: str | None) -> None:
    assert isinstance(judge(gate(), payload, name), Refusal)
    assert isinstance(KEYRING.verified(payload, "operator"), Refusal)


@fuzz(150)
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), JSON), JSON)
def test_no_header_passes_or_breaks_the_envelope(header: dict[str, Any], body: Any) -> None:
    _, payload, signature = good().split(".")
    for rest in (f"{payload}.{signature}", f"{part(body)}.", f"{part(body)}.{signature}"):
        headed = {"alg": "EdDSA", "kid": "operator"} | header
        for token in (f"{part(header)}.{rest}", f"{part(headed)}.{rest}"):
            assert isinstance(judge(gate(), token.encode()), Refusal)


@fuzz(200)
@given(st.text(max_size=200), st.none() | st.text(max_size=10))
def test_no_text_breaks_the_reader_of_a_token(text: str, typ: str | None) -> None:
    token = read_token(text, typ)
    if not isinstance(token, Refusal):
        assert isinstance(token.claims(configured_keys(SETTINGS)["operator"].public_key), Refusal)


@fuzz(300)
@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 7e9),
    st.floats(1, 3600),
    st.booleans(),
    st.sampled_from(["refuse", "accept"]),
)
def test_no_time_breaks_the_judgement(
    iat: float, exp: float, now_s: float, longest_s: float, trusted: bool, unsynced: str
) -> None:
    content = Claims(aud=AUDIENCE, iat=iat, exp=exp, jti="nonce-0123", cmd="door.unlock")

    class At:
        def __init__(self) -> None:
            self.trusted = trusted

        def now(self) -> float:
            return now_s + 1e6 * (not trusted)

        def earliest(self) -> float:
            return now_s

    if check_times(content, At(), longest_s, unsynced=unsynced) is None:
        assert trusted or unsynced == "accept"
        assert exp > now_s
        assert iat < exp <= iat + longest_s
        assert not trusted or iat <= now_s + CLOCK_SKEW_S


LEVELS = st.lists(
    st.sampled_from(["edged", "hq", "door-1", "cmd", "result", "+", "#", "", "door.unlock"])
    | st.text(max_size=8),
    max_size=7,
).map("/".join)


@fuzz(400)
@given(LEVELS)
def test_no_topic_breaks_the_parser_and_none_is_answered_where_it_does_harm(topic: str) -> None:
    for topics in (TOPICS, DASHED):
        parsed = topics.parse(topic)
        if parsed is not None:
            assert topic.startswith(topics.root)
        if topics.may_reply_to(topic):
            assert parsed is None or parsed.kind == "result"
            assert topic.startswith("edged/hq/")
            assert not {"+", "#"} & set(topic)
            assert topic.split("/")[3] not in {"cmd", "desired", "state", "status", "audit"}


@fuzz(100)
@given(st.from_regex(r"[a-z0-9_]{1,8}(\.[a-z0-9_]{1,8}){0,3}", fullmatch=True))
def test_what_is_built_is_parsed(name: str) -> None:
    for topics in (TOPICS, DASHED):
        for topic in (topics.command(name), topics.event(name), topics.result(name)):
            parsed = topics.parse(topic)
            assert parsed is not None
            assert parsed.name == name


@fuzz(200)
@given(st.binary(max_size=200) | JSON.map(lambda data: json.dumps(data).encode()))
def test_no_note_of_keys_breaks_the_reader(raw: bytes) -> None:
    book = read_book(raw.decode("utf-8", "replace"))
    if book is not None:
        assert read_book(write_book(book)) == book
        assert set(in_force(configured_keys(SETTINGS), book)) >= {"operator", "enroller"}


@fuzz(100)
@given(st.binary(min_size=32, max_size=32), st.booleans(), st.none() | st.floats(0, 7e9))
def test_a_book_is_read_as_it_was_written(raw: bytes, revoked: bool, until: float | None) -> None:
    operator = configured_keys(SETTINGS)["operator"].x
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    record = {"id": "a", "x": x, "root": "operator", "root_x": operator, "person": operator}
    text = json.dumps({"v": 1, "records": [record | {"revoked": revoked, "until": until}]})
    book = read_book(text)
    if book is not None:
        assert isinstance(book, Book)
        assert read_book(write_book(book)) == book
        assert ("a" in in_force(configured_keys(SETTINGS), book)) is not revoked


def test_what_is_dear_to_look_at_is_not_looked_at_for_long() -> None:
    """Texts of the largest size that a careless reader would be slow with."""
    size = 98_000
    texts = [
        '{"a":"' + "\\" * size,
        '"\\"' * (size // 3),
        '{"a":' * 10,
        "{" + '"a":"b",' * (size // 8),
        "." * size,
        "A" * size,
        "A." * (size // 2),
        f"{part({'alg': 'EdDSA', 'kid': 'operator'})}.{'A' * size}.{'A' * 86}",
    ]
    here = gate()
    start_s = time.process_time()
    for text in texts:
        assert isinstance(judge(here, text.encode()), Refusal)
    assert time.process_time() - start_s < 2  # a quadratic one takes minutes
