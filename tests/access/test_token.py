"""Visitors' codes: what is taken, and why everything else is not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from edged.access.token import (
    FAULTS,
    LARGEST,
    PREFIX,
    Visit,
    decode_base45,
    encode_base45,
    judge_visit,
    read_token,
    write_token,
)
from edged.vault.identity import key_id

KEY, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
NOW_S = 1_800_000_000
VISIT = Visit("guest-17", "hq", NOW_S, NOW_S + 3600, ("door-1",), ("visitor",), "abcdefghijklmnop")
PURPOSE = b"edged/v1/visitor\0"


def signed(payload: bytes, key: Ed25519PrivateKey = KEY, purpose: bytes = PURPOSE) -> str:
    return PREFIX + encode_base45(payload + key.sign(purpose + payload))


def claims(**changes: Any) -> bytes:
    document: dict[str, Any] = {
        "k": next(iter(KEYS)), "s": "hq", "v": "guest-17", "n": NOW_S, "e": NOW_S + 60,
        "j": "abcdefghijklmnop",
    }  # fmt: skip
    document |= changes
    return json.dumps({name: v for name, v in document.items() if v is not None}).encode()


def test_a_code_says_what_was_put_into_it_and_fits_a_small_qr_code() -> None:
    text = write_token(VISIT, KEY)
    assert read_token(text, KEYS) == VISIT
    code = segno.make(text, error="l")
    assert code.mode == "alphanumeric"
    assert int(code.version) <= 10


def test_every_code_is_one_of_its_own() -> None:
    one, other = (Visit("g", "hq", NOW_S, NOW_S + 1) for _ in range(2))
    assert one.digest != other.digest
    assert len(one.digest) == 32
    assert one.jti not in repr(one)


def test_the_digest_is_of_the_code_alone() -> None:
    assert replace(VISIT, ends=NOW_S + 1).digest == VISIT.digest
    assert VISIT.jti not in VISIT.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"visitor_id": "a/b"}, "the visitor's id"),
        ({"visitor_id": ""}, "the visitor's id"),
        ({"site": "h q"}, "the site's name"),
        ({"terminals": ("x" * 65,)}, "the terminals"),
        ({"terminals": tuple(f"d{n}" for n in range(17))}, "the terminals"),
        ({"groups": ("",)}, "the groups"),
        ({"begins": -1}, "when it begins"),
        ({"ends": 10**15}, "when it ends"),
        ({"ends": NOW_S}, "it ends before it begins"),
        ({"jti": "short"}, "its own id"),
        ({"groups": tuple("g" * 60 + str(n) for n in range(10))}, "at most 800 characters"),
    ],
)
def test_a_code_that_no_terminal_would_take_is_not_made(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        write_token(replace(VISIT, **changes), KEY)


def json_web_token(alg: str) -> str:
    body = json.loads(claims())
    if alg == "none":
        return jwt.encode(body, None, algorithm="none")
    if alg == "HS256":  # the public key as the secret
        secret = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return jwt.PyJWS().encode(json.dumps(body).encode(), secret, algorithm="HS256")
    return jwt.encode(body, KEY, algorithm="EdDSA")


GOOD = write_token(VISIT, KEY)
MALFORMED = {
    "nothing": "",
    "a web address": "https://example.org/",
    "injection": "' OR 1=1; DROP TABLE people --",
    "injection behind our name": PREFIX + "1' OR '1'='1",
    "the name alone": PREFIX,
    "another version": GOOD.replace("EDGED1", "EDGED2"),
    "small letters": PREFIX + GOOD.removeprefix(PREFIX).lower(),
    "cut short by one": GOOD[:-1],
    "no room for claims": PREFIX + encode_base45(bytes(64)),
    "no json": signed(b"\xff\xfe"),
    "an open brace": signed(b"{" * 300),
    "a JWT": json_web_token("EdDSA"),
    "a JWT, alg none": json_web_token("none"),
    "a JWT, alg HS256 with the public key": json_web_token("HS256"),
    "a JWT, alg none, behind our name": PREFIX + json_web_token("none"),
    "too large a pair": PREFIX + ":::" * 60,
    "NUL": PREFIX + "\x00" * 60,
    "lone surrogates": PREFIX + "\ud800" * 60,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_code_is_malformed(text: str) -> None:
    assert read_token(text, KEYS) == "malformed"


@pytest.mark.parametrize("text", ["x" * 3000, PREFIX + "0" * 3000, PREFIX + "0" * (LARGEST - 6)])
def test_a_code_of_three_kilobytes_is_not_looked_into(text: str) -> None:
    assert read_token(text, KEYS) == "oversized"


@pytest.mark.parametrize(
    "changes",
    [
        {"s": None},
        {"v": None},
        {"n": None},
        {"e": None},
        {"j": None},
        {"k": None},
        {"x": 1},
        {"alg": "none"},
        {"v": 17},
        {"v": "a/b"},
        {"v": "v" * 65},
        {"n": "1"},
        {"n": 1.5},
        {"e": True},
        {"e": 1e400},
        {"e": NOW_S},
        {"g": "visitor"},
        {"g": ["a"] * 17},
        {"g": ["\u0000"]},
        {"t": [1]},
        {"j": "abc"},
        {"j": "a" * 33},
        {"k": "../../etc/passwd"},
    ],
)
def test_claims_that_are_none_are_told_as_that(changes: dict[str, Any]) -> None:
    assert read_token(signed(claims(**changes)), KEYS) == "bad_claims"


def test_a_list_is_no_claims() -> None:
    assert read_token(signed(b"[]"), KEYS) == "bad_claims"


def test_only_the_keys_that_count_sign() -> None:
    assert read_token(write_token(VISIT, STRANGER), KEYS) == "unknown_key"
    assert read_token(GOOD, {}) == "unknown_key"
    # a stranger who says that they are the site
    assert read_token(signed(claims(), STRANGER), KEYS) == "bad_signature"


def test_a_signature_for_another_purpose_is_none() -> None:
    assert read_token(signed(claims(), purpose=b""), KEYS) == "bad_signature"
    assert read_token(signed(claims(), purpose=b"edged/v2/visitor\0"), KEYS) == "bad_signature"


@given(st.integers(0, 10_000), st.integers(1, 44))
def test_a_code_that_was_altered_anywhere_never_counts(place: int, by: int) -> None:
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    place = len(PREFIX) + place % (len(GOOD) - len(PREFIX))
    other = alphabet[(alphabet.index(GOOD[place]) + by) % 45]
    found = read_token(GOOD[:place] + other + GOOD[place + 1 :], KEYS)
    assert found in FAULTS


@given(st.text(max_size=900))
def test_any_text_is_answered(text: str) -> None:
    assert read_token(text, KEYS) in FAULTS
    assert read_token(PREFIX + text, KEYS) in FAULTS


@given(st.binary(max_size=400))
def test_base45_gives_back_what_it_was_given(content: bytes) -> None:
    assert decode_base45(encode_base45(content)) == content


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=60))
def test_a_content_has_one_base45_only(text: str) -> None:
    content = decode_base45(text)
    assert content is None or encode_base45(content) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
    ],
)
def test_base45_is_that_of_rfc_9285(content: bytes, text: str) -> None:
    assert encode_base45(content) == text
    assert decode_base45(text) == content


def test_what_is_no_base45_is_none() -> None:
    assert decode_base45("GGW") is None  # 65536
    assert decode_base45("A") is None
    assert decode_base45("::") is None
    assert decode_base45("a00") is None
    assert decode_base45("") == b""


@pytest.mark.parametrize(
    ("changes", "at_s", "fault"),
    [
        ({}, NOW_S, None),
        ({}, NOW_S + 3599, None),
        ({}, NOW_S - 1, "not_yet"),
        ({}, NOW_S + 3600, "expired"),
        ({}, NOW_S + 10**9, "expired"),
        ({}, 0, "not_yet"),
        ({"site": "lab"}, NOW_S, "wrong_site"),
        ({"terminals": ("door-2", "door-3")}, NOW_S, "wrong_terminal"),
        ({"terminals": ("door-2", "door-1")}, NOW_S, None),
        ({"terminals": ()}, NOW_S, None),
        ({"ends": NOW_S + 7200}, NOW_S, None),
        ({"ends": NOW_S + 7201}, NOW_S, "too_long"),
        ({"groups": ("visitor", "staff")}, NOW_S, "wrong_group"),
        ({"groups": ()}, NOW_S, None),
    ],
)
def test_where_and_when_a_code_counts(changes: Any, at_s: float, fault: str | None) -> None:
    found = judge_visit(
        replace(VISIT, **changes),
        site="hq",
        terminal="door-1",
        now_s=at_s,
        longest_validity_s=7200,
        groups=("visitor",),
    )
    assert found == fault
