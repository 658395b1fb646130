"""The current view, from any thread to every browser."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, replace
from math import isfinite
from typing import TYPE_CHECKING

from edged.web.bell import Bell
from edged.web.view import ScreenView

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from edged.web.view import Place

HEARTBEAT_S = 5.0
_LEAST_S = 0.05  # between two views that differ by little: a ring that follows a face
_POLL_S = 0.5  # whether the terminal is blind is asked, not told
_ALIVE = b"event: alive\ndata: {}\n\n"  # a browser drops events without data


class Stream:
    """Holds one view. Nothing queues: who reads slowly misses views, never the newest.

    Args:
        blind: whether the terminal sees nobody at present; called in the loop, must be quick.
    """

    def __init__(self, blind: Callable[[], bool] = lambda: False) -> None:
        self._blind = blind
        self._view = ScreenView()
        self._face: Place | None = None
        self._bell = Bell()

    def show(self, view: ScreenView) -> None:
        """Make this the current view. From any thread; never waits for a browser."""
        self._view = view
        self._bell.ring()

    def look(self, face: Place | None) -> None:
        """The served face is here now. From any thread; never waits for a browser."""
        if face != self._face:
            self._face = face
            self._bell.ring()

    async def messages(self) -> AsyncGenerator[bytes]:
        """Server-Sent Events: the view now, then each newest one, and signs of life."""
        sent: ScreenView | None = None
        sent_s = 0.0
        with self._bell.listening() as ear:
            while True:
                changed = ear.changed
                view = self._now()
                if view != sent:
                    early_s = sent_s + _LEAST_S - time.monotonic()
                    if early_s > 0 and sent is not None and _moved(sent, view):
                        await asyncio.sleep(early_s)
                        continue
                    sent, sent_s = view, time.monotonic()
                    yield f"data: {json.dumps(asdict(view), allow_nan=False)}\n\n".encode()
                    continue
                try:
                    async with asyncio.timeout(_POLL_S):
                        await changed.wait()
                except TimeoutError:
                    if time.monotonic() - sent_s >= HEARTBEAT_S:
                        sent_s = time.monotonic()
                        yield _ALIVE

    def _now(self) -> ScreenView:
        view, face = self._view, self._face
        if face is not None and not all(map(isfinite, face)):
            face = None
        progress = min(1.0, max(0.0, view.progress)) if isfinite(view.progress) else 0.0
        if self._blind():
            return ScreenView(blind=True)
        return replace(view, face=face, progress=round(progress, 3))


def _moved(before: ScreenView, now: ScreenView) -> bool:
    """Whether nothing but the ring is another."""
    return replace(now, face=before.face, progress=before.progress) == before
