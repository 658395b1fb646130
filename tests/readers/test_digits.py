"""Keys that are pressed one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.readers.digits import LONGEST, Digits


def pressed(digits: Digits, keys: str, t_s: float = 0.0) -> list[str]:
    """What came of it; ↵ is enter, × is clear, ← is back."""
    names = {"↵": "enter", "×": "clear", "←": "back"}
    found = (digits.press(names.get(key, key), t_s) for key in keys)
    return [one for one in found if one is not None]


@pytest.mark.parametrize(
    ("keys", "entries"),
    [
        ("2468↵", ["2468"]),
        ("12×2468↵", ["2468"]),
        ("2469←8↵", ["2468"]),
        ("↵↵", []),
        ("←←1↵", ["1"]),
        ("1×↵", []),
        ("12↵34↵", ["12", "34"]),
    ],
)
def test_enter_ends_an_entry_and_a_slip_can_be_mended(keys: str, entries: list[str]) -> None:
    assert pressed(Digits(), keys) == entries


def test_the_last_of_so_many_digits_ends_a_pin() -> None:
    digits = Digits(pin_length=4)
    assert pressed(digits, "24681357") == ["2468", "1357"]
    assert pressed(digits, "24↵") == ["24"]
    assert pressed(digits, "A468") == []  # no digits: it waits for enter


def test_with_a_pause_the_first_digits_of_a_card_are_no_pin() -> None:
    digits = Digits(pin_length=4, pause_s=0.4)
    assert pressed(digits, "2468", 0.0) == []
    assert digits.due(0.3) is None
    assert pressed(digits, "1357↵", 0.35) == ["24681357"]
    assert pressed(digits, "2468", 1.0) == []
    assert digits.due(1.41) == "2468"
    assert digits.due(1.5) is None


def test_what_was_left_lying_is_not_the_beginning_of_the_next_entry() -> None:
    digits = Digits(together_s=5)
    pressed(digits, "12", 0.0)
    assert pressed(digits, "34↵", 5.1) == ["34"]
    pressed(digits, "12", 10.0)
    assert digits.due(15.1) is None
    assert digits.count == 0


def test_an_entry_that_is_too_long_is_none_and_never_a_part_of_it() -> None:
    digits = Digits()
    assert pressed(digits, "1" * 10_000 + "↵") == []
    assert pressed(digits, "1" * (LONGEST + 1) + "←←←↵") == []
    assert pressed(digits, "1" * LONGEST + "↵") == ["1" * LONGEST]
    pressed(digits, "1" * 100 + "←" * 100)
    assert pressed(digits, "2468↵", 60.0) == ["2468"]
    pressed(digits, "1" * 100, 60.0)
    digits.clear()
    assert pressed(digits, "2468↵") == ["2468"]


@given(st.text("0123456789A↵×←", max_size=300), st.integers(0, 16))
def test_whatever_is_pressed_an_entry_is_short_and_was_pressed(keys: str, pin_length: int) -> None:
    digits = Digits(pin_length=pin_length)
    for entry in pressed(digits, keys):
        assert 0 < len(entry) <= LONGEST
        assert set(entry) <= set("0123456789A")
    assert digits.count <= LONGEST
