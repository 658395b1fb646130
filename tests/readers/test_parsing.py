"""What the bytes of a reader mean, and that nothing which comes does harm."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.readers import KeyboardReader
from edged.readers.keymap import KEYS
from edged.readers.parsing import CardLines, Commands, Frames, Typing, printable
from tests.readers.typing import event, press, typed

if TYPE_CHECKING:
    from edged.readers.parsing import Parser, Read


def fed(parser: Parser, *pieces: bytes, t_s: float = 0.0) -> list[Read]:
    return [read for piece in pieces for read in parser.feed(piece, t_s)]


def keyboard(pin_length: int = 0, **keys: str) -> Typing:
    return Typing(card_length=8, together_s=5, pin_length=pin_length, keys=keys)


# serial lines


@pytest.mark.parametrize(
    ("begin", "end", "sent", "cards"),
    [
        ("", "\r\n", [b"0012345678\r\n"], ["0012345678"]),
        ("", "\r\n", [b"00123", b"45678\r", b"\n77\r\n"], ["0012345678", "77"]),
        ("", "\r\n", [b"\r\n\r\n 12 \r\n"], ["12"]),
        ("\x02", "\x03", [b"\x0212\x03noise\x0234\x03"], ["12", "34"]),
        ("\x02", "\x03", [b"\x0212\x0234\x03"], ["34"]),  # the beginning of 12 was cut short
        ("", "\r", [b"A1B2\r"], ["A1B2"]),
    ],
)
def test_cards_are_read_between_begin_and_end(
    begin: str, end: str, sent: list[bytes], cards: list[str]
) -> None:
    assert fed(CardLines(begin, end), *sent) == [("card", card) for card in cards]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\x80",
        b"12\x0034",
        b"12 34",
        b"\x1b[2J",
        "４７１１".encode(),
        b"1" * 65,
        b"1" * 10_000,
    ],
)
def test_what_no_card_number_looks_like_is_counted_and_not_passed_on(garbage: bytes) -> None:
    lines = CardLines("", "\r\n")
    assert fed(lines, garbage + b"\r\n", b"4711\r\n") == [("card", "4711")]
    assert lines.unreadable >= 1


def test_a_frame_without_its_beginning_is_none() -> None:
    lines = CardLines("\x02", "\x03")
    assert fed(lines, b"4711\x03") == []
    assert lines.unreadable == 1


def test_half_a_frame_and_silence_is_not_the_beginning_of_the_next_card() -> None:
    lines = CardLines("", "\r\n")
    assert fed(lines, b"0012", t_s=0.0) == []
    assert list(lines.idle(0.5)) == []
    assert fed(lines, b"4711\r\n", t_s=0.9) == [("card", "00124711")]  # slow, but no silence
    assert fed(lines, b"0012", t_s=2.0) == []
    assert list(lines.idle(3.1)) == []
    assert fed(lines, b"4711\r\n", t_s=3.1) == [("card", "4711")]
    assert fed(lines, b"0012", t_s=4.0) == []
    assert fed(lines, b"4711\r\n", t_s=9.0) == [("card", "4711")]  # even if nobody looked
    assert lines.unreadable == 2


def test_bytes_without_an_end_are_not_kept() -> None:
    frames = Frames(b"", b"\r\n")
    for _ in range(1000):
        assert list(frames.feed(b"x" * 4096, 0.0)) == []
        assert len(frames._buffer) < 1024
    assert frames.unreadable == 1000
    assert list(frames.feed(b"x\r\n", 0.0)) == []  # the end of it is not a card
    assert list(frames.feed(b"4711\r\n", 0.0)) == [b"4711"]


def test_an_end_that_comes_in_two_pieces_after_a_flood_is_seen() -> None:
    frames = Frames(b"", b"\r\n")
    assert list(frames.feed(b"x" * 4096 + b"\r", 0.0)) == []
    assert list(frames.feed(b"\n4711\r\n", 0.0)) == [b"4711"]


def test_a_flood_that_ends_in_silence_is_over() -> None:
    frames = Frames(b"", b"\r\n")
    assert list(frames.feed(b"x" * 4096, 0.0)) == []
    assert list(frames.feed(b"4711\r\n", 5.0)) == [b"4711"]


def test_another_device_does_not_go_on_where_the_one_before_ended() -> None:
    for parser, half, whole in (
        (CardLines("", "\n"), b"0012", b"4711\n"),
        (Commands(), b"card 12", b"card 4711\n"),
        (keyboard(), typed(*"0012"), typed(*"00004711", "enter")),
    ):
        fed(parser, half)
        parser.reset()
        assert [value.lstrip("0") for _, value in fed(parser, whole)] == ["4711"]


# simulated


def test_lines_name_what_was_read() -> None:
    read = fed(Commands(), b"card 1234567\npin 2468\nkey in\n", b"  card 7 \r\n")
    assert read == [("card", "1234567"), ("pin", "2468"), ("key", "in"), ("card", "7")]


@pytest.mark.parametrize(
    "line",
    [
        b"card",
        b"card ",
        b"pin 12a4",
        b"pin " + b"1" * 17,
        b"qr x",
        b"CARD 7",
        b"\xff\xff",
        b"key a b",
    ],
)
def test_other_lines_are_counted_and_not_passed_on(line: bytes) -> None:
    commands = Commands()
    assert fed(commands, line + b"\n") == []
    assert commands.unreadable == 1
    assert list(commands.idle(9.0)) == []


# keyboards


def test_what_is_typed_up_to_enter_is_a_card_if_it_is_long_and_else_a_pin() -> None:
    assert fed(keyboard(), typed(*"0012345678", "enter")) == [("card", "0012345678")]
    assert fed(keyboard(), typed(*"2468", "enter")) == [("pin", "2468")]
    assert fed(keyboard(), typed(*"A1B2C3D4", "enter")) == [("card", "A1B2C3D4")]


def test_the_keypad_and_numeric_keys_type_digits_too() -> None:
    codes = [79, 80, 81, 0x204, 0x20B]
    assert fed(keyboard(), b"".join(press(code) for code in codes)) == [("pin", "1234")]
    assert fed(keyboard(), typed(*"99") + press(0x20A) + typed(*"12", "enter")) == [("pin", "12")]


def test_an_event_that_comes_in_pieces_is_put_together() -> None:
    sent = typed(*"2468", "enter")
    keys = keyboard()
    assert fed(keys, *(sent[at : at + 1] for at in range(len(sent)))) == [("pin", "2468")]


def test_keys_with_a_meaning_are_told_and_do_not_disturb_an_entry() -> None:
    keys = keyboard(f1="in", f2="out")
    read = fed(keys, typed("1", "2", "f1", "3", "f3", "4", "enter", "f2"))
    assert read == [("key", "in"), ("pin", "1234"), ("key", "out")]


def test_letters_that_are_too_few_for_a_card_are_nothing() -> None:
    keys = keyboard()
    assert fed(keys, typed(*"A1", "enter")) == []
    assert fed(keys, typed(*"1" * 70, "enter")) == []
    assert keys.unreadable == 2


def test_a_pin_of_known_length_needs_no_enter_and_a_card_is_still_a_card() -> None:
    keys = keyboard(pin_length=4)
    assert fed(keys, typed(*"2468"), t_s=0.0) == []
    assert list(keys.idle(0.2)) == []
    assert list(keys.idle(0.6)) == [("pin", "2468")]
    assert fed(keys, typed(*"0012345678", "enter"), t_s=1.0) == [("card", "0012345678")]


def test_after_events_that_the_kernel_dropped_nothing_is_guessed() -> None:
    keys = keyboard()
    assert fed(keys, typed(*"00123456") + event(0, 3, 0) + typed(*"78", "enter")) == [("pin", "78")]
    assert keys.unreadable == 1


def test_every_key_that_can_be_named_in_the_configuration_is_there() -> None:
    name = get_args(KeyboardReader.model_fields["keys"].annotation)[0]
    pattern = get_args(name)[1].metadata[0].pattern
    single = {"enter", "clear", "back"}
    import re

    for key in KEYS.values():
        assert len(key) == 1 or key in single or re.fullmatch(pattern, key), key
    for key in ("f1", "f12", "plus", "tab", "pagedown"):
        assert key in KEYS.values()


# all of them


@given(st.lists(st.binary(max_size=200), max_size=20), st.sampled_from(["serial", "sim", "keys"]))
def test_of_any_bytes_comes_only_what_a_reading_may_be(pieces: list[bytes], which: str) -> None:
    parser: Parser = {
        "serial": CardLines("", "\n"),
        "sim": Commands(),
        "keys": keyboard(pin_length=4, f1="in"),
    }[which]
    for at, piece in enumerate(pieces):
        for kind, value in [*parser.feed(piece, at * 0.3), *parser.idle(at * 0.3 + 0.1)]:
            assert kind in ("card", "pin", "key")
            assert printable(value.encode()) == value


def test_a_megabyte_of_noise_is_taken_in_without_growing() -> None:
    noise = random.Random(7).randbytes(1_000_000)
    for parser in (CardLines("", "\r\n"), Commands(), keyboard()):
        for at in range(0, len(noise), 4096):
            for _ in parser.feed(noise[at : at + 4096], 0.0):
                pass
        parts = vars(parser.__dict__.get("_frames", parser)).values()
        assert all(len(part) < 5000 for part in parts if isinstance(part, bytes))
