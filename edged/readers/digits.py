"""Keys that are pressed one by one, gathered to one entry; pure."""

from __future__ import annotations

from typing import Literal

LONGEST = 64
"""An entry with more than so many characters is none."""

Pressed = Literal["enter", "clear", "back"]
"""What is pressed beside digits and letters."""


class Digits:
    """Gathers a PIN, or what a reader types like a keyboard.

    Args:
        pin_length: so many digits are an entry without enter; 0: only enter ends one.
        together_s: an entry is forgotten when no key follows the last one within this time.
        pause_s: with `pin_length`, how long nothing more may follow, for devices that type card
            numbers, too: their first digits are no PIN.
    """

    def __init__(
        self, *, pin_length: int = 0, together_s: float = 5.0, pause_s: float = 0.0
    ) -> None:
        self._pin_length = pin_length
        self._together_s = together_s
        self._pause_s = pause_s
        self._typed = ""
        self._too_long = False
        self._last_s = 0.0

    @property
    def count(self) -> int:
        """How many characters wait."""
        return len(self._typed)

    def press(self, key: str, t_s: float) -> str | None:
        """Take in a key.

        Args:
            key: one character, or one of `Pressed`.
            t_s: monotonic.

        Returns:
            The entry that is complete now. With `pause_s` above 0 ask `due` from time to time.
        """
        if t_s - self._last_s > self._together_s:
            self.clear()
        self._last_s = t_s
        if key == "enter":
            return self._taken()
        if key == "clear":
            self.clear()
        elif key == "back":
            self._typed = self._typed[:-1]
        elif self.count < LONGEST and not self._too_long:
            self._typed += key
            return None if self._pause_s else self._whole()
        else:  # until enter, or a pause
            self._too_long = True
        return None

    def due(self, t_s: float) -> str | None:
        """What became an entry because nothing followed; and what was left lying is forgotten."""
        if not self.count:
            return None
        quiet_s = t_s - self._last_s
        if quiet_s > self._together_s:
            self.clear()
        elif quiet_s >= self._pause_s > 0:
            return self._whole()
        return None

    def clear(self) -> None:
        """Forget what was pressed."""
        self._typed, self._too_long = "", False

    def _whole(self) -> str | None:
        if not self._pin_length or self.count != self._pin_length or not self._typed.isdecimal():
            return None
        return self._taken()

    def _taken(self) -> str | None:
        typed, good = self._typed, not self._too_long
        self.clear()
        return typed if typed and good else None
