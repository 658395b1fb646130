"""Wakes readers in event loops from any thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ear:
    """What the readers of one loop listen with; `changed` is another event after each ring."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.readers = 0
        self.waking = False


class Bell:
    """Rung from any thread; at most one call waits in each loop, however often it is rung."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ears: dict[asyncio.AbstractEventLoop, Ear] = {}

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._ears)

    def ring(self) -> None:
        """Wake everybody who listens. Never waits for them."""
        with self._lock:
            for loop, ear in self._ears.items():
                if not ear.waking:
                    ear.waking = True
                    with suppress(RuntimeError):  # a loop that was closed over its readers
                        loop.call_soon_threadsafe(self._wake, ear)

    @contextmanager
    def listening(self) -> Iterator[Ear]:
        """Listen in the running loop.

        Take `changed` before looking at what may have changed, then wait for it: nothing that
        happens in between is missed.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            ear = self._ears.setdefault(loop, Ear())
            ear.readers += 1
        try:
            yield ear
        finally:
            with self._lock:
                ear.readers -= 1
                if not ear.readers:
                    self._ears.pop(loop, None)

    def _wake(self, ear: Ear) -> None:
        with self._lock:
            ear.waking = False
            changed, ear.changed = ear.changed, asyncio.Event()
        changed.set()
