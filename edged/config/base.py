"""What every part of the configuration is made of."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_UNITS = {"s": "seconds", "ms": "milliseconds", "px": "pixels", "deg": "degrees", "hz": "hertz"}
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def _plain_number(value: Any) -> Any:
    """Refuse text such as ``3s`` or ``500ms``: the unit stands in the setting's name."""
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(-?[\d.]+)\s*([A-Za-z%]+)\s*", value)
        if found:
            unit = _UNITS.get(found[2], found[2])
            raise ValueError(
                f"expected a plain number, the unit stands in the setting's name; "
                f"{value!r} is in {unit}"
            )
        raise ValueError("expected a number")
    return value


def within(minimum: float, maximum: float) -> Any:
    """For `Annotated`: a plain number within these bounds."""
    return (BeforeValidator(_plain_number), Field(ge=minimum, le=maximum))


EXPECTED: dict[str, str] = {}
"""What an installer is told in the place of a pattern."""


def spelled(pattern: str, expected: str) -> Any:
    """For `Annotated`: text of this pattern, which is told as `expected`."""
    EXPECTED[pattern] = expected
    return Field(pattern=pattern)


Name = Annotated[
    str, spelled(NAME, "up to 64 letters, digits, _ . -, the first a letter or a digit")
]


class Settings(BaseModel):
    """A part of the configuration: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, hide_input_in_errors=False)


class Misplaced(ValueError):
    """Problems that show only when several settings are seen together, each at its own place.

    Attributes:
        problems: the path of a setting below the one that was validated, and what is wrong.
    """

    def __init__(self, problems: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        told = (f"{'.'.join(map(str, path))}: {what}" for path, what in problems)
        super().__init__("; ".join(told))
        self.problems = problems


def unknown_name(what: str, name: str, known: Collection[str]) -> str:
    """What is wrong with a name that is not among these, with a did-you-mean."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known) or 'none'}"
    return f"unknown {what}; {hint}"
