"""Something about the rules that is wrong, or cannot be meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.config.load import Lines

Place = tuple[str | int, ...]
"""The steps to a setting."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them.

    Attributes:
        place: the setting's steps, such as ``("access", "rules", 3, "when")``.
        text: what it is, and what to do.
    """

    place: Place
    text: str

    def told(self, lines: Lines | None) -> str:
        """``file:line:column: path: text``, or without the file where nobody knows it."""
        if lines is not None:
            return lines.told(self.place, self.text)
        return f"{'.'.join(map(str, self.place))}: {self.text}"
