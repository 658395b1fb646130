"""One slot between two threads: the newest wins."""

from __future__ import annotations

from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands the newest thing from one thread to another; nothing queues.

    Attributes:
        dropped: how many things were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._slot: list[T] = []
        self._closed = False
        self.dropped = 0

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, thing: T, *, wait: bool = False) -> None:
        """Put a thing in, over one that still lies there; into a closed mailbox, drop it.

        Args:
            thing: what to hand over.
            wait: until the slot is free, so that nothing is lost: for a recording whose
                consumer is the clock.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closed or not self._slot)
            if self._closed:
                self.dropped += 1
                return
            self.dropped += len(self._slot)
            self._slot = [thing]
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> T | None:
        """The thing in the slot, as soon as there is one.

        What lay there when the mailbox was closed can still be taken.

        Returns:
            None when nothing came in time, or the mailbox is closed and empty (see `closed`).
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._slot), timeout_s)
            thing = self._slot.pop() if self._slot else None
            self._changed.notify_all()
            return thing

    def close(self) -> None:
        """Wake everybody who waits; may be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
