"""Readers as an installer writes them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from edged.config.readers import Reader

READER: TypeAdapter[Any] = TypeAdapter(Reader)
KEYBOARD = {"driver": "keyboard", "device": "/dev/input/event0"}
SERIAL = {"driver": "serial", "device": "/dev/ttyUSB0"}


@pytest.mark.parametrize(
    "settings",
    [
        {**KEYBOARD, "keys": {"f1": "in", "f12": "out", "plus": "break"}},
        {**KEYBOARD, "pin_length": 6, "card_length": 7},
        {**SERIAL, "begin": "\x02", "end": "\x03"},
        {"driver": "simulated", "pipe": "pipe", "direction": "out"},
    ],
)
def test_a_reader_is_taken(settings: dict[str, Any]) -> None:
    assert READER.validate_python(settings).driver == settings["driver"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({**KEYBOARD, "pin_length": 8}, "must be below card_length"),
        ({**KEYBOARD, "keys": {"f13": "in"}}, "pattern"),
        ({**KEYBOARD, "keys": {"5": "in"}}, "pattern"),
        ({**KEYBOARD, "keys": {"f1": ""}}, "pattern"),
        ({**SERIAL, "end": ""}, "at least 1"),
        ({**SERIAL, "end": "é"}, "pattern"),
        ({**SERIAL, "begin": "123456789"}, "at most 8"),
        ({**SERIAL, "baud": 1234}, "9600"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        READER.validate_python(settings)
