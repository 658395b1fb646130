"""The current view, from any thread to every browser."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

from edged.web.view import ScreenView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEARTBEAT_S = 5.0
_ALIVE = b"event: alive\ndata: {}\n\n"  # a browser drops events without data


class Stream:
    """Holds one view. Nothing queues: who reads slowly misses views, never the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view = ScreenView()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waking = False
        self._changed = asyncio.Event()

    def show(self, view: ScreenView) -> None:
        """Make this the current view. From any thread; never waits for a browser."""
        with self._lock:
            self._view = view
            self._wake_soon()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to serve `messages`, in this loop."""
        with self._lock:
            self._loop, self._waking = loop, False

    def detach(self, loop: asyncio.AbstractEventLoop) -> None:
        """End this loop's `messages`. Must be called before it is closed; safe twice."""
        with self._lock:
            if self._loop is loop:
                self._wake_soon()
                self._loop = None

    def _wake_soon(self) -> None:
        # At most one call waits in the loop, however often and fast views are shown.
        if self._loop is not None and not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            self._waking = False
            changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """Server-Sent Events: the view now, then each newest one, and signs of life."""
        sent: ScreenView | None = None
        while True:
            with self._lock:
                loop, view, changed = self._loop, self._view, self._changed
            if loop is None:
                return
            if view != sent:
                sent = view
                yield f"data: {json.dumps(asdict(view))}\n\n".encode()
                continue
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await changed.wait()
            except TimeoutError:
                yield _ALIVE
