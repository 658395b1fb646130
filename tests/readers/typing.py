"""What a keyboard writes to its device, by hand."""

from __future__ import annotations

import struct

from edged.readers.keymap import KEYS

_CODES = {name: code for code, name in reversed(KEYS.items())}
_SHIFT = 42


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 1_772_352_000, 310, kind, code, value)


def press(code: int) -> bytes:
    """Scan code, down, report, repeated, up, report: as a real one does."""
    report = event(0, 0, 0)
    down, up = event(4, 4, code) + event(1, code, 1) + report, event(1, code, 0) + report
    return down + event(1, code, 2) + report + up


def typed(*keys: str) -> bytes:
    """Keys by their names; upper case with shift."""
    made = b""
    for key in keys:
        shift = event(1, _SHIFT, 1) if key.isupper() else b""
        made += shift + press(_CODES[key]) + (event(1, _SHIFT, 0) if shift else b"")
    return made
