"""How far the log goes, said to the site from time to time, so that it holds the proof."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edged.events.types import CHECKPOINT_TYP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.events.types import Head
    from edged.mqtt.sender import Signer

_EVERY_S = 60.0
_EVERY_EVENTS = 1000
_LOOK_S = 1.0


class Checkpoints:
    """When to say it, and what. The head is the one on the disk, not the one that has arrived: it
    is a promise of what will come. For one thread.

    Args:
        head: the log's end.
        signer: signs what is said.
        stamp: ``v``, ``time`` and ``clock`` of a message made now.
    """

    def __init__(
        self,
        head: Callable[[], Head],
        signer: Signer,
        stamp: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._head = head
        self._signer = signer
        self._stamp = stamp
        self._said: tuple[str, int] | None = None
        self._said_at_s = self._looked_at_s = 0.0

    def due(self, *, last: bool = False) -> dict[str, Any] | None:
        """The message, if it is time for one; with `last`, if there is anything new to say."""
        now_s = time.monotonic()
        if self._said is not None and not last and now_s - self._looked_at_s < _LOOK_S:
            return None
        self._looked_at_s = now_s
        head = self._head()
        if self._said is not None and not self._is_news(head, now_s, last):
            return None
        self._said, self._said_at_s = (head.log, head.seq), now_s
        stamp = self._stamp()
        sig = self._signer.sign_detached(head.canonical(stamp["time"]), CHECKPOINT_TYP)
        return {**stamp, "log": head.log, "seq": head.seq, "hash": head.hash, "sig": sig}

    def _is_news(self, head: Head, now_s: float, last: bool) -> bool:
        if self._said is None or (head.log, head.seq) == self._said:
            return self._said is None
        log, seq = self._said
        rare = now_s - self._said_at_s >= _EVERY_S
        return last or rare or head.log != log or head.seq - seq >= _EVERY_EVENTS
