"""When more arrives than anybody would command: the terminal stops listening for a while.

Every message costs the interpreter that also recognises faces. Below the threshold they are
judged; above it the subscription ends for some seconds, longer each time, so that the broker drops
them and the door works on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edged.mqtt.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

_MESSAGES_HZ, _MESSAGES_BURST = 200.0, 400.0
_BYTES_HZ, _BYTES_BURST = 16e6, 48e6  # a network in pieces comes at 5 MB/s
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 60.0
_HEARS_S = 2.0  # to subscribe again
_CALM_S = 60.0  # after that long without a flood the next pause is a short one again


class Flood:
    """Counts what arrives; for the network's thread, but for `over` and `settled`.

    Args:
        rate_hz: how many a second are no flood, for as long as they come.
    """

    def __init__(
        self, rate_hz: float = 0.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        messages_hz = max(_MESSAGES_HZ, rate_hz)
        self._messages = Bucket(messages_hz, 2 * messages_hz, monotonic)
        self._bytes = Bucket(_BYTES_HZ, _BYTES_BURST, monotonic)
        self._until_s = float("-inf")
        self._pause_s = 0.0

    def arrived(self, size: int) -> float:
        """A message came; for how many seconds to listen no more, from now on, 0 for none.

        What still comes in a pause is to be dropped (`over` is False).
        """
        enough = self._messages.take()
        if self._bytes.take(size) and enough:
            return 0.0
        now_s = self._monotonic()
        again = now_s - self._until_s < _CALM_S
        self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s) if again else _FIRST_PAUSE_S
        self._until_s = now_s + self._pause_s
        self._messages.fill()
        self._bytes.fill()
        return self._pause_s

    @property
    def over(self) -> bool:
        """Whether there is no pause; any thread."""
        return self._monotonic() >= self._until_s

    @property
    def settled(self) -> bool:
        """Whether the terminal listens again by now; any thread."""
        return self._monotonic() >= self._until_s + _HEARS_S
