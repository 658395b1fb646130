"""What is let in from an OSDP line."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.readers.osdp_frame import Commands, Frame, Frames, Replies, parse
from tests.readers.osdp_foreign import checked

POLL, ID, CAP, CHLNG, SCRYPT, KEYSET, LED = 0x60, 0x61, 0x62, 0x76, 0x77, 0x75, 0x69
ACK, NAK, PDID, PDCAP, RAW, CCRYPT, RMAC_I, BUSY = 0x40, 0x41, 0x45, 0x46, 0x50, 0x76, 0x78, 0x79
CARD = bytes([0, 1, 26, 0, 0x89, 0x6B, 0x43, 0xC0])
BEGIN, SEALED, SEALED_DATA = b"\x03\x11\x01", b"\x02\x15", b"\x02\x17"


def bytes_of(
    code: int,
    data: bytes = b"",
    *,
    reply: bool = False,
    address: int = 1,
    sequence: int = 1,
    block: bytes = b"",
) -> bytes:
    control = sequence | 4 | (8 if block else 0)
    head = bytes([0x53, address | (0x80 if reply else 0), 0, 0, control])
    return checked(head + block + bytes([code]) + data)


def frame(code: int, data: bytes = b"", **more: object) -> Frame:
    found = parse(bytes_of(code, data, **more))  # type: ignore[arg-type]
    assert found is not None
    return found


# frames in a stream


def test_a_frame_is_found_between_garbage_byte_by_byte() -> None:
    frames, found = Frames(), []
    for byte in b"\x00\xff\x53\x53\x53" + bytes_of(POLL) + b"\x53\x01":
        found += frames.feed(bytes([byte]), 1.0)
    assert [one.code for one in found] == [POLL]


def test_a_check_sum_of_one_byte_is_as_good() -> None:
    body = bytes([0x53, 1, 7, 0, 1, POLL])
    assert parse(body + bytes([-sum(body) & 0xFF])) is not None
    assert parse(body + bytes([-sum(body) + 1 & 0xFF])) is None


def test_what_was_begun_before_a_pause_swallows_nothing() -> None:
    frames = Frames()
    assert frames.feed(b"\x53\x01\xf0\x00\x05", 1.0) == []
    assert len(frames.feed(bytes_of(POLL), 2.0)) == 1


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_bytes_stop_it_or_pile_up(pieces: list[bytes]) -> None:
    frames = Frames()
    for piece in pieces:
        frames.feed(piece, 1.0)
        assert len(frames._kept) <= 255
    frames.feed(bytes(300), 1.0)
    assert len(frames.feed(bytes_of(ID, b"\0"), 1.0)) == 1


@given(st.integers(0, 8 * 14 - 1))
def test_one_flipped_bit_is_no_frame(at: int) -> None:
    whole = int.from_bytes(bytes_of(RAW, b"\1\2\3\4\5\6"), "big") ^ 1 << at
    assert parse(whole.to_bytes(14, "big")) is None


@pytest.mark.parametrize("block", [b"\xff\x15", b"\x00\x17", b"\x02\x11", b"\x03\x18", b"\x02\x19"])
def test_a_security_block_of_a_wrong_length_is_no_frame(block: bytes) -> None:
    assert parse(bytes_of(POLL, bytes(20), block=block)) is None


def test_a_security_block_that_fills_the_frame_is_no_frame() -> None:
    head = bytes([0x53, 1, 0, 0, 0x0D])
    assert parse(checked(head + b"\x02\x15")) is None
    assert parse(checked(head + b"\x02")) is None


# replies, as the control panel sees them


def asked(code: int, *, secure: bool = True, sequence: int = 1, block: bytes = b"") -> Replies:
    replies = Replies(frozenset({1}) if secure else frozenset())
    replies.wrote(b"\xff" + bytes_of(code, sequence=sequence, block=block))
    return replies


def test_the_reply_to_what_was_asked_is_let_in_once() -> None:
    replies = asked(ID)
    reply = frame(PDID, bytes(12), reply=True)
    assert replies.take([reply], 5.0) == reply.raw
    assert replies.take([reply], 5.1) == b""
    assert replies.heard_s == {1: 5.0}
    assert replies.heard == {1: (ID, PDID)}


@pytest.mark.parametrize(
    "reply",
    [
        frame(PDID, bytes(12), reply=True, address=2),
        frame(PDID, bytes(12), reply=True, sequence=2),
        frame(PDID, bytes(12)),
        frame(PDCAP, bytes(12), reply=True),
        frame(RAW, CARD, reply=True),
        frame(RAW, CARD, reply=True, block=b"\x03\x12\x01"),
        frame(RAW, CARD, reply=True, block=b"\x02\x18"),
        frame(RAW, CARD, reply=True, block=b"\x02\x17"),
    ],
    ids=["address", "sequence", "command", "other", "card", "handshake", "sealed", "command block"],
)
def test_what_is_no_answer_is_kept_out(reply: Frame) -> None:
    assert asked(ID).take([reply], 0) == b""


@pytest.mark.parametrize("block", [b"", b"\x03\x12\x01", b"\x03\x14\x01"])
def test_no_card_comes_in_the_clear_or_as_a_handshake_while_the_channel_stands(
    block: bytes,
) -> None:
    forged = frame(RAW, CARD, reply=True, block=block)
    assert asked(POLL, block=SEALED).take([forged], 0) == b""


def test_the_handshake_and_what_follows_it_is_let_in() -> None:
    for code, block, reply, answer_block in (
        (CHLNG, BEGIN, CCRYPT, b"\x03\x12\x01"),
        (SCRYPT, b"\x03\x13\x01", RMAC_I, b"\x03\x14\x01"),
        (POLL, SEALED, ACK, b"\x02\x16"),
        (POLL, SEALED, RAW, b"\x02\x18"),
        (POLL, SEALED, NAK, b""),
        (KEYSET, SEALED_DATA, ACK, b""),
    ):
        answer = frame(reply, b"\1", reply=True, block=answer_block)
        assert asked(code, block=block).take([answer], 0) == answer.raw


def test_a_busy_reader_is_heard_whatever_its_sequence() -> None:
    busy = frame(BUSY, reply=True, sequence=0)
    assert asked(ID).take([busy], 0) == busy.raw


def test_what_a_reader_refuses_and_sends_as_text_is_remembered() -> None:
    replies = asked(LED, secure=False)
    replies.take([frame(NAK, b"\3", reply=True)], 0)
    assert replies.refused == {(1, LED)}
    replies.wrote(b"\xff" + bytes_of(POLL))
    replies.take([frame(0x51, b"1234", reply=True)], 0)
    assert replies.formatted == {1}


# commands, as the reader sees them


def test_only_the_last_command_to_us_is_obeyed() -> None:
    commands = Commands(1, secure=True)
    last = frame(CAP, b"\0", sequence=2)
    others = [frame(ID, b"\0"), last, frame(ID, address=2), frame(ID, address=0x7F)]
    assert commands.take([*others, frame(PDID, reply=True)], 3.0) == (last.raw, b"")
    assert commands.heard_s == 3.0


@pytest.mark.parametrize(
    "forged",
    [
        frame(SCRYPT, bytes(16)),
        frame(SCRYPT, bytes(16), block=b"\x03\x13\x01"),
        frame(CHLNG, bytes(8)),
        frame(KEYSET, b"\1\x10" + bytes(16)),
        frame(KEYSET, b"\1\x10" + bytes(16), block=BEGIN),
        frame(LED, bytes(14), block=b"\x03\x13\x01"),
        frame(POLL, block=b"\x02\x16"),
    ],
    ids=["proof", "proof unasked", "plain", "key", "key as handshake", "lamp", "reply block"],
)
def test_what_begins_no_secure_channel_is_kept_out(forged: Frame) -> None:
    assert Commands(1, secure=True).take([forged], 0) == (b"", b"")


def test_a_proof_counts_once_after_a_challenge() -> None:
    commands = Commands(1, secure=True)
    begin = frame(CHLNG, bytes(8), block=BEGIN)
    proof = frame(SCRYPT, bytes(16), block=b"\x03\x13\x01", sequence=2)
    again = frame(SCRYPT, bytes(16), block=b"\x03\x13\x01", sequence=3)
    assert [commands.take([one], 0)[0] for one in (begin, proof, again)] == [
        begin.raw,
        proof.raw,
        b"",
    ]
    assert commands.challenges == 1


def test_the_same_command_again_has_the_same_answer_for_a_moment() -> None:
    commands = Commands(1, secure=True)
    poll = frame(POLL, block=SEALED, sequence=3)
    assert commands.take([poll], 0) == (poll.raw, b"")
    commands.wrote(b"the card")
    assert commands.take([poll], 1.0) == (b"", b"the card")
    assert commands.take([poll], 9.0) == (poll.raw, b"")


def test_nothing_is_said_again_that_is_to_be_forgotten() -> None:
    commands = Commands(1, secure=True)
    poll = frame(POLL, block=SEALED, sequence=3)
    commands.take([poll], 0)
    commands.wrote(b"the card")
    commands.forget()
    assert commands.take([poll], 0.1) == (poll.raw, b"")


def test_a_session_that_begins_again_is_no_repetition() -> None:
    commands = Commands(1, secure=True)
    first = frame(ID, b"\0", sequence=0)
    commands.take([first], 0)
    commands.wrote(b"reply")
    assert commands.take([first], 0.1) == (first.raw, b"")


def test_a_thousand_noises_let_in_nothing() -> None:
    chance = random.Random(3)
    frames, replies = Frames(), asked(POLL, block=SEALED)
    for _ in range(1000):
        noise = chance.randbytes(64)
        assert replies.take(frames.feed(noise, 0.0), 0.0) == b""
