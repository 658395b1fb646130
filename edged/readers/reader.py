"""What every reader does, whatever cable it hangs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.access.request import Reading

Cue = Literal["idle", "ask_pin", "granted", "denied", "wait", "error"]
"""What a reader can be asked to show with its lamp and buzzer."""


class Reader(Protocol):
    """Reads in a thread of its own and comes back by itself when the cable does."""

    def open(
        self, on_reading: Callable[[Reading], None], on_fault: Callable[[str | None], None]
    ) -> None:
        """Begin to read.

        Args:
            on_reading: called on the reader's thread with what was read; returns soon.
            on_fault: called on the reader's thread with what is wrong once it is, and with None
                when it is well again.

        Raises:
            ReaderError: it can never work: a library is missing, a key file is unusable.
        """

    def cue(self, cue: Cue) -> None:
        """Show something, as far as the reader can; any thread; never blocks, never raises."""

    def close(self) -> None:
        """Stop reading; safe twice and after a failed `open`."""

    def describe(self) -> dict[str, Any]:
        """Driver, place, what is wrong; no card numbers, no keys."""
