"""Keys by their codes (linux/input-event-codes.h), as a US keyboard has them.

Readers type with that layout, whatever the machine's is. Shift does not matter: letters are
upper case.
"""

from __future__ import annotations

_ROWS = {2: "1234567890", 16: "QWERTYUIOP", 30: "ASDFGHJKL", 44: "ZXCVBNM"}
_KEYPAD = {71: "7", 72: "8", 73: "9", 75: "4", 76: "5", 77: "6", 79: "1", 80: "2", 81: "3", 82: "0"}
_FUNCTIONS = {59 + n: f"f{n + 1}" for n in range(10)} | {87: "f11", 88: "f12"}
_NUMERIC = {0x200 + n: str(n) for n in range(10)}  # of telephones, and of some keypads

KEYS: dict[int, str] = {
    **{first + place: sign for first, row in _ROWS.items() for place, sign in enumerate(row)},
    **_KEYPAD,
    **_FUNCTIONS,
    **_NUMERIC,
    28: "enter",
    96: "enter",  # keypad
    0x20B: "enter",  # numeric #
    1: "clear",  # escape
    55: "clear",  # keypad *
    0x20A: "clear",  # numeric *
    111: "clear",  # delete
    14: "back",
    12: "-",
    74: "-",
    78: "plus",
    98: "slash",
    102: "home",
    103: "up",
    104: "pageup",
    105: "left",
    106: "right",
    107: "end",
    108: "down",
    109: "pagedown",
    110: "insert",
    15: "tab",
    57: "space",
}
"""One character, or the name of a key, by code."""
