"""What the composition root does with each of the parts around access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edged.mqtt.catalogue import Handler


class Part(Protocol):
    """Opened in order, ticked by the supervisor every half second, closed in reverse."""

    def open(self) -> None:
        """Begin; the constructor has done nothing."""

    def tick(self) -> None:
        """What changes without anybody telling; at once, never raises."""

    def handlers(self) -> dict[str, Handler]:
        """Commands that it obeys, by name."""

    def close(self) -> None:
        """End; safe twice and after a failed `open`."""
